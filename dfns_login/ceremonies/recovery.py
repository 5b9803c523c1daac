"""The recovery ceremony: an emailed code and the recovery key together replace every credential of an account."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from dfns_login.audit import record_event
from dfns_login.ceremonies.first_login import Enrolled, open_first_login
from dfns_login.ceremonies.lockdown import check_unlocks, link_ends, unlock
from dfns_login.ceremonies.new_credentials import NewCredentials, store_credential, verify_new_credentials
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.presentation import presenting, record_presented
from dfns_login.ceremonies.recovery_waits import check_waited, refusal_until, wait_of
from dfns_login.ceremonies.voiding import EVERY_SESSION, void_account
from dfns_login.errors import AssertionRefused, CodeRefused, RecoveryCredentialRefused, TokenRefused
from dfns_login.models import (
    Account,
    AuditKind,
    CodePurpose,
    Credential,
    CredentialKind,
    Session,
    transaction,
)
from dfns_login.proofs import (
    ReleasedKey,
    TemporaryToken,
    issue_temporary_token,
    present_code,
    release_recovery_keys,
    resolve_temporary_token,
    spend_temporary_token,
)
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient
from dfns_login.verification.assertion import KeyAssertion, KeyAssertionVerifier, StoredKey
from dfns_login.verification.client_data import claimed_challenge
from dfns_login.verification.encoding import EncodingError, decode_base64url, parse_json_object

NEW_CREDENTIALS_LIMIT: Final = 48 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRequest:
    """A request to recover an account.

    credential_id: of the recovery key, in canonical form. verification_code: what the person typed.
    """

    recipient: Recipient
    credential_id: str
    verification_code: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryChallenge:
    """The challenge to sign, the recovery keys that may sign it, and the token that completes the recovery."""

    account: Account
    challenge: str
    recovery_keys: list[ReleasedKey]
    temporary_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryAnswer:
    """The recovery key's signature, and the new credentials that it signed.

    credential_id: in canonical form. new: the new credentials. signed: the same as the JSON value that was sent,
    which must be the recovery key's challenge.
    """

    credential_id: str
    assertion: KeyAssertion
    new: NewCredentials
    signed: dict[str, Any] = field(repr=False)


def open_recovery(
    asked: RecoveryRequest, *, requester: Requester, now: datetime, signed_in: Session | None = None
) -> RecoveryChallenge:
    """Verify the recovery code and open the recovery of its account.

    signed_in: the live session of the browser that asks.
    Raises: CodeRefused, if the code is not valid; RecoveryCredentialRefused, if the account has no such recovery key:
    nothing is released then, so the guess counts and the code stays open (R-230); RecoveryWaits, if the recovery has to
    wait first (R-145).
    Stored, in one transaction: the counted guess, that a valid code was consumed, a wait, events, a notice.
    Source: Dfns API, Create Recovery Challenge.
    """
    account = Account.objects.registered().of(asked.recipient).first()
    named: list[Credential] = []

    def name_key() -> None:
        if account is not None:
            named.append(_named_recovery_key(account, asked.credential_id))

    with presenting():
        try:
            presented = present_code(
                asked.recipient,
                asked.verification_code,
                purpose=CodePurpose.RECOVERY,
                device=requester.device,
                now=now,
                permit=name_key,
            )
        except RecoveryCredentialRefused:
            if account is not None:  # a recovery key was named, and it was not the account's
                record_presented(account, purpose=CodePurpose.RECOVERY, requester=requester, now=now)
            raise
        if account is None:
            raise CodeRefused("account no longer registered")
        (key,) = named
        wait = wait_of(key, account=account, signed_in=signed_in, now=now)
        waits = wait is not None and wait.ready_at > now
        keys = [] if waits else release_recovery_keys(account, presented=presented)
        presented_event, *_released = record_presented(
            account,
            purpose=CodePurpose.RECOVERY,
            released=keys,
            requester=requester,
            now=now,
            **({"recoverable_from": wait.ready_at.isoformat()} if wait and waits else {}),
        )
        notify_owner(presented_event)  # the person has the recovery kit, or has seen it
    if wait and waits:
        raise refusal_until(wait.ready_at, now=now)
    challenge, token = issue_temporary_token(account, presented=presented, now=now)
    return RecoveryChallenge(account=account, challenge=challenge, temporary_token=token, recovery_keys=keys)


def complete_recovery(
    temporary_token: str,
    answer: RecoveryAnswer,
    *,
    requester: Requester,
    now: datetime,
    signed_in: Session | None = None,
) -> Enrolled:
    """Replace the account's credentials by new ones that the recovery key signed.

    Raises: TokenRefused, if the temporary token is not valid or was spent; AssertionRefused, if the recovery key's
    signature is not valid; AttestationRefused, if a new credential is not valid; CredentialIdTaken; AccountLocked,
    if the account is locked and the recovery key is too new to unlock it; RecoveryWaits, if the key that signed has
    to wait first.
    Stored, in one transaction: the token's `jti`, the new credentials, the end of every earlier credential (the
    recovery key included), session, code and challenge, events, a notice.
    Source: Dfns API, Recover User; R-80, R-81.
    """
    token = resolve_temporary_token(temporary_token, purpose=CodePurpose.RECOVERY, now=now)
    account = _account(token)
    key = _verify_recovery_key(answer, account=account)
    unlocks = check_unlocks(account, (key,), now=now)
    made = verify_new_credentials(answer.new, account=account, challenge=token.challenge, now=now)
    with transaction.atomic():
        if not Account.objects.lock_current(account=account, generation=token.generation):
            raise TokenRefused("account voided meanwhile")
        check_waited(key, account=account, signed_in=signed_in, now=now)
        spend_temporary_token(token)
        ended = void_account(account, ending=EVERY_SESSION, now=now)
        Credential.objects.replace_all(account=account)
        for credential in made:
            credential.unlocks_from = link_ends(now=now)
            store_credential(credential, requester=requester, now=now)
        if unlocks:
            unlock(account, by=unlocks, requester=requester, now=now)
        notify_owner(record_event(AuditKind.RECOVERED, account=account, requester=requester, now=now, sessions=ended))
        generation = Account.objects.generation_of(account)
        challenge = open_first_login(made, token=token, generation=generation, now=now)
    return Enrolled(credential=made[0], challenge=challenge)


def _account(token: TemporaryToken) -> Account:
    account = Account.objects.registered().filter(pk=token.account_id, organization=token.organization).first()
    if account is None:
        raise TokenRefused("account no longer registered")
    return account


def _find_recovery_key(account: Account, credential_id: str) -> Credential | None:
    keys = account.credentials.usable().filter(kind=CredentialKind.RECOVERY_KEY).defer("encrypted_key_at_rest")
    return keys.filter(canonical_credential_id=credential_id).first()


def _named_recovery_key(account: Account, credential_id: str) -> Credential:
    key = _find_recovery_key(account, credential_id)
    if key is None:
        raise RecoveryCredentialRefused("no such recovery key")
    return key


def _verify_recovery_key(answer: RecoveryAnswer, *, account: Account) -> Credential:
    """Return the recovery key that signed the new credentials. Its challenge is their JSON text."""
    key = _find_recovery_key(account, answer.credential_id)
    if key is None:
        raise AssertionRefused("no such recovery key")
    try:
        challenge = claimed_challenge(answer.assertion.client_data)
        signed = parse_json_object(decode_base64url(challenge), limit=NEW_CREDENTIALS_LIMIT)
    except EncodingError as error:
        raise AssertionRefused(str(error)) from error
    if _canonical(signed) != _canonical(answer.signed):
        raise AssertionRefused("recovery key signed other credentials")
    verifier = KeyAssertionVerifier(origins=login_settings().key_client_origins)
    stored = StoredKey(credential_id=key.canonical_credential_id, spki=bytes(key.public_key))
    verifier.verify(answer.assertion, stored=stored, challenge=challenge)
    return key


def _canonical(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
