"""The login ceremony: a code is mailed, presented, a key released, a challenge signed, a session opened.

Everything up to the signature answers alike whether or not the account exists.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from dfns_login.audit import note_code_request, record_event
from dfns_login.challenges import Ceremony, OpenedChallenge, RedeemedChallenge, open_challenge, redeem_challenge
from dfns_login.codes import PresentedCode, issue_code, present_code
from dfns_login.conf import login_settings
from dfns_login.decoys import decoy_account_id, decoy_credentials
from dfns_login.errors import AccountDeactivated, AssertionRefused, CodeRefused, NoUsableCredential, UserNotFound
from dfns_login.key_release import ReleasedKey, release_encrypted_keys
from dfns_login.models import Account, AccountState, AuditKind, CodePurpose, Credential, CredentialKind, Session
from dfns_login.requester import Requester
from dfns_login.tasks import wake_delivery
from dfns_login.tokens import issue_session
from dfns_login.usernames import Recipient
from dfns_login.verification.assertion import KeyAssertion, KeyAssertionVerifier, StoredKey, VerifiedAssertion

LISTED_KINDS = {CredentialKind.KEY: "key", CredentialKind.FIDO2: "webauthn"}
"""Lists of `allowCredentials` that are shown without a code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """recipient: absent for a discoverable passkey, which needs no username. login_code: as typed."""

    organization: str
    recipient: Recipient | None = None
    login_code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCredential:
    """A credential that may answer the challenge. `kind` is a list of `allowCredentials`."""

    kind: str
    credential_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginChallenge:
    """What the client is to sign, with what. released_keys: absent unless a good code was presented."""

    opened: OpenedChallenge
    listed: Sequence[ListedCredential] = ()
    released_keys: Sequence[ReleasedKey] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAnswer:
    """The signed challenge. kind, credential_id: as the client claims; credential_id in canonical form."""

    challenge_identifier: str
    kind: CredentialKind
    credential_id: str
    assertion: KeyAssertion


def send_login_code(recipient: Recipient, *, requester: Requester, now: datetime) -> None:
    """Have a login code mailed to the recipient, if the recipient is somebody: the worker finds out.

    Stored: the code's row, for any name.
    Source: Dfns API, Send Login Code.
    """
    pk = issue_code(recipient, purpose=CodePurpose.LOGIN, requester=requester, now=now)
    note_code_request(recipient, purpose=CodePurpose.LOGIN.value, code=pk, requester=requester)
    wake_delivery(pk)


def open_login(asked: LoginRequest, *, requester: Requester, now: datetime) -> LoginChallenge:
    """Open a login challenge; release the encrypted keys if a good code is presented.

    Raises CodeRefused if a code came and is not good; UserNotFound and
    NoUsableCredential only where the project reveals unknown users.
    Stored: the counted guess; with a good code, that it is spent.
    Source: Dfns API, Create User Login Challenge.
    """
    if asked.recipient is None:
        if asked.login_code is not None:
            msg = "a code without a name"
            raise CodeRefused(msg)
        opened = open_challenge(Ceremony.LOGIN, organization=asked.organization, account_id="", presented=None, now=now)
        return LoginChallenge(opened=opened)
    account = _find_account(asked.recipient)
    presented = None
    if asked.login_code is not None:
        presented = present_code(asked.recipient, asked.login_code, purpose=CodePurpose.LOGIN, now=now)
        if account is None:
            msg = "the account went while its code was open"
            raise CodeRefused(msg)
        record_event(AuditKind.CODE_PRESENTED, account=account, requester=requester, now=now, purpose="login")
    return _open_for(asked.recipient, account=account, presented=presented, now=now)


def complete_login(answer: LoginAnswer, *, requester: Requester, now: datetime) -> str:
    """Verify the signed challenge and open a session. Returns its token.

    Raises ChallengeRefused for a challenge that is not good, AssertionRefused
    for any proof that fails, AccountDeactivated to somebody who has proved who they are.
    Stored: the spent challenge, the session, an event, in one transaction.
    Source: Dfns API, Complete User Login.
    """
    redeemed = redeem_challenge(answer.challenge_identifier, ceremony=Ceremony.LOGIN, now=now)
    credential, verified = _verify(answer, redeemed=redeemed)
    account = credential.account
    active = account.state == AccountState.REGISTERED and account.organization.active
    if not active or account.user is None or not account.user.is_active:
        msg = "account, organization or user is not active"
        raise AccountDeactivated(msg)
    with transaction.atomic():
        session, token = issue_session(credential, redeemed=redeemed, verified=verified, requester=requester, now=now)
        record_event(
            AuditKind.SIGNED_IN, account=account, requester=requester, now=now, session=session.pk, kind=credential.kind
        )
    return token


