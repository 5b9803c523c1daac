"""Signing out: of one session, of another session of the same account, or of every session."""

from datetime import datetime

from django.db import transaction

from dfns_login.audit import record_event
from dfns_login.errors import NotFound
from dfns_login.models import Account, AuditKind, Session
from dfns_login.requester import Requester


def end_session(session: Session, *, requester: Requester, now: datetime, operator: str = "") -> bool:
    """End the session; true for exactly one caller.

    operator: the username of the operator who ends somebody else's session.
    Stored, in one transaction: when it ended, and an event.
    """
    detail = {"operator": operator} if operator else {}
    with transaction.atomic():
        if not Session.objects.filter(pk=session.pk).revoke(now=now):
            return False
        account = session.account
        record_event(AuditKind.SIGNED_OUT, account=account, requester=requester, now=now, session=session.pk, **detail)
    return True


def end_own_session(session: Session, session_id: int, *, requester: Requester, now: datetime) -> None:
    """End this or another session of the same account. Ending an ended session does nothing.

    Raises: NotFound, if the account has no such session.
    Stored, in one transaction: when it ended, and an event.
    """
    other = Session.objects.filter(account=session.account, pk=session_id).select_related("account").first()
    if other is None:
        raise NotFound("no such session in the account")
    end_session(other, requester=requester, now=now)


def end_every_session(account: Account, *, requester: Requester, now: datetime) -> None:
    """End every session of the account. Stored, in one transaction: when they ended, and an event."""
    with transaction.atomic():
        ended = Session.objects.filter(account=account).revoke(now=now)
        if ended:
            record_event(AuditKind.SIGNED_OUT, account=account, requester=requester, now=now, sessions=ended)
