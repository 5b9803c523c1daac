"""JSON Web Tokens (RFC 7519), signed with ES256.

Each class of token has its own `typ` and audience, so that no token is valid in
place of another (RFC 8725 §3.8, §3.11, §3.12).
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import jwt

from dfns_login.errors import TokenRefused
from dfns_login.key_rings import key_rings
from dfns_login.settings import login_settings

ALGORITHM: Final = "ES256"
TOKEN_MAX_LENGTH: Final = 4096
LEEWAY: Final = timedelta(minutes=2)
"""How far the clocks of our own hosts may differ."""
REQUIRED_CLAIMS: Final = ("iss", "aud", "sub", "org", "jti", "iat", "nbf", "exp")
APP_METADATA: Final = "https://custom/app_metadata"
"""The claim in which the official clients look for the organization."""

Claims = dict[str, Any]


class TokenClass(StrEnum):
    """What a token is for. The value is part of its `typ` and of its audience."""

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


def sign_token(
    token_class: TokenClass,
    *,
    subject: str,
    organization: str,
    jti: str,
    expires_at: datetime,
    now: datetime,
    **claims: str | int,
) -> str:
    """Sign a token of this class for the account `subject` with the newest key of the ring."""
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


def verify_token(token_class: TokenClass, token: str, *, now: datetime) -> Claims:
    """Verify a token of this class and return its claims (RFC 8725 §3).

    Raises: TokenRefused, if it is not ours, belongs to another class, or expired.
    """
    if len(token) > TOKEN_MAX_LENGTH:
        raise TokenRefused("token too long")
    try:
        header = jwt.get_unverified_header(token)
        key_id = header.get("kid")
        key = key_rings().tokens.get(key_id) if isinstance(key_id, str) else None
        if key is None or header.get("typ") != token_class.typ:
            raise TokenRefused("token of another class, or its key was removed from the ring")
        claims: Claims = jwt.decode(
            token,
            key.public_key(),
            algorithms=[ALGORITHM],
            audience=token_class.audience,
            issuer=login_settings().issuer,
            # checked below against the caller's `now`; PyJWT reads the clock
            options={"require": list(REQUIRED_CLAIMS), "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, UnicodeError, RecursionError) as error:  # the last from JSON, before PyJWT 2.14
        raise TokenRefused(type(error).__name__) from None
    moment = now.timestamp()
    times = [claims["exp"], claims["nbf"], claims["iat"]]
    if not all(isinstance(each, int) for each in times):
        raise TokenRefused("token whose times are not integers")
    if moment >= claims["exp"] or moment < claims["nbf"] - LEEWAY.total_seconds():
        raise TokenRefused("token expired, or not valid yet")
    if not all(isinstance(claims[each], str) for each in ("sub", "org", "jti")):
        raise TokenRefused("token whose claims have the wrong types")
    return claims
