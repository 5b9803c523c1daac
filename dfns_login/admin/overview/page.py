"""The overview: codes, their emails, sign-ins and refusals of the last hours or days.

Each statement reads an index by time and covers the newest `WINDOW` rows at most, of all organizations. If there are
more, the overview begins later and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import date_format
from django.utils.timezone import localtime

from dfns_login.admin.django_types import Text
from dfns_login.admin.overview.charts import Chart
from dfns_login.admin.overview.codes import codes
from dfns_login.admin.overview.events import events
from dfns_login.admin.overview.parts import PERIODS, Figure, Hours, OverviewQuery
from dfns_login.admin.overview.refusals import Refusals, refusals
from dfns_login.admin.permissions import MayView
from dfns_login.models import AuditEvent, OneTimeCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the template shows. begins_late: when the newest rows begin, if there are too many for the period."""

    query: OverviewQuery
    periods: Sequence[tuple[str, Text]]
    figures: Sequence[Figure]
    charts: Sequence[Chart]
    reasons: Sequence[tuple[Text, int]]
    email_errors: Sequence[tuple[str, int]]
    refusals: Refusals | None
    begins_late: str


def overview(query: OverviewQuery, *, may_view: MayView, now: datetime) -> Overview | None:
    """Return what the operator may view; None if that is nothing."""
    readers = {OneTimeCode: codes, AuditEvent: events}
    allowed = [read for model, read in readers.items() if may_view(model)]
    if not allowed:
        return None
    hours = Hours.until(now, length=PERIODS[query.period][0])
    parts = [read(query, hours) for read in allowed]
    late = [each.begins for each in parts if each.begins > hours.begin]
    return Overview(
        query=query,
        periods=[(name, label) for name, (_length, label) in PERIODS.items()],
        figures=[figure for each in parts for figure in each.figures],
        charts=[chart for each in parts for chart in each.charts],
        reasons=[reason for each in parts for reason in each.reasons],
        email_errors=[error for each in parts for error in each.email_errors],
        refusals=refusals(since=hours.begin, now=now) if events in allowed else None,
        begins_late=date_format(localtime(max(late)), "DATETIME_FORMAT") if late else "",
    )
