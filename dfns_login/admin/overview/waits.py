"""How long the emails of codes took, from the request to the mail server."""

from datetime import datetime
from typing import Any, Final

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.overview import parts
from dfns_login.admin.overview.charts import LineChart, Series, whole
from dfns_login.admin.overview.parts import Figure, Hours, OverviewQuery, recent_rows
from dfns_login.admin.rendering import seconds
from dfns_login.models import OneTimeCode

Waits = tuple[float | None, float | None]
Hourly = tuple[list[float | None], list[float | None]]


def waits_of(query: OverviewQuery, hours: Hours, *, counted_from: datetime) -> tuple[Figure, LineChart]:
    """Return the figure and the chart. counted_from: when the codes of the other charts begin."""
    recent, begins = recent_rows(OneTimeCode, "issued_at", query=query, begin=hours.begin, limit=parts.RANKED)
    (median, most), (medians, mosts) = _waits(recent, hours)
    summary = gettext("Half of the emails took at most %(median)s, 95%% at most %(most)s.")
    summary %= {"median": seconds(median), "most": seconds(most)}
    if begins > counted_from:
        summary = f"{summary} " + gettext("Of the newest %(count)s codes.") % {"count": whole(parts.RANKED)}
    chart = LineChart(
        slug="waits",
        title=_("Time until the mail server accepted the email"),
        summary=summary,
        series=[
            Series(name=_("Half within"), tone="good", values=medians),
            Series(name=_("95% within"), tone="bad", values=mosts),
        ],
        labels=hours.labels(),
        shown=seconds,
    )
    most_within = gettext("95%% within %(time)s") % {"time": seconds(most)} if most is not None else ""
    return Figure(name=_("Email accepted after"), value=seconds(median), detail=most_within), chart


def _waits(rows: QuerySet[Any], hours: Hours) -> tuple[Waits, Hourly]:
    """Return the median and the 95th percentile of the waits in seconds, of the period and of each hour.

    By the nearest rank: of n waits in order, those at the places n/2 and 19n/20, rounded up. Without a
    division, because databases round differently. A code that was requested again after its email is left out.
    """
    place, count = Window(RowNumber(), order_by="wait"), Window(Count("pk"))
    place_in_hour = Window(RowNumber(), partition_by="hour", order_by="wait")
    count_in_hour = Window(Count("pk"), partition_by="hour")
    sent = rows.filter(sent_at__gte=F("asked_at")).annotate(wait=F("sent_at") - F("asked_at"))
    ranked = sent.annotate(
        half=place * 2 - count,
        most=place * 20 - count * 19,
        half_in_hour=place_in_hour * 2 - count_in_hour,
        most_in_hour=place_in_hour * 20 - count_in_hour * 19,
    )
    at_rank = Q()
    for name, end in RANKS.items():
        at_rank |= Q(**{f"{name}__gte": 0, f"{name}__lt": end})
    found: dict[str, float] = {}
    by_hour: Hourly = ([None] * hours.count, [None] * hours.count)
    for row in ranked.filter(at_rank).values("hour", "wait", *RANKS):
        wait, hour = row["wait"].total_seconds(), hours.index(row["hour"])
        found |= {name: wait for name, end in RANKS.items() if 0 <= row[name] < end}
        for values, name in zip(by_hour, ("half_in_hour", "most_in_hour"), strict=True):
            if 0 <= row[name] < RANKS[name]:
                values[hour] = wait
    return (found.get("half"), found.get("most")), by_hour


RANKS: Final = {"half": 2, "most": 20, "half_in_hour": 2, "most_in_hour": 20}
"""The rows at a rank are those where this is at least 0 and below the number."""
