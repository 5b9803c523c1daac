"""Organizations and invitations, which come before anybody can register."""

from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError

from dfns_login.audit import record_event, record_organization_event
from dfns_login.ceremonies.code_requests import send_code
from dfns_login.ceremonies.names import checked_name
from dfns_login.errors import BodyRefused, UserExists, UserTaken, UserUnavailable
from dfns_login.models import Account, AccountKind, AccountState, AuditKind, CodePurpose, Organization, transaction
from dfns_login.project_users import check_user
from dfns_login.requester import Requester
from dfns_login.usernames import ascii_domain, canonical_username


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation.

    email: the address that emails are sent to; its domain may be internationalized.
    operator: as `Operator.name`; empty for a command.
    """

    organization: Organization
    email: str = field(repr=False)
    kind: AccountKind = AccountKind.END_USER
    user: AbstractBaseUser | None = field(default=None, repr=False)
    operator: str = ""


def create_organization(name: str, *, requester: Requester, now: datetime) -> Organization:
    """Create an organization. Raises: BodyRefused, if the name is empty, too long or not printable.

    Stored, in one transaction: the organization, an event.
    """
    organization = Organization(name=name.strip())
    try:
        organization.full_clean()
    except ValidationError as error:
        raise BodyRefused("name not valid", details=error.message_dict) from error
    organization.name = checked_name(organization.name, field="name")
    with transaction.atomic():
        organization.save(force_insert=True)
        created = AuditKind.ORGANIZATION_CREATED
        record_organization_event(created, organization=organization, requester=requester, now=now)
    return organization


def invite(invitation: Invitation, *, requester: Requester, now: datetime) -> Account:
    """Create an invited account, or keep the invited one, and have its registration code emailed.

    Raises: BodyRefused, if the address is not valid, the organization or user is not active, the account is already
    invited with another user, or no user could be created when the person registers; UserExists, if the account was
    registered or deactivated, or the user has another account in the organization.
    Stored: the account, its domain in ASCII; the code's row; an event.
    """
    account = account_to_invite(invitation)
    if account._state.adding:  # noqa: SLF001  documented by Django
        account = _create(account, invitation, requester=requester, now=now)
    if account.signed_up and not _keep(account):  # purged, registered or invited meanwhile
        return invite(invitation, requester=requester, now=now)
    send_code(account.recipient, purpose=CodePurpose.REGISTRATION, requester=requester, now=now)
    return account


def account_to_invite(invitation: Invitation) -> Account:
    """Return the account that `invite` emails a code: the invited one, or a new one that is not saved.

    Raises: as `invite`.
    """
    _check_parties(invitation)
    name, at, domain = invitation.email.strip().rpartition("@")
    try:
        email = f"{name}{at}{ascii_domain(domain)}"
        validate_email(email)
        username = canonical_username(email)
    except (ValidationError, ValueError) as error:
        raise BodyRefused("not an email address", details={"email": ["Enter a valid email address."]}) from error
    account = Account.objects.filter(organization=invitation.organization, username=username).first() or Account(
        organization=invitation.organization,
        username=username,
        email=email,
        kind=invitation.kind,
        user_id=invitation.user.pk if invitation.user else None,  # a router may have read it from a replica
    )
    if account.state != AccountState.INVITED:
        raise UserExists("account already registered or deactivated")
    if account.signed_up:  # perhaps by a stranger, who must not decide what the account is
        account.kind = invitation.kind
        account.user_id = invitation.user.pk if invitation.user else None
    if invitation.user is not None and account.user_id != invitation.user.pk:
        raise BodyRefused(
            "already invited with another user",
            details={"user": ["The account is already invited, and is not linked to this user."]},
        )
    _check_user(account)
    return account


def _check_parties(invitation: Invitation) -> None:
    """Refuse an inactive organization or user: the person could not register or sign in."""
    if not invitation.organization.active:
        raise BodyRefused("organization not active", details={"organization": ["The organization is not active."]})
    if invitation.user is not None and not invitation.user.is_active:
        raise BodyRefused("user not active", details={"user": ["The user is not active."]})


def _check_user(account: Account) -> None:
    """Tell the operator if the person could not register, because no user can be created."""
    try:
        check_user(account)
    except UserUnavailable as error:
        taken = "A user with this address exists. Invite that user by name, or set USER_FOR_ACCOUNT to match_user."
        needed = f"No user can be created: {', '.join(error.fields)}. Set USER_FOR_ACCOUNT to a callable of your own."
        details = {"email": [taken]} if isinstance(error, UserTaken) else {"user": [needed]}
        raise BodyRefused(error.reason, details=details) from error


def _keep(account: Account) -> bool:
    try:
        with transaction.atomic():
            return Account.objects.keep(account=account)
    except IntegrityError as error:
        raise UserExists("user already has an account in the organization") from error


def _create(account: Account, invitation: Invitation, *, requester: Requester, now: datetime) -> Account:
    detail = {"operator": invitation.operator} if invitation.operator else {}
    try:
        with transaction.atomic():
            account.save(force_insert=True)
            record_event(AuditKind.INVITED, account=account, requester=requester, now=now, **detail)
    except IntegrityError as error:
        account = account_to_invite(invitation)
        if account._state.adding:  # noqa: SLF001  documented by Django
            raise UserExists("user already has an account in the organization") from error
    return account
