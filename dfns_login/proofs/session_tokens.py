"""Bearer tokens: the login token, and the temporary ones that complete a registration or a recovery."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db.models import Q

from dfns_login.errors import AssertionRefused, TokenRefused
from dfns_login.models import Account, CodePurpose, Credential, Session
from dfns_login.proofs.challenges import RedeemedChallenge, new_challenge, new_jti, spend_challenge, spend_jti
from dfns_login.proofs.codes import PresentedCode
from dfns_login.proofs.signed_tokens import LEEWAY, TokenClass, sign_token, verify_token
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.verification.assertion import VerifiedAssertion

TEMPORARY: Final = {
    CodePurpose.REGISTRATION: TokenClass.REGISTRATION,
    CodePurpose.RECOVERY: TokenClass.RECOVERY,
}
"""Class of the temporary token that a code of each purpose gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryToken:
    """Proof that a code of this purpose was presented for this account. Only `resolve_temporary_token` makes one."""

    purpose: CodePurpose
    jti: str
    account_id: str
    organization: str
    challenge: str
    issued_at: datetime
    expires_at: datetime


def issue_session(
    credential: Credential,
    *,
    redeemed: RedeemedChallenge,
    verified: VerifiedAssertion,
    requester: Requester,
    now: datetime,
) -> tuple[Session, str]:
    """Spend the challenge, open a session for the credential's account, and make its token.

    verified: that the credential signed this challenge; the type is the proof.
    Call it inside a transaction: the challenge is spent only with what it is spent on.
    Raises ChallengeRefused if the challenge was spent before. Stored: the
    challenge's `jti` and the session; the token is not.
    """
    if verified.credential_id != credential.canonical_credential_id:
        raise AssertionRefused("the assertion is of another credential")
    session = Session(
        jti=new_jti(),
        account=credential.account,
        credential=credential,
        code_presented=redeemed.code_presented,
        issued_at=now,
        last_seen_at=now,
        expires_at=now + login_settings().token_lifetime,
        address=requester.address,
        agent=requester.agent,
    )
    spend_challenge(redeemed)
    session.save(force_insert=True)
    return session, sign_token(
        TokenClass.SESSION,
        subject=session.account_id,
        organization=credential.organization_id,
        jti=session.jti,
        expires_at=session.expires_at,
        now=now,
    )


def resolve_session(token: str, *, now: datetime) -> Session:
    """The live session behind a login token, with its account, organization, user and credential.

    One SELECT at every call, so that what ended is over at once (GHSA-g65h-35f3-x2w3).
    Raises TokenRefused for everything else. Stored: when it was last seen, at most once a minute.
    """
    claims = verify_token(TokenClass.SESSION, token, now=now)
    session = find_live_session(
        Q(jti=claims["jti"], account_id=claims["sub"], account__organization_id=claims["org"]), now=now
    )
    if session is None:
        raise TokenRefused("session ended, or of somebody who may not come in")
    return session


def find_live_session(which: Q, *, now: datetime) -> Session | None:
    """The one session of this description, if it opens doors, with all that a request asks of it: one SELECT.

    Stored: when it was last seen, at most once a minute.
    """
    live = Session.objects.live(now=now, idle=login_settings().token_idle)
    related = live.select_related("account__organization", "account__user", "credential")
    session = related.defer("credential__encrypted_key_at_rest").filter(which).first()
    if session is None or session.account.user is None or not session.account.user.is_active:
        return None
    Session.objects.touch(session=session, now=now)
    return session


def issue_temporary_token(account: Account, *, presented: PresentedCode, now: datetime) -> tuple[str, str]:
    """Challenge and temporary token for the account whose code was presented. Nothing is stored."""
    if presented.recipient != account.recipient:
        raise TokenRefused("the code was another's")
    challenge = new_challenge()
    token = sign_token(
        TEMPORARY[presented.purpose],
        subject=account.pk,
        organization=account.organization_id,
        jti=new_jti(),
        expires_at=now + login_settings().challenge_lifetime_with_code,
        now=now,
        challenge=challenge,
        at=now.isoformat(),  # `iat` has whole seconds, too coarse to tell what was voided from what came after
    )
    return challenge, token


def resolve_temporary_token(token: str, *, purpose: CodePurpose, now: datetime) -> TemporaryToken:
    """What a temporary token of this purpose stands for.

    Raises TokenRefused if it is not one, or is expired. Whether it was spent
    before is found out by `spend_temporary_token`.
    """
    claims = verify_token(TEMPORARY[purpose], token, now=now)
    return TemporaryToken(
        purpose=purpose,
        jti=claims["jti"],
        account_id=claims["sub"],
        organization=claims["org"],
        challenge=str(claims.get("challenge", "")),
        issued_at=datetime.fromisoformat(str(claims["at"])),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )


def spend_temporary_token(token: TemporaryToken) -> None:
    """Spend the temporary token, in the transaction of what it completes.

    Raises TokenRefused if it was spent before; exactly one caller gets by.
    """
    if not spend_jti(token.jti, expires_at=token.expires_at + LEEWAY):
        raise TokenRefused("temporary token spent")
