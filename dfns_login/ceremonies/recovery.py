"""The recovery ceremony: a mailed code and the recovery key together replace every credential of the account."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from dfns_login.audit import log_code_request, record_event
from dfns_login.ceremonies.new_credentials import NewCredentials, store_credential, verify_new_credentials
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.errors import AssertionRefused, CodeRefused, RecoveryCredentialRefused, TokenRefused
from dfns_login.models import (
    Account,
    AuditKind,
    CodePurpose,
    Credential,
    CredentialKind,
    OneTimeCode,
    Session,
)
from dfns_login.proofs import (
    ReleasedKey,
    TemporaryToken,
    issue_code,
    issue_temporary_token,
    present_code,
    release_recovery_keys,
    resolve_temporary_token,
    spend_temporary_token,
)
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.tasks import wake_delivery
from dfns_login.usernames import Recipient
from dfns_login.verification.assertion import KeyAssertion, KeyAssertionVerifier, StoredKey
from dfns_login.verification.client_data import claimed_challenge
from dfns_login.verification.encoding import EncodingError, decode_base64url, parse_json_object

NEW_CREDENTIALS_LIMIT: Final = 48 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRequest:
    """verification_code: as typed. credential_id: of the recovery key that is to be used, in canonical form."""

    recipient: Recipient
    credential_id: str
    verification_code: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryChallenge:
    """What the client is to sign, with which recovery keys, and the temporary token that it brings back."""

    account: Account
    challenge: str
    recovery_keys: list[ReleasedKey]
    temporary_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAnswer:
    """What the recovery key has signed.

    credential_id: in canonical form. signed: the JSON value of `newCredentials` as it was sent, which is what
    the recovery key's challenge has to say; new: the same, parsed.
    """

    credential_id: str
    assertion: KeyAssertion
    new: NewCredentials
    signed: dict[str, Any] = field(repr=False)


def send_recovery_code(recipient: Recipient, *, requester: Requester, now: datetime) -> None:
    """Have a recovery code mailed to the recipient, if the recipient is somebody: the worker finds out.

    Stored: the code's row, for any name. Nothing of the account changes (R-13).
    Source: Dfns API, Send Recovery Code.
    """
    pk = issue_code(recipient, purpose=CodePurpose.RECOVERY, requester=requester, now=now)
    log_code_request(recipient, purpose=CodePurpose.RECOVERY.value, code=pk, requester=requester)
    wake_delivery(pk)


def open_recovery(asked: RecoveryRequest, *, requester: Requester, now: datetime) -> RecoveryChallenge:
    """Spend the recovery code and open the recovery of its account.

    Raises CodeRefused if the code is not good, RecoveryCredentialRefused if the
    credential is none of the account's recovery keys. Stored: the counted guess;
    with a good code, that it is spent. Source: Dfns API, Create Recovery Challenge.
    """
    account = Account.objects.registered().of(asked.recipient).first()
    presented = present_code(
        asked.recipient, asked.verification_code, purpose=CodePurpose.RECOVERY, device=requester.device, now=now
    )
    if account is None:
        raise CodeRefused("the account went while its code was open")
    record_event(AuditKind.CODE_PRESENTED, account=account, requester=requester, now=now, purpose="recovery")
    _recovery_key(account, asked.credential_id)
    challenge, token = issue_temporary_token(account, presented=presented, now=now)
    keys = release_recovery_keys(account, presented=presented)
    return RecoveryChallenge(account=account, challenge=challenge, temporary_token=token, recovery_keys=keys)


def complete_recovery(
    temporary_token: str, answer: RecoveryAnswer, *, requester: Requester, now: datetime
) -> Credential:
    """Replace everything of the account by new credentials, which the recovery key has signed. Returns the first.

    Raises TokenRefused if the temporary token is not good or was spent, AssertionRefused if the
    recovery key's proof fails, AttestationRefused if a credential does not hold, CredentialIdTaken.
    Stored, in one transaction: the token's `jti`, the new credentials, that every older credential,
    session, code and challenge is dead, the spent recovery key among them, events, a notice.
    Source: Dfns API, Recover User; R-80, R-81.
    """
    token = resolve_temporary_token(temporary_token, purpose=CodePurpose.RECOVERY, now=now)
    account = _account(token)
    _verify_recovery_key(answer, account=account)
    made = verify_new_credentials(answer.new, account=account, challenge=token.challenge, now=now)
    with transaction.atomic():
        if not Account.objects.lock(account=account):  # or two tokens would each spend the same recovery key
            raise TokenRefused("the account was voided meanwhile")
        spend_temporary_token(token)
        _end_everything(account, now=now)
        for credential in made:
            store_credential(credential, requester=requester, now=now)
        notify_owner(record_event(AuditKind.RECOVERED, account=account, requester=requester, now=now))
    return made[0]


def _account(token: TemporaryToken) -> Account:
    account = Account.objects.registered().filter(pk=token.account_id, organization=token.organization).first()
    if account is None or account.voided_since(token.issued_at):
        raise TokenRefused("the account went, or was voided, while its token was out")
    return account


def _recovery_key(account: Account, credential_id: str) -> Credential:
    keys = account.credentials.usable().filter(kind=CredentialKind.RECOVERY_KEY).defer("encrypted_key_at_rest")
    key = keys.filter(canonical_credential_id=credential_id).first()
    if key is None:
        raise RecoveryCredentialRefused("no such recovery key in the account")
    return key


def _verify_recovery_key(answer: RecoveryAnswer, *, account: Account) -> None:
    """Verify that the recovery key signed these very new credentials: its challenge is their JSON text."""
    try:
        key = _recovery_key(account, answer.credential_id)
    except RecoveryCredentialRefused as error:
        raise AssertionRefused(error.reason) from error
    try:
        challenge = claimed_challenge(answer.assertion.client_data)
        signed = parse_json_object(decode_base64url(challenge), limit=NEW_CREDENTIALS_LIMIT)
    except EncodingError as error:
        raise AssertionRefused(str(error)) from error
    if _canonical(signed) != _canonical(answer.signed):
        raise AssertionRefused("the recovery key signed other credentials")
    verifier = KeyAssertionVerifier(origins=login_settings().key_client_origins)
    stored = StoredKey(credential_id=key.canonical_credential_id, spki=bytes(key.public_key))
    verifier.verify(answer.assertion, stored=stored, challenge=challenge)


def _canonical(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _end_everything(account: Account, *, now: datetime) -> None:
    Account.objects.recover(account=account, now=now)
    Session.objects.filter(account=account).revoke(now=now)
    OneTimeCode.objects.revoke_of_account(account=account, now=now)
