"""Operator actions on accounts, organizations and codes. Inviting is in `invitation.py`.

Deactivating takes effect at once: sessions end, and open codes are revoked (R-14, R-72).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from dfns_login.audit import Detail, record_event, record_organization_event
from dfns_login.ceremonies.code_requests import send_code
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.sign_out import end_access, sign_out_everywhere
from dfns_login.models import (
    Account,
    AccountState,
    AuditEvent,
    AuditKind,
    CodePurpose,
    OneTimeCode,
    Organization,
    RecoveryWait,
    Session,
    transaction,
)
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient

BEYOND: Final = 2**32
"""What a restored database's generations are raised by: more than any account was voided since the backup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who acts, and from where.

    name: id of the operator's account (API) or user (admin); empty for a command. Log lines have it, so no address.
    """

    requester: Requester
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voided:
    """How many sessions and codes of an organization ended."""

    sessions: int
    codes: int


def deactivate_account(account: Account, *, operator: Operator, now: datetime) -> bool:
    """Deactivate the account; true for exactly one caller.

    Stored, in one transaction: its state, its ended sessions and codes, events.
    """
    with transaction.atomic():
        if not Account.objects.deactivate(account=account):
            return False
        _revoke_access(account, operator=operator, now=now)
        _record(AuditKind.DEACTIVATED, account=account, operator=operator, now=now)
    return True


def reactivate_account(account: Account, *, operator: Operator, now: datetime) -> bool:
    """Return a deactivated account to its earlier state, invited or registered; true for exactly one caller.

    Sessions and codes from before stay ended. Stored, in one transaction: its state, an event.
    """
    with transaction.atomic():
        if not Account.objects.reactivate(account=account):
            return False
        _revoke_access(account, operator=operator, now=now)
        _record(AuditKind.REACTIVATED, account=account, operator=operator, now=now)
    return True


def delete_account(account: Account, *, operator: Operator, now: datetime) -> None:
    """Delete the account with its credentials and sessions. The project's user and the account's events stay."""
    with transaction.atomic():
        record_deletion(account, operator=operator, now=now)
        # not the instance, because receivers of the signal read its id
        Account.objects.filter(pk=account.pk).delete_recorded()


def record_deletion(account: Account, *, operator: Operator, now: datetime) -> None:
    """Revoke the account's access and record its deletion, before the project deletes it, as with its user.

    Stored, in one transaction: its ended sessions and codes, events. Its generation is not raised: that would lock the
    organization, and a project may delete several accounts in one transaction.
    """
    with transaction.atomic():
        Account.objects.lock(account=account)
        end_access(account, requester=operator.requester, now=now)
        _record(AuditKind.DELETED, account=account, operator=operator, now=now)


def invite_again(account: Account, *, operator: Operator, now: datetime) -> bool:
    """Have the registration code of an invited account emailed; false if the account cannot register.

    No email is sent within the cooldown of the last one. Stored: the code's row.
    """
    if account.state != AccountState.INVITED or not account.organization.active:
        return False
    if account.signed_up and not Account.objects.keep(account=account):
        return False
    send_code(account.recipient, purpose=CodePurpose.REGISTRATION, requester=operator.requester, now=now)
    return True


def revoke_code(code: OneTimeCode, *, operator: Operator, now: datetime) -> bool:
    """Revoke an open code; true for exactly one caller.

    Stored: that it is revoked, and an event if its account exists.
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


def deactivate_organization(organization: Organization, *, operator: Operator, now: datetime) -> bool:
    """Deactivate the organization; true for exactly one caller.

    Stored, in one transaction: that it is not active, its ended sessions and codes, an event.
    """
    return _switch_organization(organization, AuditKind.ORGANIZATION_DEACTIVATED, operator=operator, now=now)


def reactivate_organization(organization: Organization, *, operator: Operator, now: datetime) -> bool:
    """Reactivate the organization; true for exactly one caller. Sessions and codes from before stay ended."""
    return _switch_organization(organization, AuditKind.ORGANIZATION_REACTIVATED, operator=operator, now=now)


def void_organization(organization: Organization, *, operator: Operator, now: datetime) -> Voided:
    """Revoke everything that was issued in the organization, also what this database does not know of.

    For a database that was restored: what was issued after its backup carries a generation that this database has not
    reached. Calling this again does no harm.
    Stored, in one transaction: generations far beyond any that was issued, the ended sessions and codes, an event.
    """
    with transaction.atomic():
        Account.objects.raise_every_generation(organization=organization, by=BEYOND)
        voided = _end_everything(organization, now=now)
        record_change(AuditKind.ORGANIZATION_VOIDED, organization, operator=operator, now=now, **asdict(voided))
    return voided


def _switch_organization(organization: Organization, kind: AuditKind, /, *, operator: Operator, now: datetime) -> bool:
    active = kind == AuditKind.ORGANIZATION_REACTIVATED
    with transaction.atomic():
        Account.objects.raise_every_generation(organization=organization)
        if not Organization.objects.filter(pk=organization.pk, active=not active).update(active=active):
            transaction.set_rollback()
            return False
        voided = _end_everything(organization, now=now)
        record_change(kind, organization, operator=operator, now=now, **asdict(voided))
    return True


def _end_everything(organization: Organization, *, now: datetime) -> Voided:
    mine = Session.objects.filter(account__organization=organization)
    sessions = mine.end(now=now, idle=login_settings().token_idle)
    codes = OneTimeCode.objects.filter(organization=organization.pk).revoke_all(now=now)
    RecoveryWait.objects.end(Account.objects.filter(organization=organization))
    return Voided(sessions=sessions, codes=codes)


def _revoke_access(account: Account, *, operator: Operator, now: datetime) -> None:
    Account.objects.lock(account=account)
    sign_out_everywhere(account, requester=operator.requester, now=now)
    RecoveryWait.objects.end(Account.objects.filter(pk=account.pk))


def _record(kind: AuditKind, /, *, account: Account, operator: Operator, now: datetime, **detail: str | int) -> None:
    if operator.name:
        detail["operator"] = operator.name
    event = record_event(kind, account=account, requester=operator.requester, now=now, **detail)
    if account.user_id is not None and kind != AuditKind.DELETED:  # an account that never registered has nothing yet
        notify_owner(event)


def record_change(
    kind: AuditKind, organization: Organization, /, *, operator: Operator, now: datetime, **detail: str | int
) -> None:
    """Record a change to an organization. Call this in the transaction of the change."""
    if operator.name:
        detail["operator"] = operator.name
    record_organization_event(kind, organization=organization, requester=operator.requester, now=now, **detail)


def record_export(
    records: str,
    *,
    organization: Organization | None,
    rows: int,
    filters: Sequence[str],
    operator: Operator,
    now: datetime,
) -> AuditEvent:
    """Store and return an event: an operator exports a list.

    organization: None if the list is of every organization. filters: names only, because a search is for a name.
    """
    detail: dict[str, Detail] = {"records": records, "rows": rows, "filters": filters, "operator": operator.name}
    return record_organization_event(
        AuditKind.EXPORTED, organization=organization, requester=operator.requester, now=now, **detail
    )
