"""What the parts of the overview have in common: the period, its hours, and the rows that they cover."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from django.db.models import Model, QuerySet
from django.db.models.functions import TruncHour
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.django_types import Text
from dfns_login.admin.overview.charts import Chart
from dfns_login.models import Organization

WINDOW: Final = 50_000
"""The most rows of a table that the overview covers, newest first."""
RANKED: Final = 10_000
"""The most codes whose waits are sorted, which takes longer than counting."""
HOUR: Final = timedelta(hours=1)
DAY: Final = 24
PERIODS: Final = {
    "24h": (timedelta(hours=24), _("Last 24 hours")),
    "7d": (timedelta(days=7), _("Last 7 days")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewQuery:
    """What the operator wants to see. organization: None for all."""

    period: str
    organization: Organization | None

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        period, pk = request.GET.get("period", ""), request.GET.get("organization", "").replace("\0", "")
        found = Organization.objects.filter(pk=pk).first() if pk else None
        return cls(period=period if period in PERIODS else "24h", organization=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number that the overview begins with. detail: what it is made of."""

    name: Text
    value: str
    detail: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The hours of the period. begin: of the first one."""

    begin: datetime
    count: int

    @classmethod
    def until(cls, now: datetime, *, length: timedelta) -> Self:
        last = localtime(now).replace(minute=0, second=0, microsecond=0)
        return cls(begin=last - length + HOUR, count=int(length / HOUR))

    def index(self, hour: datetime) -> int:
        return min(self.count - 1, max(0, int((hour - self.begin) / HOUR)))

    def labels(self) -> list[str]:
        return [date_format(localtime(self.begin + HOUR * at), self._format) for at in range(self.count)]

    @property
    def _format(self) -> str:
        return "H:i" if self.count <= DAY else "D H:i"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one table adds to the overview."""

    begins: datetime
    figures: Sequence[Figure]
    charts: Sequence[Chart]
    reasons: Sequence[tuple[Text, int]] = ()
    email_errors: Sequence[tuple[str, int]] = ()


def recent_rows(
    model: type[Model], column: str, *, query: OverviewQuery, begin: datetime, limit: int
) -> tuple[QuerySet[Any], datetime]:
    """Return the newest rows of the period, of `limit` rows of all organizations at most, and when they begin."""
    rows = model._default_manager.filter(**{f"{column}__gte": begin})
    beyond = rows.order_by(f"-{column}").values_list(column, flat=True)[limit - 1 : limit]
    begins = next(iter(beyond), begin)
    rows = model._default_manager.filter(**{f"{column}__gte": begins}).annotate(hour=TruncHour(column))
    return rows.filter(organization=query.organization.pk) if query.organization else rows, begins
