"""What happened, for the operator: one event, one log line, one signal.

A row is written only once an account is known and something came of it; a
stranger's noise is a log line (D-10). No line and no row holds a code,
token or key, and a name that may be nobody's is logged as a keyed hash.
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
    """Write the event, log it, and send its signal once it is committed."""
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


def note_code_request(recipient: Recipient, *, purpose: str, code: int, requester: Requester) -> None:
    """Log that a code was asked for, somebody there or not."""
    _log(
        logging.INFO,
        "code.asked",
        organization=recipient.organization,
        name=name_hash(recipient),
        purpose=purpose,
        code=code,
        requester=requester,
    )


def note_refusal(refusal: Refusal, *, where: str, requester: Requester | None) -> None:
    """Log a refusal with its private reason."""
    _log(logging.WARNING, "refused", where=where, refusal=refusal.code, reason=refusal.reason, requester=requester)


def note_outage(what: str, *, error: BaseException) -> None:
    """Log that something we lean on is out of reach. Of the error, only its class: its text may hold an address."""
    _log(logging.ERROR, "outage", what=what, error=type(error).__name__)


def name_hash(recipient: Recipient) -> str:
    """Keyed hash of the name, equal for equal names: enough to follow one, too little to read it."""
    text = f"log {recipient.key}".encode()
    return hmac.digest(key_rings().decoys, text, "sha256").hex()[:16]


def _log(level: int, event: str, *, requester: Requester | None = None, **fields: object) -> None:
    if requester is not None:
        fields["prefix"] = requester.prefix
    text = " ".join(f"{name}={str(value).encode('unicode_escape').decode()}" for name, value in fields.items())
    logger.log(level, "%s %s", event, text, extra={"dfns_event": event, "dfns_fields": fields})
