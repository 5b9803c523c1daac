"""The registration ceremony: an invited person presents the mailed code and registers the first credential."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from django.db import IntegrityError, transaction

from dfns_login.accounts import user_for_account
from dfns_login.audit import note_code_request, record_event
from dfns_login.codes import issue_code, present_code
from dfns_login.conf import login_settings
from dfns_login.errors import AttestationRefused, BodyRefused, CodeRefused, CredentialIdTaken, TokenRefused
from dfns_login.key_release import seal_encrypted_key
from dfns_login.models import Account, AccountState, AuditKind, CodePurpose, Credential, CredentialKind
from dfns_login.requester import Requester
from dfns_login.tasks import wake_delivery
from dfns_login.tokens import (
    RegistrationToken,
    issue_registration,
    resolve_registration,
    spend_registration,
)
from dfns_login.usernames import Recipient
from dfns_login.verification.attestation import KeyAttestation, KeyAttestationVerifier, VerifiedAttestation
from dfns_login.verification.key_envelope import check_key_envelope

FIRST_FACTORS = (CredentialKind.KEY, CredentialKind.PASSWORD_PROTECTED_KEY)
"""Kinds that may be registered as a first factor."""
DEFAULT_NAME = "Default Credential"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationChallenge:
    """What the client is to sign, and the temporary token that it brings back with it."""

    account: Account
    challenge: str
    temporary_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """A credential to register. encrypted_private_key: text of the client's own making, opened by nobody here."""

    kind: CredentialKind
    attestation: KeyAttestation
    name: str = ""
    encrypted_private_key: str | None = field(default=None, repr=False)


def send_registration_code(recipient: Recipient, *, requester: Requester, now: datetime) -> None:
    """Have the registration code mailed, if the recipient is invited: the worker finds out.

    Stored: the code's row, for any name.
    Source: Dfns API, Resend Registration Code.
    """
    pk = issue_code(recipient, purpose=CodePurpose.REGISTRATION, requester=requester, now=now)
    note_code_request(recipient, purpose=CodePurpose.REGISTRATION.value, code=pk, requester=requester)
    wake_delivery(pk)


def open_registration(
    recipient: Recipient, registration_code: str, *, requester: Requester, now: datetime
) -> RegistrationChallenge:
    """Spend the registration code and open the registration of its account.

    Raises CodeRefused if the code is not good. Stored: the counted guess; with a
    good code, that it is spent.
    Source: Dfns API, Create User Registration Challenge.
    """
    account = (
        Account.objects.of(recipient)
        .select_related("organization")
        .filter(state=AccountState.INVITED, organization__active=True)
        .first()
    )
    presented = present_code(recipient, registration_code, purpose=CodePurpose.REGISTRATION, now=now)
    if account is None:
        msg = "nobody is invited by this name"
        raise CodeRefused(msg)
    record_event(AuditKind.CODE_PRESENTED, account=account, requester=requester, now=now, purpose="registration")
    challenge, token = issue_registration(account, presented=presented, now=now)
    return RegistrationChallenge(account=account, challenge=challenge, temporary_token=token)


def complete_registration(
    temporary_token: str, first_factor: NewCredential, *, requester: Requester, now: datetime
) -> Credential:
    """Register the account with its first credential, and link it to the project's user.

    Raises TokenRefused if the temporary token is not good or was spent,
    AttestationRefused if the credential does not hold, CredentialIdTaken.
    Stored, in one transaction: the token's `jti`, the user, the account, the credential, events.
    Source: Dfns API, Complete User Registration.
    """
    token = resolve_registration(temporary_token, now=now)
    account = (
        Account.objects.select_related("organization", "user")
        .filter(
            pk=token.account_id,
            organization=token.organization,
            organization__active=True,
            state=AccountState.INVITED,
        )
        .first()
    )
    if account is None:
        msg = "nobody is invited by this token any more"
        raise TokenRefused(msg)
    verified = _verify(first_factor, token=token)
    credential = _credential(first_factor, account=account, verified=verified, now=now)
    with transaction.atomic():
        _store(credential, token=token)
        record_event(AuditKind.REGISTERED, account=credential.account, requester=requester, now=now)
        record_event(
            AuditKind.CREDENTIAL_CREATED,
            account=credential.account,
            requester=requester,
            now=now,
            credential=credential.pk,
            kind=credential.kind,
        )
    return credential


def _verify(new: NewCredential, *, token: RegistrationToken) -> VerifiedAttestation:
    if new.kind not in FIRST_FACTORS:
        msg = "kind is not a first factor"
        raise BodyRefused(msg, details={"credentialKind": ["This kind cannot be registered as a first factor."]})
    if new.kind == CredentialKind.PASSWORD_PROTECTED_KEY:
        if new.encrypted_private_key is None:
            msg = "password-protected key without its key"
            raise AttestationRefused(msg, details={"encryptedPrivateKey": ["This field is required."]})
        check_key_envelope(new.encrypted_private_key)
    elif new.encrypted_private_key is not None:
        msg = "encrypted key with a kind that has none"
        raise AttestationRefused(msg, details={"encryptedPrivateKey": [f"A {new.kind.value} has none."]})
    conf = login_settings()
    verifier = KeyAttestationVerifier(origins=conf.key_client_origins, algorithms=conf.key_algorithms)
    return verifier.verify(new.attestation, challenge=token.challenge)


def _credential(new: NewCredential, *, account: Account, verified: VerifiedAttestation, now: datetime) -> Credential:
    credential = Credential(
        organization_id=account.organization_id,
        account=account,
        kind=new.kind,
        name=new.name or DEFAULT_NAME,
        credential_id=new.attestation.credential_id,
        canonical_credential_id=verified.credential_id,
        public_key=verified.public_key.spki,
        algorithm=verified.public_key.algorithm.value,
        origin=verified.client_data.origin or "",
        created_at=now,
    )
    if new.encrypted_private_key is not None:
        seal_encrypted_key(credential, new.encrypted_private_key)
    return credential


def _store(credential: Credential, *, token: RegistrationToken) -> None:
    spend_registration(token)
    account = credential.account
    user = user_for_account(account)
    if not Account.objects.register(account=account, user=user):
        msg = "the account was registered or deactivated meanwhile"
        raise TokenRefused(msg)
    account.state = AccountState.REGISTERED
    account.user = cast("Any", user)  # whatever AUTH_USER_MODEL is; the stubs know one project's
    try:
        with transaction.atomic():
            credential.save(force_insert=True)
    except IntegrityError as error:
        msg = "credential id taken"
        details = {"credentialInfo.credId": ["The organization has a credential of this id."]}
        raise CredentialIdTaken(msg, details=details) from error
