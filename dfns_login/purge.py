"""What is removed, and when. In small batches beside traffic; open rows are never touched (R-119)."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import models

from dfns_login.models import AuditEvent, OneTimeCode, Session, SpentToken
from dfns_login.settings import login_settings

BATCH: Final = 500
WITHOUT_RECIPIENT: Final = timedelta(hours=1)
"""How long closed codes of names that nobody has are kept."""
SPENT_MARGIN: Final = timedelta(minutes=5)
"""How much longer than its token a spent `jti` is remembered."""


def close_expired_codes(*, now: datetime) -> int:
    """Close every code whose life is over and erase its salt. Returns how many."""
    total = 0
    while closed := OneTimeCode.objects.close_expired(now=now, limit=BATCH):
        total += closed
    return total


def purge(*, now: datetime) -> dict[str, int]:
    """Delete what is past its retention. Returns how many rows of each kind."""
    conf = login_settings()
    codes = OneTimeCode.objects.outdated(
        without_recipient_before=now - WITHOUT_RECIPIENT, others_before=now - conf.code_retention
    )
    return {
        "codes": _delete(codes, order="closed_at"),
        "spent_tokens": _delete(SpentToken.objects.filter(expires_at__lte=now - SPENT_MARGIN), order="expires_at"),
        "sessions": _delete(Session.objects.filter(expires_at__lte=now - conf.code_retention), order="expires_at"),
        "audit_events": _delete(AuditEvent.objects.filter(at__lte=now - conf.audit_retention), order="at"),
    }


def _delete(rows: models.QuerySet[Any], *, order: str) -> int:
    total = 0
    while batch := list(rows.order_by(order).values_list("pk", flat=True)[:BATCH]):
        deleted = rows.model._default_manager.filter(pk__in=batch).delete()[1]
        total += deleted.get(rows.model._meta.label, 0)  # and not what goes with them
    return total
