"""The login ceremony: present a code, release the encrypted keys, verify a signed challenge, open a session.

Before the signature, every answer is the same whether or not the account exists.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime

from dfns_login.audit import announce_event
from dfns_login.ceremonies.decoys import decoy_account_id, decoy_credentials
from dfns_login.ceremonies.factors import (
    LISTED_KINDS,
    FactorAnswer,
    ListedCredential,
    SigningChallenge,
    record_uses,
    supported_kinds,
    verify_factors,
)
from dfns_login.ceremonies.lockdown import check_signers, unlock
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.presentation import presented_events
from dfns_login.ceremonies.sightings import Sighting
from dfns_login.errors import CodeRefused, NoUsableCredential, UserNotFound
from dfns_login.models import (
    AuditEvent,
    AuditKind,
    Caller,
    CodePurpose,
    CredentialRecord,
    LoginRecord,
    Organization,
    Session,
    transaction,
)
from dfns_login.proofs import (
    Ceremony,
    PresentedCode,
    ReleasedKey,
    find_encrypted_keys,
    issue_session,
    open_challenge,
    present_login_code,
    redeem_challenge,
    release_encrypted_keys,
)
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """A request to sign in.

    recipient: None for a discoverable passkey, which needs no username. login_code: what the person typed.
    """

    organization: str
    recipient: Recipient | None = None
    login_code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAnswer:
    """The signed challenge, with one factor or two."""

    challenge_identifier: str = field(repr=False)
    first_factor: FactorAnswer
    second_factor: FactorAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """The session that was opened, and its token. Browsers get a Django session instead of the token."""

    session: Session
    token: str = field(repr=False)


def open_login(asked: LoginRequest, *, requester: Requester, now: datetime) -> SigningChallenge:
    """Open a login challenge, and release the encrypted keys if a valid code is presented.

    Raises: CodeRefused, if a code was sent and is not valid; UserNotFound and
    NoUsableCredential, only if the project reveals unknown users.
    Stored, in one transaction: the counted guess, that a valid code was consumed, events.
    Source: Dfns API, Create User Login Challenge.
    """
    if asked.recipient is None:
        if asked.login_code is not None:
            raise CodeRefused("code without a username")
        organization = Organization.objects.filter(pk=asked.organization, active=True).first()
        opened = open_challenge(
            Ceremony.LOGIN,
            organization=asked.organization,
            account_id="",
            generation=organization.generation if organization else 0,
            now=now,
        )
        return SigningChallenge(opened=opened, supported=supported_kinds(organization))
    caller = Caller.of(requester.device) if asked.login_code is not None else None
    record = LoginRecord.read(asked.recipient, caller=caller)
    if record.account is None and login_settings().reveal_unknown_users:
        raise UserNotFound
    presented, released, notified_network = None, None, ""
    if asked.login_code is not None:
        presented, released, notified_network = _present(record, asked.login_code, requester=requester, now=now)
    challenge = _open_for(record, presented=presented, notified_network=notified_network, now=now)
    if presented and not challenge.listed and not released and login_settings().reveal_unknown_users:
        raise NoUsableCredential
    return replace(challenge, supported=supported_kinds(record.organization), released_keys=released)


def complete_login(
    answer: LoginAnswer, *, requester: Requester, now: datetime, is_known: Callable[[Recipient], bool] | None = None
) -> SignedIn:
    """Verify the signed challenge and open a session.

    is_known: of a browser, whether it has signed in as this recipient before; None for other clients.
    Raises: ChallengeRefused, if the challenge is not valid; AssertionRefused, if
    verification fails; AccountDeactivated and AccountLocked, only after the signature was verified.
    Stored, in one transaction: the spent challenge, the session, an event; of a locked account, that it is unlocked;
    from a new device or network or after many failures, a notice.
    Source: Dfns API, Complete User Login.
    """
    redeemed = redeem_challenge(answer.challenge_identifier, ceremony=Ceremony.LOGIN, now=now)
    factor = verify_factors(answer.first_factor, answer.second_factor, redeemed=redeemed, requester=requester, now=now)
    credential = factor.credential
    unlocks = check_signers(factor, now=now)
    seen = Sighting.of(credential, redeemed=redeemed, requester=requester, is_known=is_known)
    # a key has no state, and its session is stored at once
    with transaction.atomic() if factor.has_state or unlocks or seen.stores else nullcontext():
        session, token, event = issue_session(
            credential, redeemed=redeemed, verified=factor.verified, requester=requester, now=now, **seen.detail
        )
        record_uses(factor, now=now)
        seen.store(credential, event)
        if unlocks:
            unlock(credential.account, by=unlocks, requester=requester, now=now)
    return SignedIn(session=session, token=token)


def _present(
    record: LoginRecord, code: str, *, requester: Requester, now: datetime
) -> tuple[PresentedCode, list[ReleasedKey], str]:
    """Present the code. Return it, the keys that it releases, and the network that the owner was told of, if any."""
    account, events = record.account, list[AuditEvent]()

    def draft() -> Sequence[AuditEvent]:
        if account is not None:
            with_key = [each.credential_id for each in find_encrypted_keys(record, now=now)]
            events.extend(
                presented_events(account, purpose=CodePurpose.LOGIN, with_key=with_key, requester=requester, now=now)
            )
        return events

    presented = present_login_code(record, code, caller=Caller.of(requester.device), now=now, events=draft)
    if account is None:
        raise CodeRefused("account no longer registered")
    for event in events:
        announce_event(event, account=account, requester=requester)
    released = release_encrypted_keys(record, presented=presented)
    notified_network = _tell_of_release(record, find_encrypted_keys(record, now=now), events, requester=requester)
    return presented, released, notified_network


def _tell_of_release(
    record: LoginRecord, keys: Sequence[CredentialRecord], events: Sequence[AuditEvent], *, requester: Requester
) -> str:
    """Tell the owner if a key is released to a network where it has not been used. Return that network.

    Known devices are no exception: a device mark may be stolen. A key that never signed in may have been stored for
    years, so any credential of the account may have signed in.
    The notice is stored after the guess and not with it: a transaction around both would show in the time of a wrong
    guess that the name exists.
    """
    known = {network for key in keys for network in key.networks}
    has_signed_in = any(each.networks for each in record.credentials)
    if not keys or not has_signed_in or requester.network in known:
        return ""
    for event in events:
        if event.kind == AuditKind.KEY_RELEASED:
            notify_owner(event)
    return requester.network


def _open_for(
    record: LoginRecord, *, presented: PresentedCode | None, notified_network: str, now: datetime
) -> SigningChallenge:
    account, recipient = record.account, record.recipient
    made_up_id, decoys = decoy_account_id(recipient), decoy_credentials(recipient)  # also for names that exist
    opened = open_challenge(
        Ceremony.LOGIN,
        organization=recipient.organization,
        account_id=account.pk if account else made_up_id,
        generation=account.generation if account else 0,
        presented=presented,
        bound=notified_network,
        now=now,
    )
    listed = [(LISTED_KINDS[each.kind], each.credential_id) for each in record.credentials if each.kind in LISTED_KINDS]
    shown = [ListedCredential(kind=kind, credential_id=pk) for kind, pk in (listed if account else decoys)]
    return SigningChallenge(opened=opened, supported=(), listed=shown)
