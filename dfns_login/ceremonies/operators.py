"""What an operator does to whom and what is there: deactivate, let in again, revoke. Inviting is in `invitation.py`.

What is deactivated opens nothing from that moment: its sessions end, and the
codes that are out are void (R-14, R-72).
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from dfns_login.audit import record_event
from dfns_login.ceremonies.login import end_every_session
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.registration import send_registration_code
from dfns_login.models import (
    Account,
    AccountState,
    AuditEvent,
    AuditKind,
    CodeClosed,
    Credential,
    OneTimeCode,
    Organization,
    Session,
)
from dfns_login.requester import Requester
from dfns_login.usernames import Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who does it, and from where. name: what the project calls its user, for the event; empty for a command."""

    requester: Requester
    name: str = ""


def deactivate_account(account: Account, *, operator: Operator, now: datetime) -> bool:
    """Let the account in no more; true for exactly one caller.

    Stored, in one transaction: its state, the end of its sessions and of its
    open codes, events.
    """
    with transaction.atomic():
        if not Account.objects.deactivate(account=account):
            return False
        _shut_out(account, operator=operator, now=now)
        _record(AuditKind.DEACTIVATED, account=account, operator=operator, now=now)
    return True


def reactivate_account(account: Account, *, operator: Operator, now: datetime) -> bool:
    """Make a deactivated account what it was, invited or registered; true for exactly one caller.

    What was open before stays shut, also what a sign-in under way has opened
    since. Stored, in one transaction: its state, an event.
    """
    with transaction.atomic():
        if not Account.objects.reactivate(account=account):
            return False
        _shut_out(account, operator=operator, now=now)
        _record(AuditKind.REACTIVATED, account=account, operator=operator, now=now)
    return True


def delete_account(account: Account, *, operator: Operator, now: datetime) -> None:
    """Delete the account, its credentials and sessions. The project's user and the account's events stay."""
    with transaction.atomic():
        _shut_out(account, operator=operator, now=now)
        _record(AuditKind.DELETED, account=account, operator=operator, now=now)
        Account.objects.filter(pk=account.pk).delete()  # and not the instance: whoever is told wants its id


def invite_again(account: Account, *, operator: Operator, now: datetime) -> bool:
    """Have the registration code of an invited account mailed; false where nobody could use it.

    Stored: the code's row. Within the cooldown of the last mail no other is sent.
    """
    if account.state != AccountState.INVITED or not account.organization.active:
        return False
    send_registration_code(account.recipient, requester=operator.requester, now=now)
    return True


def deactivate_credential(credential: Credential, *, operator: Operator, now: datetime) -> bool:
    """Let nobody in by this credential any more; true for exactly one caller.

    Stored, in one transaction: that it is not active, the end of the sessions that
    it opened and of the account's open codes, an event, a notice.
    """
    with transaction.atomic():
        if not Credential.objects.deactivate(credential=credential):
            return False
        account = credential.account
        Session.objects.filter(credential=credential).revoke(now=now)
        OneTimeCode.objects.revoke_of_account(account=account, now=now)
        Account.objects.void(account=account, now=now)
        event = _record(
            AuditKind.CREDENTIAL_DEACTIVATED,
            account=account,
            operator=operator,
            now=now,
            credential=credential.pk,
            kind=credential.kind,
        )
        notify_owner(event)
    return True


def revoke_code(code: OneTimeCode, *, operator: Operator, now: datetime) -> bool:
    """Close an open code; true for exactly one caller.

    Stored: that it is closed, and an event where somebody is there.
    """
    with transaction.atomic():
        if not OneTimeCode.objects.revoke(code=code, now=now):
            return False
        recipient = Recipient(organization=code.organization, username=code.recipient)
        account = code.account or Account.objects.of(recipient).first()
        if account is not None:
            _record(
                AuditKind.CODE_REVOKED, account=account, operator=operator, now=now, purpose=code.purpose, code=code.pk
            )
    return True


def shut_session(session: Session, *, operator: Operator, now: datetime) -> bool:
    """End somebody's session; true for exactly one caller. Stored: when, and an event."""
    with transaction.atomic():
        if not Session.objects.filter(pk=session.pk).revoke(now=now):
            return False
        _record(AuditKind.SIGNED_OUT, account=session.account, operator=operator, now=now, session=session.pk)
    return True


def deactivate_organization(organization: Organization, *, now: datetime) -> bool:
    """Let nobody of the organization in any more; true for exactly one caller.

    Stored, in one transaction: that it is not active, the end of its sessions
    and of its open codes, so that reactivating it revives none.
    """
    with transaction.atomic():
        if not Organization.objects.filter(pk=organization.pk, active=True).update(active=False):
            return False
        Session.objects.filter(account__organization=organization).revoke(now=now)
        OneTimeCode.objects.filter(organization=organization.pk).close(how=CodeClosed.REVOKED, now=now)
    return True


def reactivate_organization(organization: Organization, *, now: datetime) -> bool:
    """Let the organization's people in again; true for exactly one caller. What was open before stays shut."""
    with transaction.atomic():
        if not Organization.objects.filter(pk=organization.pk, active=False).update(active=True):
            return False
        Session.objects.filter(account__organization=organization).revoke(now=now)
        OneTimeCode.objects.filter(organization=organization.pk).close(how=CodeClosed.REVOKED, now=now)
    return True


def _shut_out(account: Account, *, operator: Operator, now: datetime) -> None:
    end_every_session(account, requester=operator.requester, now=now)
    OneTimeCode.objects.revoke_of_account(account=account, now=now)
    Account.objects.void(account=account, now=now)


def _record(
    kind: AuditKind, /, *, account: Account, operator: Operator, now: datetime, **detail: str | int
) -> AuditEvent:
    if operator.name:
        detail["operator"] = operator.name
    return record_event(kind, account=account, requester=operator.requester, now=now, **detail)
