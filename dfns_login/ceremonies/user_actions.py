"""User action signing: a session's owner signs one request before making it."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from dfns_login.audit import record_event
from dfns_login.ceremonies.factors import (
    FactorAnswer,
    SigningChallenge,
    listed_credentials,
    record_uses,
    supported_kinds,
    verify_factors,
)
from dfns_login.errors import AssertionRefused, ChallengeRefused
from dfns_login.models import AuditKind, Session
from dfns_login.proofs import (
    ActionRequest,
    Ceremony,
    issue_user_action,
    lock_session,
    open_challenge,
    redeem_challenge,
    release_keys_for_action,
    spend_challenge,
)
from dfns_login.requester import Requester


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionAnswer:
    """The signed challenge of a user action, with one factor or two."""

    challenge_identifier: str
    first_factor: FactorAnswer
    second_factor: FactorAnswer | None = None


def open_action(session: Session, request: ActionRequest, *, now: datetime) -> SigningChallenge:
    """Open a challenge for one request of this session. Nothing is stored.

    Source: Dfns API, Create User Action Signature Challenge.
    """
    account = session.account
    opened = open_challenge(
        Ceremony.ACTION,
        organization=account.organization_id,
        account_id=account.pk,
        generation=account.generation,
        presented=session,
        bound=f"{session.jti} {request.digest(session=session)}",
        now=now,
    )
    return SigningChallenge(
        opened=opened,
        supported=supported_kinds(account.organization),
        listed=listed_credentials(account.pk),
        released_keys=release_keys_for_action(session, now=now),
    )


def complete_action(answer: ActionAnswer, *, session: Session, requester: Requester, now: datetime) -> str:
    """Verify the signed challenge and return the user action that it was opened for.

    Raises: ChallengeRefused, if the challenge is not valid or belongs to another
    session; AssertionRefused, if verification fails.
    Stored, in one transaction: the spent challenge and an event. Source: Dfns API, Create User Action Signature.
    """
    redeemed = redeem_challenge(answer.challenge_identifier, ceremony=Ceremony.ACTION, now=now)
    opened_in, _, digest = redeemed.bound.partition(" ")
    if opened_in != session.jti:
        raise ChallengeRefused("challenge of another session")
    factor = verify_factors(answer.first_factor, answer.second_factor, redeemed=redeemed, requester=requester, now=now)
    with transaction.atomic():
        if lock_session(session, now=now) > redeemed.generation:
            raise AssertionRefused("challenge opened before the account was voided")
        spend_challenge(redeemed)
        record_uses(factor)
        record_event(
            AuditKind.ACTION_SIGNED,
            account=session.account,
            requester=requester,
            now=now,
            credential=factor.credential.pk,
        )
    return issue_user_action(session, digest=digest, generation=redeemed.generation, now=now)
