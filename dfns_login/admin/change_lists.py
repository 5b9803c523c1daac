"""Change lists that stay fast over tables of any size.

Filters and searches that an index answers narrow the table first. Of what is
left, a list shows the newest rows only and says when there are more.
"""

from typing import Any, Final

from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from dfns_login.admin.filters import Filter

WINDOW: Final = 20_000
"""The most rows that a list covers, newest first."""


class FixedOrderChangeList(ChangeList):
    """A list in its admin's `ordering` only; sorting by another column would read the whole table."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return list(self.model_admin.get_ordering(request))


class NewestRowsChangeList(FixedOrderChangeList):
    """A list of the newest rows.

    The admin's `window_key` names an indexed column that grows with time. `truncated`
    is the number of rows covered, or None if the list is complete.
    """

    truncated: int | None = None

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        rows = super().get_queryset(request, exclude_parameters)
        narrowed = self.root_queryset
        for each in self.filter_specs:
            if isinstance(each, Filter) and each.indexed:
                chosen = each.queryset(request, narrowed)
                narrowed = narrowed if chosen is None else chosen
        narrowed, _duplicates = self.model_admin.get_search_results(request, narrowed, self.query)
        key = str(getattr(self.model_admin, "window_key", "pk"))
        window = int(getattr(self.model_admin, "window", WINDOW))
        oldest = list(narrowed.order_by(f"-{key}").values_list(key, flat=True)[window - 1 : window + 1])
        if len(oldest) <= 1:
            return rows
        self.truncated = window
        return rows.filter(**{f"{key}__gte": oldest[0]})
