"""The audit trail: each event is a row, a log line and a signal.

Only events of a known account become rows; requests that come to nothing are
log lines (D-10). Neither contains a code, token or key. Usernames that may not
exist are logged as keyed hashes.
"""

import hmac
import logging
from datetime import datetime
from functools import partial

from django.db import transaction

from dfns_login.errors import Refusal
from dfns_login.key_rings import key_rings
from dfns_login.models import Account, AuditEvent, AuditKind
from dfns_login.requester import Requester
from dfns_login.signals import SIGNALS
from dfns_login.usernames import Recipient

logger = logging.getLogger("dfns_login.audit")


def record_event(
    kind: AuditKind, /, *, account: Account, requester: Requester | None, now: datetime, **detail: str | int | bool
) -> AuditEvent:
    """Store and log an event, and send its signal after the commit."""
    event = AuditEvent.objects.create(
        kind=kind,
        organization_id=account.organization_id,
        account=account,
        account_reference=account.pk,
        at=now,
        address=requester.address if requester else "",
        agent=requester.agent if requester else "",
        detail=detail,
    )
    _log(
        logging.INFO,
        kind.value,
        account=account.pk,
        organization=account.organization_id,
        requester=requester,
        **detail,
    )
    send = partial(
        SIGNALS[kind].send_robust, sender=AuditEvent, account=account, requester=requester, at=now, detail=detail
    )
    transaction.on_commit(send, robust=True)
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


def log_refusal(refusal: Refusal, *, where: str, requester: Requester | None) -> None:
    """Log a refusal with the reason that the client isn't told."""
    _log(logging.WARNING, "refused", where=where, refusal=refusal.code, reason=refusal.reason, requester=requester)


def log_outage(what: str, *, error: BaseException) -> None:
    """Log that a service is unreachable. Only the class of the error: its message may contain an address."""
    _log(logging.ERROR, "outage", what=what, error=type(error).__name__)


def username_hash(recipient: Recipient) -> str:
    """Keyed hash of a username, so that its log lines can be found without revealing it."""
    return hmac.digest(key_rings().log_pseudonyms, recipient.key.encode(), "sha256").hex()[:16]


def _log(level: int, event: str, *, requester: Requester | None = None, **fields: object) -> None:
    if requester is not None:
        fields["prefix"] = requester.prefix
    text = " ".join(f"{name}={str(value).encode('unicode_escape').decode()}" for name, value in fields.items())
    logger.log(level, "%s %s", event, text, extra={"dfns_event": event, "dfns_fields": fields})
