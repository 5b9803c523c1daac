"""Organizations and invitations: what an operator does before anybody can register."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from dfns_login.audit import record_event
from dfns_login.errors import BodyRefused, UserExists
from dfns_login.models import Account, AccountKind, AccountState, AuditKind, CodePurpose, Organization
from dfns_login.proofs import issue_code
from dfns_login.requester import Requester
from dfns_login.tasks import wake_delivery
from dfns_login.usernames import canonical_username


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Whom an operator invites. email: the mailbox, as it is to be written to."""

    organization: Organization
    email: str
    kind: AccountKind = AccountKind.END_USER
    user: AbstractBaseUser | None = None


def create_organization(name: str) -> Organization:
    """Make an organization. Raises BodyRefused for a name that is empty, too long, or not printable. Stored: it."""
    organization = Organization(name=name.strip())
    try:
        organization.full_clean()
    except ValidationError as error:
        raise BodyRefused("not a name", details=error.message_dict) from error
    if not organization.name.isprintable():
        raise BodyRefused("a name that does not print", details={"name": ["It has a character that does not print."]})
    organization.save(force_insert=True)
    return organization


def invite(invitation: Invitation, *, requester: Requester, now: datetime) -> Account:
    """Make the account, or keep the one that is invited already, and have its registration code mailed.

    Raises BodyRefused if the address is not one, the organization or the user is not active, or the account
    is invited already and linked otherwise; UserExists if the account has registered or was deactivated, or
    the user has another account there. Stored: the account, the code's row, an event.
    """
    _check_parties(invitation)
    email = invitation.email.strip()
    try:
        validate_email(email)
        username = canonical_username(email)
    except (ValidationError, ValueError) as error:
        raise BodyRefused("not an e-mail address", details={"email": ["Enter a valid e-mail address."]}) from error
    account = _account(invitation, email=email, username=username, requester=requester, now=now)
    if account.state != AccountState.INVITED:
        raise UserExists("account registered or deactivated")
    if invitation.user is not None and account.user_id != invitation.user.pk:
        raise BodyRefused(
            "invited already, linked otherwise",
            details={"user": ["The account is invited already, and not linked to this user."]},
        )
    pk = issue_code(account.recipient, purpose=CodePurpose.REGISTRATION, requester=requester, now=now)
    wake_delivery(pk)
    return account


def _check_parties(invitation: Invitation) -> None:
    """No code would be mailed in an organization that is not active, and nobody signs in as such a user."""
    if not invitation.organization.active:
        raise BodyRefused("organization not active", details={"organization": ["The organization is not active."]})
    if invitation.user is not None and not invitation.user.is_active:
        raise BodyRefused("user not active", details={"user": ["The user is not active."]})


def _account(invitation: Invitation, *, email: str, username: str, requester: Requester, now: datetime) -> Account:
    known = Account.objects.filter(organization=invitation.organization, username=username)
    account = known.first()
    if account is not None:
        return account
    try:
        with transaction.atomic():
            account = Account.objects.create(
                organization=invitation.organization,
                username=username,
                email=email,
                kind=invitation.kind,
                user=cast("Any", invitation.user),  # whatever AUTH_USER_MODEL is
            )
            record_event(AuditKind.INVITED, account=account, requester=requester, now=now)
    except IntegrityError as error:
        account = known.first()
        if account is None:
            raise UserExists("the user has an account in this organization") from error
    return account
