"""User actions: one signed permission for one request.

What is bound is one digest over the session and the request that was announced;
the challenge carries it, the token carries it, and the request that comes with
the token must give the same one.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote

from dfns_login.errors import BodyRefused, TokenRefused, UserActionRefused, UserActionSpent
from dfns_login.models import Session
from dfns_login.proofs.challenges import new_jti, spend_jti
from dfns_login.proofs.signed_tokens import LEEWAY, TokenClass, sign_token, verify_token
from dfns_login.verification.encoding import encode_base64url

LIFETIME: Final = timedelta(minutes=5)
NOTHING: Final[dict[str, object]] = {}
"""The payload of a request without a body. The official clients write it as `""`, as `{}`, or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """The request that an action is for. payload: the body's JSON value; `""` and `NOTHING` are one."""

    method: str
    path: str
    payload: object

    def digest(self, *, session: Session) -> str:
        """What binds this request to this session: SHA-256, base64url.

        The path is compared after one percent-decoding, and the payload as a JSON
        value. A query is no part of it: the official clients sign none.
        Source: Dfns API, User Action Signing; OWASP Transaction Authorization 2.6, 2.8.
        """
        payload = NOTHING if self.payload == "" else self.payload
        parts = [session.jti, self.method.upper(), self.path, payload]
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return encode_base64url(hashlib.sha256(text.encode()).digest())


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeemedAction:
    """Proof that a live user action covers this very request. Only `redeem_user_action` makes one."""

    jti: str
    expires_at: datetime


def announced_path(text: str) -> str:
    """A path as a client announces it, percent-decoded once.

    Raises BodyRefused if it is not absolute, has a query, or climbs.
    """
    path = unquote(text)
    if not path.startswith("/") or "?" in text or "#" in text or ".." in path.split("/"):
        raise BodyRefused("announced path", details={"userActionHttpPath": ["Enter an absolute path without a query."]})
    return path


def issue_user_action(session: Session, *, digest: str, now: datetime) -> str:
    """A user action of this session for the request of this digest. Nothing is stored until it is used."""
    return sign_token(
        TokenClass.USER_ACTION,
        subject=session.account_id,
        organization=session.account.organization_id,
        jti=new_jti(),
        expires_at=now + LIFETIME,
        now=now,
        act=digest,
        at=now.isoformat(),
    )


def redeem_user_action(token: str, request: ActionRequest, *, session: Session, now: datetime) -> RedeemedAction:
    """Verify that this user action covers this request of this session.

    Raises UserActionRefused; also if the account was voided since, for then the credential that signed may be
    good no more. Whether it was used before is found out by `spend_user_action`.
    """
    try:
        claims = verify_token(TokenClass.USER_ACTION, token, now=now)
    except TokenRefused as error:
        raise UserActionRefused(error.reason) from error
    if claims["sub"] != session.account_id or claims.get("act") != request.digest(session=session):
        raise UserActionRefused("user action for another request or session")
    if session.account.voided_since(datetime.fromisoformat(claims["at"])):
        raise UserActionRefused("user action from before the account was voided")
    return RedeemedAction(jti=claims["jti"], expires_at=datetime.fromtimestamp(claims["exp"], UTC))


def spend_user_action(redeemed: RedeemedAction) -> None:
    """Spend the user action, in the transaction of the action itself.

    Raises UserActionSpent if it was used before; exactly one caller gets by.
    """
    if not spend_jti(redeemed.jti, expires_at=redeemed.expires_at + LEEWAY):
        raise UserActionSpent("user action used before")
