"""The login over HTTP: what is accepted, and each refusal by one change to it."""

import pytest
from django.test import Client

from dfns_login.models import OneTimeCode, Session
from tests.api.client import ask_code, call, complete_login, message, open_login, sign_in
from tests.authenticators import Fault, Kind, SoftwareKey
from tests.factories import Person, issue, make_organization, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def jane() -> Person:
    return make_person()


def test_a_code_gives_the_key_and_a_signature_gives_a_token(client: Client, jane: Person) -> None:
    assert ask_code(client, jane.names).json() == {"message": "success"}
    code = issue(jane.account.recipient)
    opened = open_login(client, jane.names, loginCode=code)
    assert opened.status_code == 200
    challenge = opened.json()
    assert challenge["allowCredentials"] == {
        "key": [],
        "webauthn": [],
        "passwordProtectedKey": [
            {
                "type": "public-key",
                "id": jane.key.credential_id,
                "encryptedPrivateKey": jane.key.encrypted_private_key,
            }
        ],
    }
    answered = complete_login(client, challenge, jane.key)
    assert answered.status_code == 200, answered.content
    token = answered.json()["token"]
    listed = call(client, "GET", "/auth/credentials", bearer=token)
    assert [item["credentialId"] for item in listed.json()["items"]] == [jane.key.credential_id]
    assert call(client, "PUT", "/auth/logout", bearer=token).json() == {"message": "success"}
    assert call(client, "GET", "/auth/credentials", bearer=token).status_code == 401
    assert Session.objects.get().code_presented


def test_without_a_code_no_key_is_released(client: Client, jane: Person) -> None:
    assert open_login(client, jane.names).json()["allowCredentials"] == {"key": [], "webauthn": []}


def test_a_code_is_accepted_once(client: Client, jane: Person) -> None:
    code = issue(jane.account.recipient)
    assert open_login(client, jane.names, loginCode=code).status_code == 200
    again = open_login(client, jane.names, loginCode=code)
    assert (again.status_code, message(again)) == (403, "Invalid code")


def test_a_wrong_code_is_counted(client: Client, jane: Person) -> None:
    issue(jane.account.recipient)
    refused = open_login(client, jane.names, loginCode="0000-0000-0000-0000")
    assert (refused.status_code, message(refused)) == (403, "Invalid code")
    assert OneTimeCode.objects.get().guesses == 1


@pytest.mark.parametrize("fault", Fault)
def test_every_faulty_assertion_has_the_same_answer(client: Client, jane: Person, fault: Fault) -> None:
    challenge = open_login(client, jane.names, loginCode=issue(jane.account.recipient)).json()
    refused = complete_login(client, challenge, jane.key, fault=fault)
    if fault in {Fault.ONE_MEGABYTE, Fault.TEN_THOUSAND_DEEP}:
        assert refused.status_code in {400, 413}  # no verifier ever sees it
    else:
        assert (refused.status_code, message(refused)) == (401, "Not Authorized.")
    assert complete_login(client, challenge, jane.key).status_code == 200


def test_a_challenge_is_redeemed_once(client: Client, jane: Person) -> None:
    challenge = open_login(client, jane.names, loginCode=issue(jane.account.recipient)).json()
    assert complete_login(client, challenge, jane.key).status_code == 200
    again = complete_login(client, challenge, jane.key)
    assert (again.status_code, message(again)) == (400, "Challenge token is not valid.")


def test_a_password_protected_key_signs_no_challenge_without_a_code(client: Client, jane: Person) -> None:
    """R-24."""
    challenge = open_login(client, jane.names).json()
    assert complete_login(client, challenge, jane.key).status_code == 401


def test_a_key_needs_no_code(client: Client) -> None:
    person = make_person(make_organization(), "kim@example.co", SoftwareKey.make(kind=Kind.KEY))
    assert open_login(client, person.names).json()["allowCredentials"]["key"] == [
        {"type": "public-key", "id": person.key.credential_id}
    ]
    assert sign_in(client, person)
