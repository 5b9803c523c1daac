"""Retention: what is deleted, and when. Works in small batches next to traffic and never deletes open codes (R-119)."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import models
from django.db.models import Exists, OuterRef

from dfns_login.audit_chain import chain_events, purge_chained
from dfns_login.models import Account, AccountState, OneTimeCode, Session, SpentToken, transaction
from dfns_login.proofs import REQUEST_DEADLINE
from dfns_login.settings import login_settings

BATCH: Final = 500
NO_RECIPIENT_RETENTION: Final = timedelta(hours=1)
"""How long closed codes for unknown usernames are kept."""
SPENT_TOKEN_MARGIN: Final = REQUEST_DEADLINE + timedelta(hours=1)
"""How long a spent `jti` is kept after its token expires.

A replay is refused as expired or as spent. A request compares the expiry with the
time at which its body had arrived. The hour covers what it waits for after that, and
how far the clocks of web and worker hosts differ (R-124).
"""


def close_expired_codes(*, now: datetime) -> int:
    """Close every expired code and erase its salt. Returns how many were closed."""
    total = 0
    while closed := OneTimeCode.objects.close_expired(now=now, limit=BATCH):
        total += closed
    return total


def purge(*, now: datetime) -> dict[str, int]:
    """Delete rows past their retention. Returns how many of each kind."""
    conf = login_settings()
    codes = OneTimeCode.objects.purgeable(
        without_recipient_before=now - NO_RECIPIENT_RETENTION, others_before=now - conf.code_retention
    )
    spent_tokens = SpentToken.objects.filter(expires_at__lte=now - SPENT_TOKEN_MARGIN)
    return {
        "codes": _delete(codes, order="closed_at"),
        "spent_tokens": _delete(spent_tokens, order="expires_at"),
        "sessions": _delete(Session.objects.filter(expires_at__lte=now - conf.code_retention), order="expires_at"),
        "accounts": _delete_unregistered(before=now - conf.code_retention),
        "audit_events": _purge_events(until=now - conf.audit_retention, now=now),
    }


def _delete_unregistered(*, before: datetime) -> int:
    """Delete accounts whose owners signed up but did not register, once their codes are deleted."""
    codes = OneTimeCode.objects.filter(account=OuterRef("pk"))
    requested = OneTimeCode.objects.open().filter(organization=OuterRef("organization"), recipient=OuterRef("username"))
    unregistered = Account.objects.filter(
        ~Exists(codes), ~Exists(requested), signed_up=True, state=AccountState.INVITED, created_at__lte=before
    )
    total = 0
    while batch := _delete_locked(unregistered.order_by("pk")[:BATCH]):
        total += batch
    return total


def _delete_locked(rows: models.QuerySet[Account]) -> int:
    with transaction.atomic():  # the account stays if an operator invites the person at this moment
        found = list(rows.select_for_update(of=("self",)).values_list("pk", flat=True))
        Account.objects.filter(pk__in=found).delete()
    return len(found)


def _purge_events(*, until: datetime, now: datetime) -> int:
    chain_events(now=now)  # only events that the chain covers are deleted
    return purge_chained(until=until)


def _delete(rows: models.QuerySet[Any], *, order: str) -> int:
    total = 0
    while batch := _delete_unlocked(rows.order_by(order)[:BATCH]):
        total += batch
    return total


def _delete_unlocked(rows: models.QuerySet[Any]) -> int:
    """Delete the rows that nobody has locked. This never waits, so it is part of no deadlock."""
    with transaction.atomic():
        found = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True))
        rows.model._default_manager.filter(pk__in=found).delete()
    return len(found)