def end_session(session: Session, *, requester: Requester, now: datetime) -> None:
    """End this session; its token is dead from this moment. Stored: when, and an event."""
    if Session.objects.filter(pk=session.pk).revoke(now=now):
        record_event(AuditKind.SIGNED_OUT, account=session.account, requester=requester, now=now, session=session.pk)


def end_every_session(account: Account, *, requester: Requester, now: datetime) -> None:
    """End every session of the account. Stored: when, and an event."""
    ended = Session.objects.filter(account=account).revoke(now=now)
    if ended:
        record_event(AuditKind.SIGNED_OUT, account=account, requester=requester, now=now, sessions=ended)


def _find_account(recipient: Recipient) -> Account | None:
    """The account, if it may sign in; nobody otherwise, so that every other state answers like an unknown name."""
    account = Account.objects.of(recipient).filter(state=AccountState.REGISTERED, organization__active=True).first()
    if account is None and login_settings().reveal_unknown_users:
        raise UserNotFound
    return account


def _open_for(
    recipient: Recipient, *, account: Account | None, presented: PresentedCode | None, now: datetime
) -> LoginChallenge:
    opened = open_challenge(
        Ceremony.LOGIN,
        organization=recipient.organization,
        account_id=account.pk if account else decoy_account_id(recipient),
        presented=presented,
        now=now,
    )
    if account is None:
        # the same statement as for somebody, so that the database does not tell
        list(_listed_credentials(""))
        decoys = [ListedCredential(kind=d.kind, credential_id=d.credential_id) for d in decoy_credentials(recipient)]
        return LoginChallenge(opened=opened, listed=decoys)
    listed = _listed_credentials(account.pk)
    released = release_encrypted_keys(account, presented=presented) if presented else None
    if not listed and not released and presented and login_settings().reveal_unknown_users:
        raise NoUsableCredential
    return LoginChallenge(opened=opened, listed=listed, released_keys=released)


def _listed_credentials(account_id: str) -> list[ListedCredential]:
    rows = Credential.objects.usable().filter(account_id=account_id, kind__in=LISTED_KINDS)
    return [
        ListedCredential(kind=LISTED_KINDS[CredentialKind(kind)], credential_id=credential_id)
        for kind, credential_id in rows.order_by("created_at", "pk").values_list("kind", "credential_id")
    ]


def _verify(answer: LoginAnswer, *, redeemed: RedeemedChallenge) -> tuple[Credential, VerifiedAssertion]:
    """Who signed, and the proof. Where nobody may have signed, the same work is done for nothing (R-36)."""
    credential = _find_credential(answer, redeemed=redeemed)
    verifier = KeyAssertionVerifier(origins=login_settings().key_client_origins)
    if credential is None:
        verifier.verify(answer.assertion, stored=None, challenge=redeemed.challenge)
        msg = "no such credential in the account"
        raise AssertionRefused(msg)
    stored = StoredKey(credential_id=credential.canonical_credential_id, spki=bytes(credential.public_key))
    return credential, verifier.verify(answer.assertion, stored=stored, challenge=redeemed.challenge)


def _find_credential(answer: LoginAnswer, *, redeemed: RedeemedChallenge) -> Credential | None:
    """The credential that is said to have signed, if it may sign this (WebAuthn L3 §7.2 steps 5 and 6).

    It is looked for within the challenge's account; its kind is the stored one;
    a password-protected key answers only what was opened with a code (R-24, R-55).
    """
    credential = (
        Credential.objects.usable()
        .select_related("account__organization", "account__user")
        .defer("sealed_private_key")
        .filter(
            organization_id=redeemed.organization,
            account_id=redeemed.account_id,
            canonical_credential_id=answer.credential_id,
            kind=answer.kind,
        )
        .first()
    )
    if credential and credential.kind == CredentialKind.PASSWORD_PROTECTED_KEY and not redeemed.code_presented:
        return None
    return credential
