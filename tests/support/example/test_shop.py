"""The shop's own tests, as an integrator writes them."""

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from people.models import Person
from shop import hooks, receivers
from shop.views import enroll_everybody, hire

from dfns_login.accounts import create_organization
from dfns_login.models import Organization, Session
from dfns_login.testing import (
    ApiClient,
    Kind,
    SoftwareKey,
    api_client_for,
    last_code,
    login_as,
    person_for,
    settings_for_tests,
    sign_action,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Organization:
    return create_organization("shop")


@pytest.fixture
def jane(shop: Organization) -> Person:
    return Person.objects.create_user(email="jane@shop.example", full_name="Jane")


def test_home(client: Client, jane: Person) -> None:
    assert client.get("/").headers["Location"] == "/login/?next=/"
    session = login_as(client, jane)
    assert client.get("/", headers={"host": "shop.localhost"}).status_code == 400  # not in ALLOWED_HOSTS
    assert client.get("/").json() == {
        "session": session.pk,
        "organization": "shop",
        "accounts": ["jane@shop.example"],
    }


def test_payout(client: Client, jane: Person) -> None:
    login_as(client, jane)
    assert client.get("/payout/5").content == b"paid 5"
    Session.objects.update(issued_at=timezone.now() - timedelta(minutes=6))
    assert client.get("/payout/5", headers={"accept": "text/html"}).status_code == 302


def test_payments(client: Client, jane: Person) -> None:
    api: ApiClient = api_client_for(jane)
    assert api.post("/payments", {"amount": "5"}, content_type="application/json").status_code == 403
    answer = api.signed("POST", "/payments", {"amount": "5"})
    assert answer.json() == {"by": "jane@shop.example", "sent": {"amount": "5"}}
    login_as(client, jane)
    headers = {"X-DFNS-USERACTION": sign_action(client, "POST", "/payments", {"amount": "5"})}
    answer = client.post("/payments", {"amount": "5"}, content_type="application/json", headers=headers)
    assert answer.status_code == 200


def test_enrolling(jane: Person) -> None:
    assert hire("lee@shop.example", jane) == ["lee@shop.example", "jane@shop.example"]
    assert enroll_everybody() == (1, [])


def test_signing_up_and_in(client: Client, shop: Organization, django_capture_on_commit_callbacks: object) -> None:
    names = {"username": "new@shop.example", "orgId": shop.pk}
    client.put("/auth/registration/code", json.dumps(names), content_type="application/json")
    body = {**names, "registrationCode": last_code("new@shop.example")}
    opened = client.post("/auth/registration/init", json.dumps(body), content_type="application/json").json()
    key = SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY)
    done = client.post(
        "/auth/registration",
        json.dumps({"firstFactorCredential": key.credential(opened["challenge"])}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {opened['temporaryAuthenticationToken']}"},
    )
    assert done.status_code == 200, done.content
    assert Person.objects.get().full_name == "new"


def test_a_text_instead_of_an_email(client: Client, jane: Person, mailoutbox: list[object]) -> None:
    jane.phone = "+15550100"
    jane.save()
    names = person_for(jane).names
    client.post("/auth/login/code", json.dumps(names), content_type="application/json")
    assert last_code("jane@shop.example") in hooks.TEXTS[-1]
    assert mailoutbox == []


def test_receivers(jane: Person, django_capture_on_commit_callbacks: object) -> None:
    assert callable(django_capture_on_commit_callbacks)
    with django_capture_on_commit_callbacks(execute=True):
        api_client_for(jane)
    assert receivers.GREETED[-1] == "jane@shop.example from 127.0.0.0/24"


def test_no_rates(client: Client, jane: Person) -> None:
    for _ in range(40):
        assert client.get("/.well-known/jwks.json").status_code == 200
        answer = client.post("/auth/login/code", json.dumps(person_for(jane).names), content_type="application/json")
        assert answer.status_code == 200


@pytest.mark.dfns_login_rates
def test_rates(client: Client, jane: Person) -> None:
    answers = [
        client.post("/auth/login/code", json.dumps(person_for(jane).names), content_type="application/json")
        for _ in range(12)
    ]
    assert answers[-1].status_code == 429


def test_settings(jane: Person) -> None:
    with settings_for_tests(CODE_GUESSES=1):
        assert "CODE_GUESSES" in settings.DFNS_LOGIN
        assert api_client_for(jane).get("/auth/credentials").status_code == 200
