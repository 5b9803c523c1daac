"""The time that a recovery waits, so that the account's owner can stop it (R-145)."""

from datetime import datetime, timedelta

from dfns_login.audit import record_event
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.operators import Operator
from dfns_login.errors import RecoveryWaits, TokenRefused
from dfns_login.models import (
    Account,
    AuditKind,
    CodePurpose,
    Credential,
    OneTimeCode,
    RecoveryWait,
    Session,
    transaction,
)
from dfns_login.settings import login_settings


def wait_of(key: Credential, *, account: Account, signed_in: Session | None, now: datetime) -> RecoveryWait | None:
    """Begin or continue the wait of this recovery key; None if it need not wait.

    signed_in: the session of the browser that asks. No wait if it is one of the account's and still live.
    Call this in the transaction that consumed the code: what revokes the account's codes waits for that, and then ends
    this wait.
    Stored: the wait, which can be used as long as the link in its notice works.
    """
    conf = login_settings()
    if not conf.recovery_wait or _is_live(signed_in, account, now=now):
        return None
    wait = RecoveryWait(
        credential=key,
        begun_at=now,
        ready_at=now + conf.recovery_wait,
        expires_at=now + conf.lock_link_lifetime,
    )
    return RecoveryWait.objects.begin(wait, now=now)


def check_waited(key: Credential, *, account: Account, signed_in: Session | None, now: datetime) -> None:
    """Check that the recovery key that signed has waited. Call this in a transaction that locked the account.

    Raises: RecoveryWaits, if its time has not passed; TokenRefused, if it does not wait, as after an operator
    cancelled the recovery.
    """
    if not login_settings().recovery_wait or _is_live(signed_in, account, now=now):
        return
    wait = RecoveryWait.objects.current(account=account, now=now).filter(pk=key.pk).first()
    if wait is None:
        raise TokenRefused("no recovery waits with this key")
    if wait.ready_at > now:
        raise refusal_until(wait.ready_at, now=now)


def refusal_until(ready_at: datetime, *, now: datetime) -> RecoveryWaits:
    """Return the refusal that tells the person when to come back."""
    return RecoveryWaits.until(ready_at, retry_after=max(ready_at - now, timedelta(seconds=1)))


def waiting_until(account: Account, *, now: datetime) -> datetime | None:
    """Return from when on the account's earliest waiting recovery can be completed; None if none waits."""
    if not login_settings().recovery_wait:
        return None
    current = RecoveryWait.objects.current(account=account, now=now).order_by("ready_at").first()
    return current.ready_at if current else None


def cancel_recovery(account: Account, *, operator: Operator, now: datetime) -> bool:
    """Cancel the account's waiting recoveries as an operator; true for exactly one caller.

    Stored, in one transaction: that none waits, that open recovery codes are revoked, an event, a notice.
    """
    detail = {"operator": operator.name} if operator.name else {}
    with transaction.atomic():
        Account.objects.lock(account=account)
        # before the waits, as everywhere: a code that is being presented may begin one
        OneTimeCode.objects.of(account.recipient, purpose=CodePurpose.RECOVERY).revoke_all(now=now)
        if not RecoveryWait.objects.current(account=account, now=now).delete()[0]:
            return False
        requester = operator.requester
        notify_owner(
            record_event(AuditKind.RECOVERY_CANCELLED, account=account, requester=requester, now=now, **detail)
        )
    return True


def _is_live(session: Session | None, account: Account, *, now: datetime) -> bool:
    """Whether the session is one of the account's and still live: it may have ended since the request was read."""
    if session is None or session.account_id != account.pk:
        return False
    live = Session.objects.live(now=now, idle=login_settings().token_idle)
    return live.filter(pk=session.pk).exists()
