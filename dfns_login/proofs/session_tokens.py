"""The login token, and the session that it stands for."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Q

from dfns_login.audit import Detail, announce_event, draft_event
from dfns_login.errors import AssertionRefused, ChallengeRefused, TokenRefused
from dfns_login.models import Account, AuditEvent, AuditKind, Credential, Opening, Session, SpentToken
from dfns_login.proofs.challenges import RedeemedChallenge, new_jti
from dfns_login.proofs.signed_tokens import TokenClass, sign_token, verify_token
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.verification.assertion import VerifiedAssertion


def issue_session(
    credential: Credential,
    *,
    redeemed: RedeemedChallenge,
    verified: VerifiedAssertion,
    requester: Requester,
    now: datetime,
    **detail: Detail,
) -> tuple[Session, str, AuditEvent]:
    """Spend the challenge, open a session for the credential's account, and return its token and the event.

    verified: the type proves that the credential signed this challenge.
    Raises: AssertionRefused, if the account was voided since the challenge was opened; ChallengeRefused, if the
    challenge was already spent.
    Stored, all or nothing: the challenge's `jti`, the session and an event, but not the token.
    """
    if verified.credential_id != credential.canonical_credential_id:
        raise AssertionRefused("the assertion was made by another credential")
    session = Session(
        jti=new_jti(),
        account=credential.account,
        credential=credential,
        generation=credential.account.generation,
        code_presented=redeemed.code_presented,
        issued_at=now,
        last_seen_at=now,
        expires_at=now + login_settings().token_lifetime,
        address=requester.address,
        agent=requester.agent,
    )
    spending = SpentToken(jti=redeemed.jti, expires_at=redeemed.expires_at)
    account = credential.account
    if redeemed.code_presented:
        detail = {"with_code": True, **detail}
    detail = {"kind": credential.kind, "credential": credential.pk, **detail}
    event = draft_event(AuditKind.SIGNED_IN, account=account, requester=requester, now=now, **detail)
    match Session.objects.open(session, spending=spending, generation=redeemed.generation, event=event):
        case Opening.VOIDED:
            raise AssertionRefused("account voided meanwhile")
        case Opening.SPENT:
            raise ChallengeRefused("challenge already spent")
    announce_event(event, account=account, requester=requester)
    token = sign_token(
        TokenClass.SESSION,
        subject=session.account_id,
        organization=credential.organization_id,
        jti=session.jti,
        expires_at=session.expires_at,
        now=now,
    )
    return session, token, event


def resolve_session(token: str, *, now: datetime) -> Session:
    """Return the live session of a login token, with its account, organization, user and credential.

    Each call reads the row, so a session that ended is refused at once (GHSA-g65h-35f3-x2w3).
    Raises: TokenRefused, for anything but the token of a live session.
    Stored: when the session was last used, at most once a minute.
    """
    claims = verify_token(TokenClass.SESSION, token, now=now)
    session = find_live_session(
        Q(jti=claims["jti"], account_id=claims["sub"], account__organization_id=claims["org"]), now=now
    )
    if session is None:
        raise TokenRefused("session ended, or its account may not sign in")
    return session


def find_live_session(which: Q, *, now: datetime) -> Session | None:
    """Return the live session that matches, with everything that a request needs of it, in one SELECT.

    Stored: when the session was last used, at most once a minute.
    """
    live = Session.objects.live(now=now, idle=login_settings().token_idle)
    related = live.select_related("account__organization", "account__user", "credential")
    session = related.defer("credential__encrypted_key_at_rest").filter(which).first()
    if session is None or session.account.user is None or not session.account.user.is_active:
        return None
    Session.objects.touch(session=session, now=now)
    return session


def lock_session(session: Session, *, now: datetime, others: Collection[str] = ()) -> int:
    """Lock the session's account until the transaction ends, and return the account's generation.

    Whatever authorizes an act is checked here again, in the act's own transaction: everything
    that ends a session or voids an account takes the same lock.
    others: ids of the other accounts of its organization that the transaction acts on, which are locked too.
    Raises: TokenRefused, if the session ended meanwhile.
    """
    accounts = Account.objects.filter(organization=session.account.organization_id)
    accounts.filter(pk__in={session.account_id, *others}).lock_each()
    live = Session.objects.live(now=now, idle=login_settings().token_idle).filter(pk=session.pk)
    generation = live.values_list("generation", flat=True).first()
    if generation is None:
        raise TokenRefused("session ended meanwhile")
    return generation
