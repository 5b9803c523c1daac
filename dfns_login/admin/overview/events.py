"""Sign-ins by hour, and what else the audit trail counts."""

from collections.abc import Iterator
from typing import Final

from django.db.models import Count
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.overview import parts
from dfns_login.admin.overview.charts import BarChart, Series, whole
from dfns_login.admin.overview.parts import Figure, Hours, OverviewQuery, Part, recent_rows
from dfns_login.models import AuditEvent, AuditKind

COUNTED_KINDS: Final = (
    AuditKind.SIGNED_IN,
    AuditKind.REGISTERED,
    AuditKind.RECOVERED,
    AuditKind.LOCKED,
    AuditKind.CREDENTIAL_SUSPECTED,
)


def events(query: OverviewQuery, hours: Hours) -> Part:
    rows, begins = recent_rows(AuditEvent, "at", query=query, begin=hours.begin, limit=parts.WINDOW)
    counted = rows.filter(kind__in=COUNTED_KINDS).values("hour", "kind").annotate(events=Count("pk"))
    values = {kind.value: [0] * hours.count for kind in COUNTED_KINDS}
    for row in counted:
        values[row["kind"]][hours.index(row["hour"])] += row["events"]
    totals = {kind: sum(values[kind.value]) for kind in COUNTED_KINDS}
    return Part(
        begins=begins,
        figures=list(_event_figures(totals)),
        charts=[
            BarChart(
                slug="sign-ins",
                title=_("Sign-ins by hour"),
                summary=gettext("People signed in %(count)d times.") % {"count": totals[AuditKind.SIGNED_IN]},
                series=[Series(name=_("Sign-ins"), tone="good", values=values[AuditKind.SIGNED_IN.value])],
                labels=hours.labels(),
            )
        ],
    )


def _event_figures(totals: dict[AuditKind, int]) -> Iterator[Figure]:
    registered = gettext("%(count)d registered") % {"count": totals[AuditKind.REGISTERED]}
    recovered = gettext("%(count)d recovered") % {"count": totals[AuditKind.RECOVERED]}
    yield Figure(name=_("Sign-ins"), value=whole(totals[AuditKind.SIGNED_IN]), detail=f"{registered}, {recovered}")
    suspected = gettext("%(count)d passkeys may have been copied") % {"count": totals[AuditKind.CREDENTIAL_SUSPECTED]}
    yield Figure(
        name=_("Locked by their owner"),
        value=whole(totals[AuditKind.LOCKED]),
        detail=suspected if totals[AuditKind.CREDENTIAL_SUSPECTED] else "",
    )
