"""Signing out: of one session, of another session of the same account, or of every session."""

from datetime import datetime

from django.db.models import Q

from dfns_login.audit import record_event
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.voiding import EVERY_SESSION, void_account
from dfns_login.errors import NotFound
from dfns_login.models import Account, AuditKind, OneTimeCode, Session, transaction
from dfns_login.proofs import lock_session
from dfns_login.requester import Requester
from dfns_login.settings import login_settings


def end_session(session: Session, *, requester: Requester, now: datetime, operator: str = "") -> bool:
    """End the session; true for exactly one caller.

    operator: as `Operator.name`; empty for the owner.
    Stored, in one transaction: when it ended, and an event.
    """
    with transaction.atomic():
        Account.objects.lock(account=session.account)  # an act that the session authorized commits before this
        return _end(session, requester=requester, now=now, operator=operator)


def end_own_session(session: Session, session_id: int, *, requester: Requester, now: datetime) -> None:
    """End this or another session of the same account. Ending an ended session does nothing.

    Raises: NotFound, if the account has no such session; TokenRefused, if this session ended meanwhile.
    Stored, in one transaction: when it ended, and an event.
    """
    with transaction.atomic():
        lock_session(session, now=now)
        other = Session.objects.filter(account=session.account, pk=session_id).select_related("account").first()
        if other is None:
            raise NotFound("no such session in the account")
        _end(other, requester=requester, now=now)


def end_other_sessions(session: Session, *, requester: Requester, now: datetime) -> None:
    """End every session of the session's account but this one, and void what was issued to anybody else.

    Raises: TokenRefused, if this session ended meanwhile.
    Stored, in one transaction: as `void_account` does, and an event if a session ended.
    """
    with transaction.atomic():
        lock_session(session, now=now)
        ended = void_account(session.account, ending=~Q(pk=session.pk), now=now)
        _record_ended(ended, account=session.account, requester=requester, now=now)


def end_every_session(session: Session, *, requester: Requester, now: datetime) -> None:
    """End every session of the session's account, and void the account.

    Raises: TokenRefused, if this session ended meanwhile.
    Stored, in one transaction: as `sign_out_everywhere` does.
    """
    with transaction.atomic():
        lock_session(session, now=now)
        sign_out_everywhere(session.account, requester=requester, now=now)


def sign_out_everywhere(account: Account, *, requester: Requester, now: datetime) -> None:
    """Void the account and end its sessions. Call this in a transaction that locked the account.

    Stored: as `void_account` does, and an event if a session ended.
    """
    _record_ended(void_account(account, ending=EVERY_SESSION, now=now), account=account, requester=requester, now=now)


def end_access(account: Account, *, requester: Requester, now: datetime) -> None:
    """End the sessions of an account that this transaction deletes, and revoke its codes. Lock the account first.

    Its challenges and other tokens are refused because the account no longer exists.
    Stored: the ended sessions and codes, and an event if a session ended.
    """
    ended = Session.objects.filter(account=account).end(now=now, idle=login_settings().token_idle)
    OneTimeCode.objects.revoke_of_account(account=account, now=now)
    _record_ended(ended, account=account, requester=requester, now=now)


def _record_ended(ended: int, /, *, account: Account, requester: Requester, now: datetime) -> None:
    if ended:
        record_event(AuditKind.SIGNED_OUT, account=account, requester=requester, now=now, sessions=ended)


def _end(session: Session, *, requester: Requester, now: datetime, operator: str = "") -> bool:
    lasting = session.is_lasting(now=now, idle=login_settings().token_idle)
    if not Session.objects.filter(pk=session.pk).revoke(now=now) or not lasting:
        return False
    detail = {"operator": operator} if operator else {}
    event = record_event(
        AuditKind.SIGNED_OUT, account=session.account, requester=requester, now=now, session=session.pk, **detail
    )
    if operator:
        notify_owner(event)
    return True
