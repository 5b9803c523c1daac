"""The registration ceremony: an invited person presents the emailed code and registers credentials."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from dfns_login.audit import record_event
from dfns_login.ceremonies.first_login import Enrolled, open_first_login
from dfns_login.ceremonies.new_credentials import NewCredentials, store_credential, verify_new_credentials
from dfns_login.ceremonies.presentation import presenting, record_presented
from dfns_login.errors import CodeRefused, RegistrationCodeExpired, TokenRefused, UserExists, UserNotFound
from dfns_login.models import Account, AccountState, AuditKind, CodePurpose, OneTimeCode, transaction
from dfns_login.project_users import check_user, user_for_account
from dfns_login.proofs import (
    TemporaryToken,
    issue_temporary_token,
    present_code,
    resolve_temporary_token,
    spend_temporary_token,
)
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationChallenge:
    """The challenge to sign, and the token that completes the registration."""

    account: Account
    challenge: str
    temporary_token: str = field(repr=False)


def open_registration(
    recipient: Recipient, registration_code: str, *, requester: Requester, now: datetime
) -> RegistrationChallenge:
    """Verify the registration code and open the registration of its account.

    Raises: CodeRefused, if the code is not valid; UserNotFound, UserExists and
    RegistrationCodeExpired, only if the project reveals unknown users; UserUnavailable, if the code is valid but no
    user can be created: the guess is counted and the code stays open.
    Stored, in one transaction: the counted guess, that a valid code was consumed, an event.
    Source: Dfns API, Create User Registration Challenge.
    """
    account = _find_invited(recipient)
    try:
        with presenting():
            presented = present_code(
                recipient,
                registration_code,
                purpose=CodePurpose.REGISTRATION,
                device=requester.device,
                now=now,
                permit=partial(check_user, account) if account else lambda: None,
            )
            if account is not None:
                record_presented(account, purpose=CodePurpose.REGISTRATION, requester=requester, now=now)
    except CodeRefused:
        if not login_settings().reveal_unknown_users:
            raise
        if not OneTimeCode.objects.of(recipient, purpose=CodePurpose.REGISTRATION).lapsed(now=now):
            raise
        raise RegistrationCodeExpired from None
    if account is None:
        raise CodeRefused("no invited account")
    challenge, token = issue_temporary_token(account, presented=presented, now=now)
    return RegistrationChallenge(account=account, challenge=challenge, temporary_token=token)


def complete_registration(
    temporary_token: str, new: NewCredentials, *, requester: Requester, now: datetime
) -> Enrolled:
    """Register the account with its first credentials, and link it to the project's user.

    Raises: TokenRefused, if the temporary token is not valid or was spent;
    AttestationRefused, if a credential is not valid; CredentialIdTaken; UserUnavailable, which leaves the token valid.
    Stored, in one transaction: the token's `jti`, the user, the account, the credentials, events.
    Source: Dfns API, Complete User Registration.
    """
    token = resolve_temporary_token(temporary_token, purpose=CodePurpose.REGISTRATION, now=now)
    invited = Account.objects.invited().select_related("organization", "user")
    account = invited.filter(pk=token.account_id, organization=token.organization).first()
    if account is None:
        raise TokenRefused("account no longer invited")
    made = verify_new_credentials(new, account=account, challenge=token.challenge, now=now)
    with transaction.atomic():
        _register(account, token=token, locale=requester.locale)
        record_event(AuditKind.REGISTERED, account=account, requester=requester, now=now)
        for credential in made:
            store_credential(credential, requester=requester, now=now)
        challenge = open_first_login(made, token=token, generation=token.generation, now=now)
    return Enrolled(credential=made[0], challenge=challenge)


def _find_invited(recipient: Recipient) -> Account | None:
    """Return the account if it may register. In every other state it is treated as an unknown username."""
    account = Account.objects.invited().of(recipient).first()
    if account is None and login_settings().reveal_unknown_users:
        raise UserExists if Account.objects.registered().of(recipient).exists() else UserNotFound
    return account


def _register(account: Account, *, token: TemporaryToken, locale: str) -> None:
    spend_temporary_token(token)
    # locked before its user is created, so that two tokens of one account cannot create two users
    locked = Account.objects.lock_invited(account=account, generation=token.generation)
    if locked is None:
        raise TokenRefused("account registered or deactivated meanwhile")
    account.user_id = locked.user_id  # whom an operator may have named since the account was read
    user = user_for_account(account)
    if not Account.objects.register(account=account, user=user, locale=locale):
        raise TokenRefused("account registered or deactivated meanwhile")
    account.state = AccountState.REGISTERED
    account.user_id = user.pk  # not `user`, which a router may have read from a replica
