"""Temporary tokens, which complete a registration or a recovery after its code was presented."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dfns_login.errors import TokenRefused
from dfns_login.models import Account, CodePurpose
from dfns_login.proofs.challenges import new_challenge, new_jti, spend_jti
from dfns_login.proofs.presented_codes import PresentedCode
from dfns_login.proofs.signed_tokens import LEEWAY, TokenClass, sign_token, verify_token
from dfns_login.settings import login_settings

TOKEN_CLASSES: Final = {
    CodePurpose.REGISTRATION: TokenClass.REGISTRATION,
    CodePurpose.RECOVERY: TokenClass.RECOVERY,
}
"""The class of temporary token that a code of each purpose leads to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryToken:
    """Proof that a code was presented for this account. Only `resolve_temporary_token` makes one."""

    purpose: CodePurpose
    jti: str
    account_id: str
    organization: str
    challenge: str
    generation: int
    expires_at: datetime


def issue_temporary_token(account: Account, *, presented: PresentedCode, now: datetime) -> tuple[str, str]:
    """Return a challenge and a temporary token for the account whose code was presented. Nothing is stored."""
    if presented.recipient != account.recipient:
        raise TokenRefused("the code belongs to another account")
    challenge = new_challenge()
    token = sign_token(
        TOKEN_CLASSES[presented.purpose],
        subject=account.pk,
        organization=account.organization_id,
        jti=new_jti(),
        expires_at=now + login_settings().challenge_lifetime_with_code,
        now=now,
        challenge=challenge,
        gen=account.generation,
    )
    return challenge, token


def resolve_temporary_token(token: str, *, purpose: CodePurpose, now: datetime) -> TemporaryToken:
    """Verify a temporary token of this purpose. `spend_temporary_token` refuses a replay.

    Raises: TokenRefused, if it is invalid or expired.
    """
    claims = verify_token(TOKEN_CLASSES[purpose], token, now=now)
    return TemporaryToken(
        purpose=purpose,
        jti=claims["jti"],
        account_id=claims["sub"],
        organization=claims["org"],
        challenge=str(claims.get("challenge", "")),
        generation=int(claims["gen"]),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )


def spend_temporary_token(token: TemporaryToken) -> None:
    """Spend the temporary token. Call this in the transaction of the act that it completes.

    Raises: TokenRefused, if it was already spent. Exactly one caller succeeds.
    """
    if not spend_jti(token.jti, expires_at=token.expires_at + LEEWAY):
        raise TokenRefused("temporary token already spent")
