"""Challenges: sealed into an identifier that only we can read, and good for one ceremony.

Opening one writes nothing. Redeeming one leaves its `jti` in `SpentToken`, in
the transaction of whatever it was redeemed for.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from cryptography.fernet import InvalidToken
from django.db import IntegrityError, transaction

from dfns_login.errors import ChallengeRefused
from dfns_login.key_rings import key_rings
from dfns_login.models import Session, SpentToken
from dfns_login.proofs.codes import PresentedCode
from dfns_login.settings import login_settings
from dfns_login.verification.encoding import encode_base64url

CHALLENGE_BYTES = 32
JTI_BYTES = 16
SEALED_LENGTH: Final = 512
"""Every identifier seals so many bytes, so that its length says nothing."""
IDENTIFIER_MAX_LENGTH: Final = 1024


class Ceremony(StrEnum):
    """What a challenge is for. One of another ceremony is refused."""

    LOGIN = "login"
    REGISTRATION = "registration"
    ACTION = "action"
    CREDENTIAL = "credential"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedChallenge:
    """What the client is given: the challenge to sign, and the identifier to bring back."""

    challenge: str
    identifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeemedChallenge:
    """Proof that a challenge of this ceremony was ours and is alive. Only `redeem_challenge` makes one.

    account_id: the account that it was opened for, or a decoy, or empty where no username was given.
    bound: what else it was opened for, such as the digest of a user action; empty where nothing.
    """

    ceremony: Ceremony
    jti: str
    challenge: str
    organization: str
    account_id: str
    code_presented: bool
    bound: str
    opened_at: datetime
    expires_at: datetime


def new_challenge() -> str:
    """32 random bytes as base64url text (WebAuthn L3 §13.5.3)."""
    return encode_base64url(secrets.token_bytes(CHALLENGE_BYTES))


def new_jti() -> str:
    """128 random bits as base64url text (RFC 7519 §4.1.7)."""
    return encode_base64url(secrets.token_bytes(JTI_BYTES))


def open_challenge(
    ceremony: Ceremony,
    *,
    organization: str,
    account_id: str,
    presented: PresentedCode | Session | None = None,
    bound: str = "",
    now: datetime,
) -> OpenedChallenge:
    """Make a challenge for this account, or decoy, and seal what it is bound to. Nothing is stored.

    presented: what shows that a code was presented: the spent code, or a session that was opened with one.
    """
    conf = login_settings()
    code_presented = presented.code_presented if isinstance(presented, Session) else presented is not None
    lifetime = conf.challenge_lifetime_with_code if code_presented else conf.challenge_lifetime
    challenge = new_challenge()
    claims = {
        "use": ceremony.value,
        "jti": new_jti(),
        "challenge": challenge,
        "org": organization,
        "account": account_id,
        "code": code_presented,
        "bound": bound,
        "at": now.timestamp(),
        "exp": int((now + lifetime).timestamp()),
    }
    text = json.dumps(claims, separators=(",", ":")).encode()
    sealed = key_rings().challenges.encrypt_at_time(text.ljust(SEALED_LENGTH), int(now.timestamp()))
    return OpenedChallenge(challenge=challenge, identifier=sealed.decode().rstrip("="))


def redeem_challenge(identifier: str, *, ceremony: Ceremony, now: datetime) -> RedeemedChallenge:
    """Open the identifier again.

    Raises ChallengeRefused if it is not ours, is of another ceremony, or is expired.
    Whether it was spent before is found out by `spend_challenge`.
    """
    claims = _unseal(identifier)
    if claims["use"] != ceremony.value:
        raise ChallengeRefused(f"challenge of the ceremony {claims['use']}")
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    if expires_at <= now:
        raise ChallengeRefused("challenge expired")
    return RedeemedChallenge(
        ceremony=ceremony,
        jti=claims["jti"],
        challenge=claims["challenge"],
        organization=claims["org"],
        account_id=claims["account"],
        code_presented=claims["code"],
        bound=claims["bound"],
        opened_at=datetime.fromtimestamp(claims["at"], UTC),
        expires_at=expires_at,
    )


def spend_challenge(redeemed: RedeemedChallenge) -> None:
    """Spend the challenge, in the transaction of what it is spent on.

    Raises ChallengeRefused if it was spent before; exactly one caller gets by.
    Stored: its `jti`.
    """
    if not spend_jti(redeemed.jti, expires_at=redeemed.expires_at):
        raise ChallengeRefused("challenge spent")


def is_spent(redeemed: RedeemedChallenge) -> bool:
    """Whether the challenge was spent already, for those who would else take a replay for something worse."""
    return SpentToken.objects.filter(jti=redeemed.jti).exists()


def spend_jti(jti: str, *, expires_at: datetime) -> bool:
    """Note that the token of this `jti` is used; true for exactly one caller."""
    try:
        with transaction.atomic(savepoint=False):
            SpentToken.objects.create(jti=jti, expires_at=expires_at)
    except IntegrityError:
        return False
    return True


def _unseal(identifier: str) -> dict[str, Any]:
    if len(identifier) > IDENTIFIER_MAX_LENGTH or not identifier.isascii():
        raise ChallengeRefused("not a challenge identifier")
    padded = identifier + "=" * (-len(identifier) % 4)
    try:
        opened = key_rings().challenges.decrypt(padded.encode())
    except InvalidToken:
        raise ChallengeRefused("challenge not sealed by us, or its key has left the ring") from None
    claims: dict[str, Any] = json.loads(opened)
    return claims
