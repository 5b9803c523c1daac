"""An account's credentials: listing them, and adding one from a session or from another device."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dfns_login.audit import record_event
from dfns_login.ceremonies.credential_changes import check_room, lock_account
from dfns_login.ceremonies.lockdown import link_ends
from dfns_login.ceremonies.new_credentials import NewCredential, store_credential, verify_credential
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.presentation import presenting, record_presented
from dfns_login.errors import (
    BodyRefused,
    ChallengeRefused,
    CodeRefused,
)
from dfns_login.models import (
    Account,
    AccountState,
    AuditKind,
    CodePurpose,
    Credential,
    CredentialKind,
    transaction,
)
from dfns_login.proofs import (
    Ceremony,
    OpenedChallenge,
    RedeemedChallenge,
    open_challenge,
    present_credential_code,
    redeem_challenge,
    show_credential_code,
    spend_challenge,
)
from dfns_login.requester import Requester

CODE_LIFETIME: Final = timedelta(minutes=1)
"""Longest lifetime of a code that adds a credential from another device (D-5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialChallenge:
    """The challenge that a client signs to add a credential of this kind."""

    account: Account
    kind: CredentialKind
    opened: OpenedChallenge


def open_credential(account: Account, kind: CredentialKind, *, now: datetime) -> CredentialChallenge:
    """Open a challenge to add a credential to the account. Nothing is stored.

    Source: Dfns API, Create Credential Challenge.
    """
    opened = open_challenge(
        Ceremony.CREDENTIAL,
        organization=account.organization_id,
        account_id=account.pk,
        generation=account.generation,
        bound=f"session {kind.value}",
        now=now,
    )
    return CredentialChallenge(account=account, kind=kind, opened=opened)


def open_credential_with_code(
    code: str, kind: CredentialKind, *, requester: Requester, now: datetime
) -> CredentialChallenge:
    """Verify the code that the account's owner was shown, and open a challenge to add a credential.

    Raises: CodeRefused, if the code is not valid.
    Stored, in one transaction: the counted guess, that a valid code was consumed, an event.
    Source: Dfns API, Create Credential Challenge With Code.
    """
    with presenting():
        presented, account = present_credential_code(code, now=now)
        if account.state != AccountState.REGISTERED or not account.organization.active:
            raise CodeRefused("account no longer registered")
        record_presented(account, purpose=CodePurpose.CREDENTIAL, requester=requester, now=now)
    opened = open_challenge(
        Ceremony.CREDENTIAL,
        organization=account.organization_id,
        account_id=account.pk,
        generation=account.generation,
        presented=presented,
        bound=f"code {kind.value}",
        now=now,
    )
    return CredentialChallenge(account=account, kind=kind, opened=opened)


def add_credential(
    account: Account, new: NewCredential, challenge_identifier: str, *, requester: Requester, now: datetime
) -> Credential:
    """Add a credential to the account. Call this in the transaction that spends the user action.

    Raises: ChallengeRefused, BodyRefused, AttestationRefused, CredentialIdTaken, TooManyCredentials.
    Stored: the challenge's `jti`, the credential, an event, a notice.
    Source: Dfns API, Create Credential.
    """
    redeemed = redeem_challenge(challenge_identifier, ceremony=Ceremony.CREDENTIAL, now=now)
    if redeemed.account_id != account.pk or redeemed.bound != f"session {new.kind.value}":
        raise ChallengeRefused("challenge of another account or kind, or opened with a code")
    return _add(account, new, redeemed=redeemed, requester=requester, now=now)


def add_credential_with_code(
    new: NewCredential, challenge_identifier: str, *, requester: Requester, now: datetime
) -> Credential:
    """Add a credential from a device without a session, for a challenge that was opened with a code.

    Raises and stores what `add_credential` does. Source: Dfns API, Create Credential With Code.
    """
    redeemed = redeem_challenge(challenge_identifier, ceremony=Ceremony.CREDENTIAL, now=now)
    if redeemed.bound != f"code {new.kind.value}":
        raise ChallengeRefused("challenge of another kind, or opened without a code")
    account = Account.objects.registered().filter(pk=redeemed.account_id, organization=redeemed.organization).first()
    if account is None:
        raise ChallengeRefused("account no longer registered")
    return _add(account, new, redeemed=redeemed, requester=requester, now=now)


def show_code(account: Account, *, expires_at: datetime, requester: Requester, now: datetime) -> tuple[str, datetime]:
    """Return a code that adds a credential from another device, to show to the account's owner; and when it expires.

    Call this in a transaction.

    expires_at: what the client asks for. A code expires after a minute at the latest: the client's clock may be ahead.
    Raises: BodyRefused, if the time is past. Stored: the code's row, an event.
    Source: Dfns API, Create Credential Code; D-5.
    """
    if expires_at <= now:
        raise BodyRefused("expiration past", details={"expiration": ["Enter a time within the next minute."]})
    expires_at = min(expires_at, now + CODE_LIFETIME)
    lock_account(account)
    code = show_credential_code(account, expires_at=expires_at, requester=requester, now=now)
    record_event(AuditKind.CODE_SHOWN, account=account, requester=requester, now=now, purpose="credential")
    return code, expires_at


def list_credentials(account: Account) -> Sequence[Credential]:
    """Return every credential of the account, usable or not, the oldest first. No encrypted key is read.

    Source: Dfns API, List User Credentials.
    """
    return list(account.credentials.defer("encrypted_key_at_rest").order_by("created_at", "pk"))


def _add(
    account: Account, new: NewCredential, *, redeemed: RedeemedChallenge, requester: Requester, now: datetime
) -> Credential:
    credential = verify_credential(new, account=account, challenge=redeemed.challenge, now=now)
    credential.unlocks_from = link_ends(now=now)
    with transaction.atomic():
        if not Account.objects.lock_current(account=account, generation=redeemed.generation):
            raise ChallengeRefused("challenge opened before the account was voided")
        check_room(account)
        spend_challenge(redeemed)
        notify_owner(store_credential(credential, requester=requester, now=now))
    return credential
