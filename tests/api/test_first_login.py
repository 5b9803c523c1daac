"""Signing in at once after a registration or a recovery: the accepted answer, and its refusals (R-161)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfns_login.ceremonies.voiding import EVERY_SESSION, void_account
from dfns_login.errors import ChallengeRefused
from dfns_login.models import Account, AccountState, CodePurpose, Organization, SecondFactor, Session, transaction
from dfns_login.proofs import Ceremony, redeem_challenge
from dfns_login.settings import login_settings
from tests.api.test_recovery import open_recovery, recover, recovery_body, recovery_key
from tests.support.api_client import (
    complete_login,
    complete_registration,
    open_registration,
    told,
)
from tests.support.authenticators import Fault, Kind, SoftwareKey
from tests.support.factories import issue, make_account, make_organization, make_person
from tests.support.signed_in import SignedIn, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]
REFUSED = (401, "Not Authorized.")


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """The reply's challenge, and the key that has just been registered."""

    account: Account
    key: SoftwareKey
    challenge: dict[str, Any]


QUERIES = {"registration": 17, "recovery": 23}
"""Statements of a completion with one credential. Only the recovery reads the account's new generation."""


def by_registration(client: Client) -> Enrolled:
    account = make_account(make_organization(), "lee@example.co", state=AccountState.INVITED)
    code = issue(account.recipient, purpose=CodePurpose.REGISTRATION)
    names = {"username": account.username, "orgId": account.organization_id}
    key = SoftwareKey.with_age_envelope()
    opened = open_registration(client, names, code).json()
    with CaptureQueriesContext(connection) as queries:
        done = complete_registration(client, opened, key)
    assert len(queries) == QUERIES["registration"], queries.captured_queries
    return Enrolled(account=account, key=key, challenge=done.json()["loginChallenge"])


def by_recovery(client: Client) -> Enrolled:
    first = SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY)
    jane: SignedIn = signed_in(client, make_person(make_organization(), "jane@example.co", first, recovery_key()))
    opened, key = open_recovery(client, jane).json(), SoftwareKey.with_age_envelope()
    with CaptureQueriesContext(connection) as queries:
        done = recover(client, opened, recovery_body(opened, by=jane.person.keys[1], new=key))
    assert len(queries) == QUERIES["recovery"], queries.captured_queries
    return Enrolled(account=jane.person.account, key=key, challenge=done.json()["loginChallenge"])


@pytest.fixture(params=[by_registration, by_recovery])
def enrolled(request: pytest.FixtureRequest, client: Client) -> Enrolled:
    return request.param(client)  # type: ignore[no-any-return]


def test_the_new_key_signs_in_without_another_code(client: Client, enrolled: Enrolled) -> None:
    """R-24: it takes the place of a challenge that was opened with a code. No encrypted key is in the reply."""
    assert enrolled.challenge["allowCredentials"] == {"key": [], "webauthn": []}
    assert complete_login(client, enrolled.challenge, enrolled.key).status_code == 200
    session = Session.objects.get(revoked_at=None)
    assert (session.account_id, session.code_presented) == (enrolled.account.pk, True)
    assert complete_login(client, enrolled.challenge, enrolled.key).status_code == 400  # it signs in once


def test_only_a_key_of_this_account_signs_it(client: Client, enrolled: Enrolled) -> None:
    other = make_person(enrolled.account.organization, "mia@example.co", SoftwareKey.make())
    assert told(complete_login(client, enrolled.challenge, other.key)) == REFUSED
    assert told(complete_login(client, enrolled.challenge, enrolled.key, fault=Fault.FLIPPED_BIT)) == REFUSED
    assert complete_login(client, enrolled.challenge, enrolled.key).status_code == 200


def void(account: Account) -> None:
    with transaction.atomic():
        Account.objects.lock(account=account)
        void_account(account, ending=EVERY_SESSION, now=timezone.now())


def require_second_factor(account: Account) -> None:
    Organization.objects.update(second_factor=SecondFactor.REQUIRED)


@pytest.mark.parametrize("meanwhile", [void, require_second_factor])
def test_what_happened_since_counts(client: Client, enrolled: Enrolled, meanwhile: Callable[[Account], None]) -> None:
    """The account may have been voided, or the organization's policy changed."""
    meanwhile(enrolled.account)
    assert told(complete_login(client, enrolled.challenge, enrolled.key)) == REFUSED


def test_it_expires_like_any_challenge_that_was_opened_with_a_code(enrolled: Enrolled) -> None:
    identifier, end = (
        enrolled.challenge["challengeIdentifier"],
        timezone.now() + login_settings().challenge_lifetime_with_code,
    )
    redeem_challenge(identifier, ceremony=Ceremony.LOGIN, now=end - timedelta(seconds=30))
    with pytest.raises(ChallengeRefused):
        redeem_challenge(identifier, ceremony=Ceremony.LOGIN, now=end + timedelta(seconds=1))
    with pytest.raises(ChallengeRefused):
        redeem_challenge(identifier, ceremony=Ceremony.ACTION, now=timezone.now())
