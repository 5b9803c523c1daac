"""Filters for the admin's lists."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar, Final

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet, TextChoices
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.django_types import AnyModelAdmin, Text
from dfns_login.models import Account, Organization

ORGANIZATIONS_LISTED: Final = 50
FIRST_DAY: Final = date(2000, 1, 1)
LAST_DAY: Final = date(9000, 1, 1)


class Filter(SimpleListFilter):
    """Base class of the app's filters. `indexed`: an index answers it, so it applies before rows are limited."""

    indexed: ClassVar[bool] = False

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Yield the choices. Sets `kept`: the rest of the query, for a form of the filter's template."""
        dropped = {self.parameter_name, "p", "e"}
        self.kept = [(name, value) for name, value in changelist.params.items() if name not in dropped]
        self.kept += [("q", changelist.query)] if changelist.query and "q" not in changelist.params else []
        yield from super().choices(changelist)


class ChoiceFilter(Filter):
    """Filter by a column that has choices. Its template may be one that needs `kept`, as a form does."""

    column: ClassVar[str]
    values: ClassVar[type[TextChoices]]

    def lookups(self, request: HttpRequest, model_admin: AnyModelAdmin) -> Iterable[tuple[str, Text]]:
        return self.values.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(**{self.column: self.value()}) if self.value() else None


def choice_filter(
    column: str, values: type[TextChoices], title: Text, *, template: str = ChoiceFilter.template
) -> type[ChoiceFilter]:
    """Make a filter for the choices of `column`."""
    members = {"column": column, "values": values, "title": title, "parameter_name": column, "template": template}
    return type(f"{values.__name__}Filter", (ChoiceFilter,), members)


class OrganizationFilter(Filter):
    """Filter by organization.

    Lists the first organizations by name. The page of any other organization links to the filtered list.
    """

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


class AccountOrganizationFilter(OrganizationFilter):
    """Filter by the organization of the row's account."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(account__organization=self.value()) if self.value() else None


class AccountFilter(Filter):
    """Filter by account. The account's page links here; without an account, the filter is hidden."""

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
    """Filter by the last hours or days, or by one day in the operator's time zone."""

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

    @property
    def day(self) -> str:
        """The chosen day; empty if a period is chosen, or nothing."""
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


def allowed_parameters(model_admin: AnyModelAdmin) -> set[str]:
    """Query parameters that the admin's list accepts: those of its filters."""
    return {
        str(each.parameter_name)
        for each in model_admin.list_filter
        if isinstance(each, type) and issubclass(each, Filter)
    }


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
