"""The login ceremony: a code is mailed, presented, a key released, a challenge signed, a session opened.

Everything up to the signature answers alike whether or not the account exists.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from dfns_login.audit import log_code_request, record_event
from dfns_login.ceremonies.decoys import decoy_account_id, decoy_credentials
from dfns_login.ceremonies.factors import (
    FactorAnswer,
    ListedCredential,
    SigningChallenge,
    SupportedKind,
    listed_credentials,
    record_uses,
    supported_kinds,
    verify_factors,
)
from dfns_login.errors import AssertionRefused, CodeRefused, NoUsableCredential, UserNotFound
from dfns_login.models import Account, AuditKind, CodePurpose, Organization, Session
from dfns_login.proofs import (
    Ceremony,
    PresentedCode,
    issue_code,
    issue_session,
    open_challenge,
    present_code,
    redeem_challenge,
    release_encrypted_keys,
)
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.tasks import wake_delivery
from dfns_login.usernames import Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """recipient: absent for a discoverable passkey, which needs no username. login_code: as typed."""

    organization: str
    recipient: Recipient | None = None
    login_code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAnswer:
    """The signed challenge, with one factor or two."""

    challenge_identifier: str
    first_factor: FactorAnswer
    second_factor: FactorAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session that was just opened, and the token that stands for it; a browser's sign-in has no use for that."""

    session: Session
    token: str = field(repr=False)


def send_login_code(recipient: Recipient, *, requester: Requester, now: datetime) -> None:
    """Have a login code mailed to the recipient, if the recipient is somebody: the worker finds out.

    Stored: the code's row, for any name.
    Source: Dfns API, Send Login Code.
    """
    pk = issue_code(recipient, purpose=CodePurpose.LOGIN, requester=requester, now=now)
    log_code_request(recipient, purpose=CodePurpose.LOGIN.value, code=pk, requester=requester)
    wake_delivery(pk)


def open_login(asked: LoginRequest, *, requester: Requester, now: datetime) -> SigningChallenge:
    """Open a login challenge; release the encrypted keys if a good code is presented.

    Raises CodeRefused if a code came and is not good; UserNotFound and
    NoUsableCredential only where the project reveals unknown users.
    Stored: the counted guess; with a good code, that it is spent.
    Source: Dfns API, Create User Login Challenge.
    """
    if asked.recipient is None:
        if asked.login_code is not None:
            raise CodeRefused("a code without a name")
        organization = Organization.objects.filter(pk=asked.organization, active=True).first()
        opened = open_challenge(Ceremony.LOGIN, organization=asked.organization, account_id="", now=now)
        return SigningChallenge(opened=opened, supported=supported_kinds(organization))
    organization, account = Organization.objects.with_account(asked.recipient)
    if account is None and login_settings().reveal_unknown_users:
        raise UserNotFound
    presented = None
    if asked.login_code is not None:
        presented = present_code(
            asked.recipient, asked.login_code, purpose=CodePurpose.LOGIN, device=requester.device, now=now
        )
        if account is None:
            raise CodeRefused("the account went while its code was open")
        record_event(AuditKind.CODE_PRESENTED, account=account, requester=requester, now=now, purpose="login")
    supported = supported_kinds(organization)
    return _open_for(asked.recipient, account=account, presented=presented, supported=supported, now=now)


def complete_login(answer: LoginAnswer, *, requester: Requester, now: datetime) -> SignedIn:
    """Verify the signed challenge and open a session.

    Raises ChallengeRefused for a challenge that is not good, AssertionRefused
    for any proof that fails, AccountDeactivated to somebody who has proved who they are.
    Stored: the spent challenge, the session, an event, in one transaction.
    Source: Dfns API, Complete User Login.
    """
    redeemed = redeem_challenge(answer.challenge_identifier, ceremony=Ceremony.LOGIN, now=now)
    factor = verify_factors(answer.first_factor, answer.second_factor, redeemed=redeemed, requester=requester, now=now)
    credential = factor.credential
    with transaction.atomic():
        if not Account.objects.lock(account=credential.account):  # or what voids it would not see this session
            raise AssertionRefused("the account was voided meanwhile")
        session, token = issue_session(
            credential, redeemed=redeemed, verified=factor.verified, requester=requester, now=now
        )
        record_uses(factor)
        record_event(
            AuditKind.SIGNED_IN,
            account=credential.account,
            requester=requester,
            now=now,
            session=session.pk,
            kind=credential.kind,
        )
    return SignedIn(session=session, token=token)


def end_session(session: Session, *, requester: Requester, now: datetime) -> None:
    """End this session; its token is dead from this moment. Stored: when, and an event."""
    if Session.objects.filter(pk=session.pk).revoke(now=now):
        record_event(AuditKind.SIGNED_OUT, account=session.account, requester=requester, now=now, session=session.pk)


def end_every_session(account: Account, *, requester: Requester, now: datetime) -> None:
    """End every session of the account. Stored: when, and an event."""
    ended = Session.objects.filter(account=account).revoke(now=now)
    if ended:
        record_event(AuditKind.SIGNED_OUT, account=account, requester=requester, now=now, sessions=ended)


def _open_for(
    recipient: Recipient,
    *,
    account: Account | None,
    presented: PresentedCode | None,
    supported: Sequence[SupportedKind],
    now: datetime,
) -> SigningChallenge:
    opened = open_challenge(
        Ceremony.LOGIN,
        organization=recipient.organization,
        account_id=account.pk if account else decoy_account_id(recipient),
        presented=presented,
        now=now,
    )
    if account is None:
        # the same statement as for somebody, so that the database does not tell
        listed_credentials("")
        decoys = [ListedCredential(kind=d.kind, credential_id=d.credential_id) for d in decoy_credentials(recipient)]
        return SigningChallenge(opened=opened, supported=supported, listed=decoys)
    listed = listed_credentials(account.pk)
    released = release_encrypted_keys(account, presented=presented) if presented else None
    if not listed and not released and presented and login_settings().reveal_unknown_users:
        raise NoUsableCredential
    return SigningChallenge(opened=opened, supported=supported, listed=listed, released_keys=released)
