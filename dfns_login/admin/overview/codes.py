"""Codes by state and hour, how long their emails took, and why some did not work."""

from collections import Counter
from typing import Final

from django.db.models import Count, Sum
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dfns_login.admin.overview import parts
from dfns_login.admin.overview.charts import BarChart, Series, whole
from dfns_login.admin.overview.parts import Figure, Hours, OverviewQuery, Part, recent_rows
from dfns_login.admin.overview.waits import waits_of
from dfns_login.models import CodeClosed, DeliveryState, OneTimeCode

ERRORS_LISTED: Final = 5
CODE_SERIES: Final = (
    (CodeClosed.CONSUMED, _("Used"), "good"),
    ("", _("Open"), "open"),
    (CodeClosed.EXPIRED, _("Expired"), "over"),
    (CodeClosed.SUPERSEDED, _("Replaced"), "replaced"),
    (CodeClosed.REVOKED, _("Revoked"), "bad"),
)
NOT_DELIVERED: Final = (DeliveryState.REFUSED, DeliveryState.FAILED, DeliveryState.EXPIRED_UNSENT)


def codes(query: OverviewQuery, hours: Hours) -> Part:
    rows, begins = recent_rows(OneTimeCode, "issued_at", query=query, begin=hours.begin, limit=parts.WINDOW)
    counted = list(
        rows.values("hour", "closed_as", "delivery").annotate(
            codes=Count("pk"), by_strangers=Sum("guesses"), by_devices=Sum("device_guesses")
        )
    )
    values = {state: [0] * hours.count for state, *_rest in CODE_SERIES}
    delivery: Counter[str] = Counter()
    for row in counted:
        values[row["closed_as"]][hours.index(row["hour"])] += row["codes"]
        delivery[row["delivery"]] += row["codes"]
    total, used = sum(row["codes"] for row in counted), sum(values[CodeClosed.CONSUMED])
    devices = sum(row["by_devices"] for row in counted)
    guesses = devices + sum(row["by_strangers"] for row in counted)
    used_share = gettext("%(share)s used") % {"share": f"{used / total:.0%}"} if total else ""
    summary = gettext("%(total)d codes were requested, %(used)d of them were used.") % {"total": total, "used": used}
    series = [Series(name=name, tone=tone, values=values[state]) for state, name, tone in CODE_SERIES]
    failed = rows.filter(delivery__in=NOT_DELIVERED).exclude(last_error="").values("last_error")
    email_errors = failed.annotate(codes=Count("pk")).order_by("-codes", "last_error")[:ERRORS_LISTED]
    waited, waits = waits_of(query, hours, counted_from=begins)
    from_devices = gettext("%(count)d from known devices") % {"count": devices}
    return Part(
        begins=begins,
        figures=[
            Figure(name=_("Codes requested"), value=whole(total), detail=used_share),
            waited,
            Figure(name=_("Guesses"), value=whole(guesses), detail=from_devices),
        ],
        charts=[
            BarChart(slug="codes", title=_("Codes by hour"), summary=summary, series=series, labels=hours.labels()),
            waits,
        ],
        reasons=[
            *((DeliveryState(each).label, delivery[each]) for each in NOT_DELIVERED),
            (_("No account has this name"), delivery[DeliveryState.NO_RECIPIENT]),
            (_("Code expired before it was used"), sum(values[CodeClosed.EXPIRED])),
            (_("Code revoked"), sum(values[CodeClosed.REVOKED])),
        ],
        email_errors=[(row["last_error"], row["codes"]) for row in email_errors],
    )
