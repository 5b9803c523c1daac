"""User actions: a token that permits one request, after its owner signed for it.

The challenge commits to the announced request. The token contains a digest of
the session and the request. The request that presents it must have the same digest.
"""

import hashlib
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote

from dfns_login.audit import record_event
from dfns_login.errors import BodyRefused, TokenRefused, UserActionRefused, UserActionSpent
from dfns_login.models import AuditKind, Session
from dfns_login.proofs.challenges import new_jti, spend_jti
from dfns_login.proofs.session_tokens import lock_session
from dfns_login.proofs.signed_tokens import LEEWAY, TokenClass, sign_token, verify_token
from dfns_login.requester import Requester
from dfns_login.verification.encoding import encode_base64url
from dfns_login.verification.evidence import request_digest

LIFETIME: Final = timedelta(minutes=5)
PATH_SHOWN: Final = 500
"""Characters of the path that the event shows. Its digest covers all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """The request that an action permits.

    payload: the JSON value of the body. `""` and `{}` are equal.
    mount: what comes before `path` in the URL, if the client's base URL contains it. It is not signed.
    """

    method: str
    path: str
    payload: object = field(repr=False)  # may contain an encrypted key
    mount: str = ""

    def request_digest(self) -> str:
        """Return the digest of the request alone, which the challenge commits to."""
        return request_digest(self.method, self.path, self.payload)

    def digest(self, *, session: Session) -> str:
        """Return the SHA-256 digest that binds this request to this session, as base64url text."""
        return bind_to_session(self.request_digest(), session=session)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeemedAction:
    """Proof that a user action permits this request. Only `redeem_user_action` makes one."""

    session: Session
    jti: str
    generation: int
    request: ActionRequest
    redeemed_at: datetime
    expires_at: datetime


def bind_to_session(request: str, *, session: Session) -> str:
    """Return the digest in a user action, from the digest of its request."""
    return encode_base64url(hashlib.sha256(f"{session.jti} {request}".encode()).digest())


def announced_path(text: str) -> str:
    """Return the path that a client announced, percent-decoded once.

    Raises: BodyRefused, if it is not absolute, has a query or a control character, or contains `..`.
    """
    path = unquote(text)
    is_malformed = (
        "?" in text
        or "#" in text
        or ".." in path.split("/")
        or any(unicodedata.category(each) == "Cc" for each in path)
    )
    if not path.startswith("/") or is_malformed:
        raise BodyRefused("announced path", details={"announced_path": ["Enter an absolute path without a query."]})
    return path


def issue_user_action(session: Session, *, digest: str, generation: int, now: datetime) -> str:
    """Issue a user action for the request with this digest. Nothing is stored until it is used.

    generation: of the challenge that was signed.
    """
    return sign_token(
        TokenClass.USER_ACTION,
        subject=session.account_id,
        organization=session.account.organization_id,
        jti=new_jti(),
        expires_at=now + LIFETIME,
        now=now,
        act=digest,
        gen=generation,
    )


def redeem_user_action(token: str, *requests: ActionRequest, session: Session, now: datetime) -> RedeemedAction:
    """Verify that the user action permits this request of this session. `spend_user_action` refuses a replay.

    requests: the request, with each path under which a client may have signed it.

    Raises: UserActionRefused.
    """
    try:
        claims = verify_token(TokenClass.USER_ACTION, token, now=now)
    except TokenRefused as error:
        raise UserActionRefused(error.reason) from error
    signed = next((each for each in requests if claims.get("act") == each.digest(session=session)), None)
    if claims["sub"] != session.account_id or signed is None:
        raise UserActionRefused("user action for another request or session")
    return RedeemedAction(
        session=session,
        jti=claims["jti"],
        generation=int(claims["gen"]),
        request=signed,
        redeemed_at=now,
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )


def spend_user_action(redeemed: RedeemedAction, *, requester: Requester, acts_on: Collection[str] = ()) -> None:
    """Spend the user action. Call this in the transaction of the act that it permits.

    acts_on: ids of the other accounts that the act changes.
    These and the session's account stay locked until that transaction ends. Stored: the action's `jti`, and an event.
    Raises: UserActionSpent, if it was already used, so exactly one caller succeeds; TokenRefused, if the session
    ended meanwhile; UserActionRefused, if the account was voided since, because the credential that signed may
    have been revoked.
    """
    if lock_session(redeemed.session, now=redeemed.redeemed_at, others=acts_on) > redeemed.generation:
        raise UserActionRefused("user action issued before the account was voided")
    if not spend_jti(redeemed.jti, expires_at=redeemed.expires_at + LEEWAY):
        raise UserActionSpent("user action already used")
    request = redeemed.request
    record_event(
        AuditKind.ACTION_USED,
        account=redeemed.session.account,
        requester=requester,
        now=redeemed.redeemed_at,
        session=redeemed.session.pk,
        method=request.method.upper(),
        path=request.path[:PATH_SHOWN],
        request=request.request_digest(),
        **({"mount": request.mount} if request.mount else {}),
    )
