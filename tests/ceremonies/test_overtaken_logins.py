"""A login during a password change: no session of the old password stays (R-72, R-122)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Event

import pytest
from django.db import connections, transaction

from dfns_login.ceremonies.credential_changes import change_password
from dfns_login.ceremonies.factors import FactorAnswer, verify_factors
from dfns_login.ceremonies.login import LoginAnswer, LoginRequest, complete_login, open_login
from dfns_login.errors import AssertionRefused, Refusal
from dfns_login.models import CredentialKind, Session
from dfns_login.proofs.challenges import Ceremony, redeem_challenge, spend_challenge
from dfns_login.testing.authenticators import opaque_envelope
from dfns_login.verification.assertion import KeyAssertion
from dfns_login.verification.credential_id import parse_credential_id
from tests.support.clock import HOUR, NOW, SECOND
from tests.support.factories import SOMEWHERE, Person, issue, make_person

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOW + SECOND
Login = Callable[[LoginAnswer, datetime], object]


@pytest.fixture
def jane() -> Person:
    return make_person()


def answered(person: Person) -> LoginAnswer:
    recipient = person.account.recipient
    asked = LoginRequest(organization=recipient.organization, recipient=recipient, login_code=issue(recipient, now=NOW))
    opened = open_login(asked, requester=SOMEWHERE, now=NOW).opened
    signed = person.key.answer(opened.challenge)
    factor = FactorAnswer(
        kind=CredentialKind.PASSWORD_PROTECTED_KEY,
        credential_id=parse_credential_id(person.key.credential_id),
        assertion=KeyAssertion(client_data=signed["clientData"], signature=signed["signature"]),
    )
    return LoginAnswer(challenge_identifier=opened.identifier, first_factor=factor)


def holding(answer: LoginAnswer, now: datetime) -> object:
    return complete_login(answer, requester=SOMEWHERE, now=now)


def holding_nothing(answer: LoginAnswer, now: datetime) -> object:
    """The control: check, then open the session."""
    redeemed = redeem_challenge(answer.challenge_identifier, ceremony=Ceremony.LOGIN, now=now)
    factor = verify_factors(answer.first_factor, None, redeemed=redeemed, requester=SOMEWHERE, now=now)
    account = factor.credential.account
    with transaction.atomic():
        spend_challenge(redeemed)
        return Session.objects.create(
            jti=redeemed.jti,
            account=account,
            credential=factor.credential,
            generation=account.generation,
            issued_at=now,
            last_seen_at=now,
            expires_at=now + HOUR,
        )


@pytest.mark.parametrize(("login", "survivors"), [(holding, 0), (holding_nothing, 1)])
def test_a_login_overtaken_by_a_password_change_opens_no_session(jane: Person, login: Login, survivors: int) -> None:
    changer = complete_login(answered(jane), requester=SOMEWHERE, now=NOW).session
    under_way = answered(jane)
    changed, going_on = Event(), Event()

    def change() -> str:
        with transaction.atomic():
            uuid = str(jane.account.credentials.get().pk)
            change_password(changer, uuid, opaque_envelope(), requester=SOMEWHERE, now=LATER)
            changed.set()
            going_on.wait(timeout=0.5)
        return "changed"

    def go_on() -> str:
        changed.wait(timeout=60)
        login(under_way, LATER)
        return "signed in"

    def run(number: int) -> str | type[Refusal]:
        try:
            return (change, go_on)[number]()
        except Refusal as refusal:
            return type(refusal)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(run, range(2)))
    assert outcomes == ["changed", "signed in" if survivors else AssertionRefused]
    live = Session.objects.filter(revoked_at__isnull=True)
    assert live.exclude(pk=changer.pk).count() == survivors
    assert live.filter(pk=changer.pk).exists()
