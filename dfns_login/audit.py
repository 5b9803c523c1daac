"""The audit trail: each event is a row, a log line and a signal.

Only events of a known account or organization become rows; refusals and
requests for codes are log lines (D-10). Neither contains a code, token or key. Usernames that may not
exist are logged as keyed hashes.
"""

import hmac
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from django.db import InterfaceError, InternalError, OperationalError

from dfns_login.errors import Refusal
from dfns_login.key_rings import key_rings
from dfns_login.models import Account, AuditEvent, AuditKind, Organization, transaction
from dfns_login.requester import Requester
from dfns_login.signals import SIGNALS, code_requested, request_refused, service_failed
from dfns_login.usernames import Recipient

logger = logging.getLogger("dfns_login.audit")

READ_ONLY_TRANSACTION: Final = "25006"
"""SQLSTATE of a write to a standby, or while writes are stopped. Django calls it an internal error."""


Detail = str | int | bool | Sequence[str]


def record_event(
    kind: AuditKind,
    evidence: Mapping[str, object] | None = None,
    /,
    *,
    account: Account,
    requester: Requester | None,
    now: datetime,
    **detail: Detail,
) -> AuditEvent:
    """Store and log an event of an account, and send its signal after the commit.

    Call this in the transaction of the change that the event tells of (R-128).
    evidence: what was signed, as `verification.evidence` verifies it. It is stored, not logged.
    """
    event = draft_event(kind, account=account, requester=requester, now=now, **detail)
    event.evidence = evidence
    AuditEvent.objects.add(event)
    announce_event(event, account=account, requester=requester)
    return event


def draft_event(
    kind: AuditKind, /, *, account: Account, requester: Requester | None, now: datetime, **detail: Detail
) -> AuditEvent:
    """Return an event that is not stored, for a statement that stores it with the change that it tells of (R-128).

    Then call `announce_event`.
    """
    return _event(kind, account.organization_id, account=account, requester=requester, now=now, detail=detail)


def record_organization_event(
    kind: AuditKind,
    /,
    *,
    organization: Organization | None,
    requester: Requester | None,
    now: datetime,
    **detail: Detail,
) -> AuditEvent:
    """Do what `record_event` does for an event of a whole organization, or of all (None)."""
    event = _event(
        kind, organization.pk if organization else None, account=None, requester=requester, now=now, detail=detail
    )
    AuditEvent.objects.add(event)
    announce_event(event, account=None, requester=requester)
    return event


def log_code_request(recipient: Recipient, *, purpose: str, code: int, requester: Requester) -> None:
    """Log that a code was requested, whether or not the username exists."""
    _log(
        logging.INFO,
        "code.requested",
        organization=recipient.organization,
        name=username_hash(recipient),
        purpose=purpose,
        code=code,
        requester=requester,
    )
    code_requested.send_robust(sender=None, purpose=purpose)


def log_refusal(refusal: Refusal, *, where: str, requester: Requester | None) -> None:
    """Log a refusal with the reason that the client isn't told."""
    _log(logging.WARNING, "refused", where=where, refusal=refusal.code, reason=refusal.reason, requester=requester)
    request_refused.send_robust(sender=None, refusal=refusal, where=where)


def log_chain_head(position: int, mac: str) -> None:
    """Log the newest link of the audit trail's chain, to be kept outside of the database."""
    _log(logging.INFO, "audit.chained", head=f"{position}:{mac}")


def log_outage(what: str, *, error: BaseException) -> None:
    """Log that a service is unreachable. Only the class of the error: its message may contain an address."""
    _log(logging.ERROR, "outage", what=what, error=type(error).__name__)
    service_failed.send_robust(sender=None, what=what, error=type(error).__name__)


def is_database_outage(error: Exception) -> bool:
    """Whether the database is unreachable, too slow, full or read-only, as opposed to having refused a statement."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error, InternalError) and getattr(error.__cause__, "sqlstate", "") == READ_ONLY_TRANSACTION


def username_hash(recipient: Recipient) -> str:
    """Keyed hash of a username, so that its log lines can be found without revealing it."""
    return hmac.digest(key_rings().log_pseudonyms, recipient.key.encode(), "sha256").hex()[:16]


def _event(
    kind: AuditKind,
    organization: str | None,
    *,
    account: Account | None,
    requester: Requester | None,
    now: datetime,
    detail: Mapping[str, Detail],
) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        organization_id=organization,
        account=account,
        at=now,
        address=requester.address if requester else "",
        agent=requester.agent if requester else "",
        request_id=requester.request_id if requester else "",
        detail=dict(detail),
    )


def announce_event(event: AuditEvent, *, account: Account | None, requester: Requester | None) -> None:
    """Log an event that was stored, and send its signal after the commit."""
    kind = AuditKind(event.kind)
    known = {"account": account.pk} if account else {}
    _log(logging.INFO, kind.value, **known, organization=event.organization_id, requester=requester, **event.detail)
    detail = event.detail if account else {**event.detail, "organization": event.organization_id}
    send = partial(
        SIGNALS[kind].send_robust, sender=AuditEvent, account=account, requester=requester, at=event.at, detail=detail
    )
    transaction.on_commit(send)


def _log(level: int, event: str, *, requester: Requester | None = None, **fields: object) -> None:
    if not logger.isEnabledFor(level):
        return
    if requester is not None:
        fields["prefix"] = requester.prefix
        if requester.request_id:
            fields["request"] = requester.request_id
    text = " ".join(f"{name}={str(value).encode('unicode_escape').decode()}" for name, value in fields.items())
    logger.log(level, "%s %s", event, text, extra={"dfns_event": event, "dfns_fields": fields})
