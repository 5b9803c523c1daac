"""Challenges, encrypted into an identifier that only the server can read.

Opening a challenge stores nothing. Spending one stores its `jti` in
`SpentToken`, in the transaction of the act that it was opened for.
"""

import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from cryptography.fernet import InvalidToken

from dfns_login.errors import ChallengeRefused
from dfns_login.key_rings import key_rings
from dfns_login.models import Session, SpentToken
from dfns_login.proofs.presented_codes import PresentedCode
from dfns_login.settings import login_settings
from dfns_login.verification.encoding import encode_base64url

if TYPE_CHECKING:
    from dfns_login.proofs.temporary_tokens import TemporaryToken

CHALLENGE_BYTES: Final = 32
JTI_BYTES: Final = 16
PADDED_LENGTH: Final = 512
"""Bytes that are encrypted into every identifier, so that its length reveals nothing."""
IDENTIFIER_MAX_LENGTH: Final = 1024
REQUEST_DEADLINE: Final = timedelta(seconds=10)
"""A request whose body takes longer is refused. Spent ids are kept for longer than that (R-124)."""


class Ceremony(StrEnum):
    """The ceremony that a challenge belongs to. Any other ceremony refuses it."""

    LOGIN = "login"
    REGISTRATION = "registration"
    ACTION = "action"
    CREDENTIAL = "credential"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedChallenge:
    """The challenge that a client signs, and the identifier that it sends back."""

    challenge: str
    identifier: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeemedChallenge:
    """Proof that we opened this challenge and that it has not expired. Only `redeem_challenge` makes one.

    account_id: the account or decoy that it was opened for; empty if the request named no account.
    generation: of the account, or of the organization if the request named no account.
    bound: what else it was opened for, such as the digest of a user action; for a login, the network that the owner
    was told of when the key was released.
    failures: wrong guesses at the code that opened it.
    """

    ceremony: Ceremony
    jti: str
    challenge: str
    organization: str
    account_id: str
    code_presented: bool
    bound: str
    generation: int
    expires_at: datetime
    failures: int = 0


def new_challenge() -> str:
    """Return 32 random bytes as base64url text (WebAuthn L3 §13.5.3)."""
    return encode_base64url(secrets.token_bytes(CHALLENGE_BYTES))


def new_jti() -> str:
    """Return 128 random bits as base64url text (RFC 7519 §4.1.7)."""
    return encode_base64url(secrets.token_bytes(JTI_BYTES))


def open_challenge(
    ceremony: Ceremony,
    *,
    organization: str,
    account_id: str,
    generation: int,
    presented: "PresentedCode | TemporaryToken | Session | None" = None,
    bound: str = "",
    challenge: str = "",
    now: datetime,
) -> OpenedChallenge:
    """Make a challenge for this account or decoy. Nothing is stored.

    generation: of the account; of the organization if the request named no account; anything for a decoy.
    presented: a presented code, the temporary token that it led to, or a session that was opened with one. It lengthens
    the challenge's lifetime.
    challenge: what the client signs, if it has to commit to something; random bytes if empty.
    """
    conf = login_settings()
    code_presented = presented.code_presented if isinstance(presented, Session) else presented is not None
    lifetime = conf.challenge_lifetime_with_code if code_presented else conf.challenge_lifetime
    challenge = challenge or new_challenge()
    claims = {
        "use": ceremony.value,
        "jti": new_jti(),
        "challenge": challenge,
        "org": organization,
        "account": account_id,
        "code": code_presented,
        "bound": bound,
        "gen": generation,
        "failures": presented.failures if isinstance(presented, PresentedCode) else 0,
        "exp": int((now + lifetime).timestamp()),
    }
    text = json.dumps(claims, separators=(",", ":")).encode()
    encrypted = key_rings().challenges.encrypt_at_time(text.ljust(PADDED_LENGTH), int(now.timestamp()))
    return OpenedChallenge(challenge=challenge, identifier=encrypted.decode().rstrip("="))


def redeem_challenge(identifier: str, *, ceremony: Ceremony, now: datetime) -> RedeemedChallenge:
    """Decrypt a challenge identifier and check its ceremony and lifetime. `spend_challenge` refuses a replay.

    Raises: ChallengeRefused, if it is not ours, belongs to another ceremony, or expired.
    """
    claims = _decrypt(identifier)
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
        generation=claims["gen"],
        failures=claims.get("failures", 0),
        expires_at=expires_at,
    )


def spend_challenge(redeemed: RedeemedChallenge) -> None:
    """Spend the challenge. Call this in the transaction of the act that it was opened for.

    Raises: ChallengeRefused, if it was already spent. Exactly one caller succeeds.
    Stored: its `jti`.
    """
    if not spend_jti(redeemed.jti, expires_at=redeemed.expires_at):
        raise ChallengeRefused("challenge already spent")


def is_spent(redeemed: RedeemedChallenge) -> bool:
    """Return whether the challenge was spent, so that callers can tell a replay from a cloned passkey."""
    return SpentToken.objects.filter(jti=redeemed.jti).exists()


def spend_jti(jti: str, *, expires_at: datetime) -> bool:
    """Store the `jti` of a used token; true for exactly one caller."""
    return SpentToken(jti=jti, expires_at=expires_at).spend()


def _decrypt(identifier: str) -> dict[str, Any]:
    if len(identifier) > IDENTIFIER_MAX_LENGTH or not identifier.isascii():
        raise ChallengeRefused("not a challenge identifier")
    padded = identifier + "=" * (-len(identifier) % 4)
    try:
        text = key_rings().challenges.decrypt(padded.encode())
    except InvalidToken:
        raise ChallengeRefused("challenge not encrypted by us, or its key was removed") from None
    claims: dict[str, Any] = json.loads(text)
    return claims
