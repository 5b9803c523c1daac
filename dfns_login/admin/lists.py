"""Lists over tables of any size: what they look at is bounded, whatever an operator asks.

A filter or a search that an index answers narrows the table; of what is left,
a list looks at the newest rows only, and says so where there are more.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar, Final

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db import connections
from django.db.models import Q, QuerySet, TextChoices
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.typed import AnyModelAdmin, Text
from dfns_login.models import Account, Organization
from dfns_login.usernames import canonical_username

WINDOW: Final = 20_000
"""Rows that a list looks at, the newest first."""
ORGANIZATIONS_LISTED: Final = 50
NAMESAKES: Final = 200
"""Accounts of one username, in so many organizations, that a search finds."""
FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(9000, 1, 1)


class Filter(SimpleListFilter):
    """A filter of ours. indexed: whether it narrows the table before the window is laid."""

    indexed: ClassVar[bool] = False


class FixedChangeList(ChangeList):
    """A list in the one order that its admin gives it: sorting by another column would read the whole table."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return list(self.model_admin.get_ordering(request))


class WindowedChangeList(FixedChangeList):
    """A list of the newest rows. `window_key`, of the model's admin, is an indexed column that grows with time."""

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


class ChoiceFilter(Filter):
    """Rows whose column has one of its choices."""

    column: ClassVar[str]
    values: ClassVar[type[TextChoices]]

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> Iterable[tuple[str, Text]]:
        return self.values.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(**{self.column: self.value()}) if self.value() else None


def choice_filter(
    column: str, values: type[TextChoices], title: Text, *, parameter: str | None = None
) -> type[ChoiceFilter]:
    """A filter by the choices of this column."""
    members = {"column": column, "values": values, "title": title, "parameter_name": parameter or column}
    return type(f"{values.__name__}Filter", (ChoiceFilter,), members)


class OrganizationFilter(Filter):
    """Rows of one organization. The first of them by name are listed; any can be come from, by its page."""

    title = _("organization")
    parameter_name = "organization"

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> Iterable[tuple[str, Text]]:
        known = dict(Organization.objects.order_by("name").values_list("pk", "name")[:ORGANIZATIONS_LISTED])
        given = self.value()
        if given and given not in known:
            known[given] = Organization.objects.filter(pk=given).values_list("name", flat=True).first() or given
        return known.items() if len(known) > 1 or given else ()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(organization=self.value()) if self.value() else None


class OrganizationOfAccountFilter(OrganizationFilter):
    """Rows whose account is of one organization."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(account__organization=self.value()) if self.value() else None


class AccountFilter(Filter):
    """Rows of one account: come to from its page, shown where it is in force."""

    title = _("account")
    parameter_name = "account"
    indexed = True

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> Iterable[tuple[str, Text]]:
        given = self.value()
        if not given:
            return ()
        return [(given, Account.objects.filter(pk=given).values_list("username", flat=True).first() or given)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(account=self.value()) if self.value() else None


class PeriodFilter(Filter):
    """Rows of the last hours or days, or of one day of the operator's time zone."""

    template = "admin/dfns_login/period_filter.html"
    indexed = True
    column: ClassVar[str]
    periods: ClassVar[Mapping[str, tuple[timedelta, Text]]] = {
        "hour": (timedelta(hours=1), _("Last hour")),
        "24h": (timedelta(hours=24), _("Last 24 hours")),
        "7d": (timedelta(days=7), _("Last 7 days")),
    }

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> Iterable[tuple[str, Text]]:
        return [(name, label) for name, (_length, label) in self.periods.items()]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        dropped = {self.parameter_name, "p", "e"}
        self.kept = [(name, value) for name, value in changelist.params.items() if name not in dropped]
        self.kept += [("q", changelist.query)] if changelist.query and "q" not in changelist.params else []
        yield from super().choices(changelist)

    @property
    def day(self) -> str:
        """The one day that is asked for, if it is one."""
        value = self.value() or ""
        return "" if value in self.periods else value

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        value = self.value()
        if not value:
            return None
        if value in self.periods:
            return queryset.filter(**{f"{self.column}__gte": timezone.now() - self.periods[value][0]})
        try:
            day = date.fromisoformat(value)
        except ValueError as error:
            raise IncorrectLookupParameters from error
        if not FIRST_DAY <= day <= LAST_DAY:
            raise IncorrectLookupParameters
        begin, end = (_midnight(day), _midnight(day + timedelta(days=1)))
        return queryset.filter(**{f"{self.column}__gte": begin, f"{self.column}__lt": end})


def starts_with(column: str, text: str, *, queryset: QuerySet[Any]) -> Q:
    """Rows whose column begins so, as an index finds them: by pattern on PostgreSQL, by code points elsewhere."""
    if connections[queryset.db].vendor == "postgresql":
        return Q(**{f"{column}__startswith": text})
    return Q(**{f"{column}__gte": text, f"{column}__lt": text + "\U0010ffff"})


def username_in(text: str) -> str:
    """What was typed, as a username is stored; empty if it is none."""
    try:
        return canonical_username(text)
    except ValueError:
        return ""


def of_username(queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
    """Rows of the accounts of this very username, or of this account's id."""
    named = Q(pk=text.strip()) | Q(username=username_in(text))
    return queryset.filter(account__in=list(Account.objects.filter(named).values_list("pk", flat=True)[:NAMESAKES]))


def allowed_parameters(model_admin: AnyModelAdmin) -> set[str]:
    """Names that the address of a list may carry: its own filters', and no column's."""
    return {
        str(each.parameter_name)
        for each in model_admin.list_filter
        if isinstance(each, type) and issubclass(each, Filter)
    }


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
