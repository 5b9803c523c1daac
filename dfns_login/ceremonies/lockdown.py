"""Locking an account, which its owner does by a link in a notice, and unlocking it (R-130)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dfns_login.audit import record_event
from dfns_login.ceremonies.factors import Factor
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.operators import Operator
from dfns_login.ceremonies.voiding import EVERY_SESSION, void_account
from dfns_login.errors import AccountLocked
from dfns_login.models import Account, AuditKind, Credential, CredentialKind, Notice, RecoveryWait, transaction
from dfns_login.proofs import find_lock_link
from dfns_login.requester import Requester
from dfns_login.settings import login_settings

UNLOCKING_KINDS: Final = (CredentialKind.FIDO2, CredentialKind.KEY, CredentialKind.RECOVERY_KEY)
"""Kinds whose signature unlocks. A password-protected key does not: somebody with the mailbox may know the password."""


def lock_down(token: str, *, requester: Requester, now: datetime) -> Account | None:
    """Lock the account that the link belongs to, and return it; None if the link doesn't work.

    Stored, in one transaction: until when the account is locked, as `void_account` does with every session, that no
    recovery waits, that the account's links are spent, that credentials which are too new don't unlock during this
    lock, an event, a notice.
    """
    link = find_lock_link(token, now=now)
    if link is None or link.notice.event.account is None:
        return None
    account = link.notice.event.account
    with transaction.atomic():
        if not Account.objects.lock(account=account) or not Notice.objects.spend_link(notice=link.notice, now=now):
            return None
        Account.objects.lock_down(account=account, until=now + login_settings().lock_duration, now=now)
        ended = void_account(account, ending=EVERY_SESSION, now=now)
        RecoveryWait.objects.end(Account.objects.filter(pk=account.pk))
        Notice.objects.void_links(account=account, now=now)
        account.refresh_from_db(fields=["locked_until"])
        if account.locked_until:
            Credential.objects.unlock_not_before(account.locked_until, account=account, now=now)
        told_of = link.notice.event
        notify_owner(
            record_event(
                AuditKind.LOCKED,
                account=account,
                requester=requester,
                now=now,
                notice=told_of.pk,
                sessions=ended,
                until=account.locked_until.isoformat() if account.locked_until else "",
            )
        )
    return account


def check_signers(factor: Factor, *, now: datetime) -> Credential | None:
    """Do what `check_unlocks` does, for the credentials that signed."""
    signers = [each.credential for each in (factor, factor.second) if each]
    return check_unlocks(factor.credential.account, signers, now=now)


def check_unlocks(account: Account, signers: Sequence[Credential], *, now: datetime) -> Credential | None:
    """Return the signer that may unlock the account; None if the account is not locked.

    A lock that commits after the account was read raises its generation, which is compared later.
    Raises: AccountLocked, if it is locked and no signer may unlock it.
    """
    if not account.is_locked(now=now):
        return None
    found = next((each for each in signers if _unlocks(each, now=now)), None)
    if found is None:
        raise AccountLocked("no signature that unlocks")
    return found


def unlock(account: Account, *, by: Credential, requester: Requester, now: datetime) -> None:
    """Unlock an account for a credential that signed. Call this in a transaction that locked its row.

    Stored: that it is unlocked, an event, a notice.
    """
    if Account.objects.unlock(account=account, now=now):
        detail = {"credential": by.pk, "kind": by.kind}
        notify_owner(record_event(AuditKind.UNLOCKED, account=account, requester=requester, now=now, **detail))


def unlock_account(account: Account, *, operator: Operator, now: datetime) -> bool:
    """Unlock the account as an operator; true for exactly one caller.

    Stored, in one transaction: that it is unlocked, an event, a notice.
    """
    detail = {"operator": operator.name} if operator.name else {}
    with transaction.atomic():
        Account.objects.lock(account=account)
        if not Account.objects.unlock(account=account, now=now):
            return False
        requester = operator.requester
        notify_owner(record_event(AuditKind.UNLOCKED, account=account, requester=requester, now=now, **detail))
    return True


def link_ends(*, now: datetime) -> datetime:
    """Return when a credential that is added now may unlock: once no link about it works any more.

    Otherwise a stranger who added one could unlock the account with it.
    """
    return now + login_settings().lock_link_lifetime


def _unlocks(credential: Credential, *, now: datetime) -> bool:
    young = credential.unlocks_from is not None and credential.unlocks_from > now
    return credential.kind in UNLOCKING_KINDS and not young
