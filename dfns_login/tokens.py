"""Bearer tokens: the login token, and the temporary one that completes a registration.

JSON Web Tokens (RFC 7519) signed with ES256. Each class has a `typ` and an
audience of its own, so none is good in another's place (RFC 8725 §3.8, §3.11, §3.12).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import jwt

from dfns_login.challenges import RedeemedChallenge, new_challenge, new_jti, spend_challenge, spend_jti
from dfns_login.codes import PresentedCode
from dfns_login.conf import login_settings
from dfns_login.errors import AssertionRefused, TokenRefused
from dfns_login.keys import key_rings
from dfns_login.models import Account, Credential, Session
from dfns_login.requester import Requester
from dfns_login.verification.assertion import VerifiedAssertion

ALGORITHM: Final = "ES256"
TOKEN_MAX_LENGTH: Final = 4096
LEEWAY: Final = timedelta(seconds=5)
"""How far the clocks of our own hosts may stand apart."""
REQUIRED_CLAIMS: Final = ("iss", "aud", "sub", "org", "jti", "iat", "nbf", "exp")
APP_METADATA: Final = "https://custom/app_metadata"
"""Claim in which the official clients look for the organization."""


class TokenClass(StrEnum):
    """What a token is for. The value is its `typ`, and the end of its audience."""

    SESSION = "session"
    REGISTRATION = "registration"
    RECOVERY = "recovery"
    USER_ACTION = "user-action"

    @property
    def typ(self) -> str:
        return f"dfns-login.{self.value}+jwt"

    @property
    def audience(self) -> str:
        return f"{login_settings().issuer}/auth#{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationToken:
    """Proof that a registration code was presented for this account. Only `resolve_registration` makes one."""

    jti: str
    account_id: str
    organization: str
    challenge: str
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
        msg = "the assertion is of another credential"
        raise AssertionRefused(msg)
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
    return session, _sign(
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
    claims = _verify(TokenClass.SESSION, token, now=now)
    live = Session.objects.live(now=now, idle=login_settings().token_idle)
    session = (
        live.select_related("account__organization", "account__user", "credential")
        .defer("credential__sealed_private_key")
        .filter(jti=claims["jti"], account_id=claims["sub"], account__organization_id=claims["org"])
        .first()
    )
    if session is None or session.account.user is None or not session.account.user.is_active:
        msg = "session ended, or of somebody who may not come in"
        raise TokenRefused(msg)
    Session.objects.touch(session=session, now=now)
    return session


def issue_registration(account: Account, *, presented: PresentedCode, now: datetime) -> tuple[str, str]:
    """Challenge and temporary token for the account whose registration code was presented. Nothing is stored."""
    if presented.recipient != account.recipient:
        msg = "the code was another's"
        raise TokenRefused(msg)
    challenge = new_challenge()
    token = _sign(
        TokenClass.REGISTRATION,
        subject=account.pk,
        organization=account.organization_id,
        jti=new_jti(),
        expires_at=now + login_settings().challenge_lifetime_with_code,
        now=now,
        challenge=challenge,
    )
    return challenge, token


def resolve_registration(token: str, *, now: datetime) -> RegistrationToken:
    """What a temporary registration token stands for.

    Raises TokenRefused if it is not one, or is expired. Whether it was spent
    before is found out by `spend_registration`.
    """
    claims = _verify(TokenClass.REGISTRATION, token, now=now)
    return RegistrationToken(
        jti=claims["jti"],
        account_id=claims["sub"],
        organization=claims["org"],
        challenge=str(claims.get("challenge", "")),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )


def spend_registration(token: RegistrationToken) -> None:
    """Spend the temporary token, in the transaction of the registration.

    Raises TokenRefused if it was spent before; exactly one caller gets by.
    """
    if not spend_jti(token.jti, expires_at=token.expires_at + LEEWAY):
        msg = "registration token spent"
        raise TokenRefused(msg)


def _sign(
    token_class: TokenClass,
    *,
    subject: str,
    organization: str,
    jti: str,
    expires_at: datetime,
    now: datetime,
    **claims: str,
) -> str:
    rings = key_rings()
    key_id = rings.current_token_key_id
    issued = int(now.timestamp())
    payload = {
        "iss": login_settings().issuer,
        "aud": token_class.audience,
        "sub": subject,
        "org": organization,
        "jti": jti,
        "iat": issued,
        "nbf": issued,
        "exp": int(expires_at.timestamp()),
        APP_METADATA: {"orgId": organization, "userId": subject},
        **claims,
    }
    return jwt.encode(
        payload, rings.tokens[key_id], algorithm=ALGORITHM, headers={"kid": key_id, "typ": token_class.typ}
    )


def _verify(token_class: TokenClass, token: str, *, now: datetime) -> dict[str, Any]:
    """Claims of a token of this class that we signed and that is alive (RFC 8725 §3)."""
    if len(token) > TOKEN_MAX_LENGTH:
        msg = "token too long"
        raise TokenRefused(msg)
    try:
        header = jwt.get_unverified_header(token)
        key_id = header.get("kid")
        key = key_rings().tokens.get(key_id) if isinstance(key_id, str) else None
        if key is None or header.get("typ") != token_class.typ:
            msg = "token of another class, or its key has left the ring"
            raise TokenRefused(msg)
        claims: dict[str, Any] = jwt.decode(
            token,
            key.public_key(),
            algorithms=[ALGORITHM],
            audience=token_class.audience,
            issuer=login_settings().issuer,
            # PyJWT reads the wall clock; ours is the caller's
            options={"require": list(REQUIRED_CLAIMS), "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, UnicodeError) as error:
        raise TokenRefused(type(error).__name__) from None
    moment = now.timestamp()
    slack = LEEWAY.total_seconds()
    times = [claims["exp"], claims["nbf"], claims["iat"]]
    if not all(isinstance(each, int) for each in times) or moment >= claims["exp"] or moment < claims["nbf"] - slack:
        msg = "token expired, or not valid yet"
        raise TokenRefused(msg)
    if not all(isinstance(claims[each], str) for each in ("sub", "org", "jti")):
        msg = "token with claims of other types"
        raise TokenRefused(msg)
    return claims
