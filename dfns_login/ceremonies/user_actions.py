"""User action signing: a session's owner signs one request before making it."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime

from dfns_login.audit import record_event
from dfns_login.ceremonies.factors import (
    Factor,
    FactorAnswer,
    SigningChallenge,
    listed_credentials,
    record_uses,
    supported_kinds,
    verify_factors,
)
from dfns_login.ceremonies.presentation import credential_ids
from dfns_login.ceremonies.sightings import tell_of_use
from dfns_login.errors import AssertionRefused, ChallengeRefused
from dfns_login.models import AuditKind, Credential, Session, transaction
from dfns_login.proofs import (
    ActionRequest,
    Ceremony,
    ReleasedKey,
    bind_to_session,
    issue_user_action,
    lock_session,
    new_challenge,
    open_challenge,
    redeem_challenge,
    release_keys_for_action,
    spend_challenge,
)
from dfns_login.requester import Requester
from dfns_login.verification.assertion import Fido2Assertion
from dfns_login.verification.encoding import encode_base64url
from dfns_login.verification.evidence import action_challenge


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionAnswer:
    """The signed challenge of a user action, with one factor or two."""

    challenge_identifier: str = field(repr=False)
    first_factor: FactorAnswer
    second_factor: FactorAnswer | None = None


def open_action(session: Session, request: ActionRequest, *, requester: Requester, now: datetime) -> SigningChallenge:
    """Open a challenge for one request of this session.

    Stored, if an encrypted key is released: an event; on a network where the session's credential has not been used, a
    notice.

    Source: Dfns API, Create User Action Signature Challenge.
    """
    account = session.account
    digest, nonce = request.request_digest(), new_challenge()
    opened = open_challenge(
        Ceremony.ACTION,
        organization=account.organization_id,
        account_id=account.pk,
        generation=account.generation,
        presented=session,
        bound=f"{session.jti} {digest} {nonce}",
        challenge=action_challenge(nonce=nonce, request=digest),
        now=now,
    )
    return SigningChallenge(
        opened=opened,
        supported=supported_kinds(account.organization),
        listed=listed_credentials(account.pk),
        released_keys=_release(session, requester=requester, now=now),
    )


def _release(session: Session, *, requester: Requester, now: datetime) -> list[ReleasedKey] | None:
    released = release_keys_for_action(session, now=now)
    if with_key := credential_ids(released or ()):
        is_new_network = requester.network not in session.credential.networks
        with transaction.atomic() if is_new_network else nullcontext():
            event = record_event(
                AuditKind.KEY_RELEASED,
                account=session.account,
                requester=requester,
                now=now,
                purpose="action",
                session=session.pk,
                credentials=with_key,
            )
            if is_new_network:
                tell_of_use(session.credential, event, network=requester.network)
    return released


def complete_action(answer: ActionAnswer, *, session: Session, requester: Requester, now: datetime) -> str:
    """Verify the signed challenge and return the user action that it was opened for.

    Raises: ChallengeRefused, if the challenge is not valid or belongs to another
    session; AssertionRefused, if verification fails.
    Stored, in one transaction: the spent challenge and an event. Source: Dfns API, Create User Action Signature.
    """
    redeemed = redeem_challenge(answer.challenge_identifier, ceremony=Ceremony.ACTION, now=now)
    opened_in, _, rest = redeemed.bound.partition(" ")
    if opened_in != session.jti:
        raise ChallengeRefused("challenge of another session")
    digest, _, nonce = rest.partition(" ")
    factor = verify_factors(answer.first_factor, answer.second_factor, redeemed=redeemed, requester=requester, now=now)
    with transaction.atomic():
        if lock_session(session, now=now) > redeemed.generation:
            raise AssertionRefused("challenge opened before the account was voided")
        spend_challenge(redeemed)
        record_uses(factor, now=now)
        record_event(
            AuditKind.ACTION_SIGNED,
            {"request": digest, "nonce": nonce, "signatures": _signatures(answer, factor)},
            account=session.account,
            requester=requester,
            now=now,
            credential=factor.credential.pk,
            session=session.pk,
        )
    bound = bind_to_session(digest, session=session)
    return issue_user_action(session, digest=bound, generation=redeemed.generation, now=now)


def _signatures(answer: ActionAnswer, factor: Factor) -> list[dict[str, str]]:
    """Return what was signed, for the audit trail. `verify_evidence` verifies it again (R-128)."""
    pairs = [(answer.first_factor, factor)]
    if answer.second_factor and factor.second:
        pairs.append((answer.second_factor, factor.second))
    return [_signature(given, signer.credential) for given, signer in pairs]


def _signature(given: FactorAnswer, credential: Credential) -> dict[str, str]:
    assertion = given.assertion
    signed = {"authenticator_data": assertion.authenticator_data} if isinstance(assertion, Fido2Assertion) else {}
    return {
        "credential": credential.pk,
        "credential_id": credential.canonical_credential_id,
        "kind": credential.kind,
        "algorithm": credential.algorithm,
        "public_key": encode_base64url(bytes(credential.public_key)),
        "client_data": assertion.client_data,
        **signed,
        "signature": assertion.signature,
    }
