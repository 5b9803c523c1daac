"""R-150: `dfns_login.testing`, as a project's own tests use it. What it opens is real, so everything may refuse it."""

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.test import Client, override_settings

from dfns_login.accounts import invite
from dfns_login.models import Account, AccountState, OneTimeCode, Organization, Session
from dfns_login.testing import (
    ApiClient,
    Passkey,
    SoftwareKey,
    api_client_for,
    last_code,
    login_as,
    person_for,
    settings_for_tests,
    sign_action,
)
from tests.support.mail import send_through

pytestmark = pytest.mark.django_db
RENAME = "/auth/credentials/rename"


@pytest.fixture
def jane() -> AbstractBaseUser:
    user: AbstractBaseUser = get_user_model().objects.create(username="jane", email="Jane@example.co")
    return user


@pytest.fixture
def api(jane: AbstractBaseUser) -> ApiClient:
    return api_client_for(jane)


def renaming(api: ApiClient, name: str = "Blue") -> dict[str, str]:
    return {"credentialUuid": api.get("/auth/credentials").json()["items"][0]["credentialUuid"], "credentialName": name}


def test_an_api_client_is_signed_in_as_the_user(api: ApiClient, jane: AbstractBaseUser) -> None:
    assert api.get("/auth/credentials").status_code == 200
    assert api.login_session.account.user == jane
    assert api.login_session.code_presented
    Session.objects.all().delete()
    assert api.get("/auth/credentials").status_code == 401


def test_a_browser_is_signed_in_as_the_user(client: Client, jane: AbstractBaseUser) -> None:
    """`force_login` is the control: it opens no session of ours."""
    client.force_login(jane)
    assert client.get("/account/").status_code == 302
    session = login_as(client, jane)
    assert client.get("/account/").status_code == 200
    Session.objects.filter(pk=session.pk).delete()
    assert client.get("/account/").status_code == 302


def test_a_browser_keeps_what_its_session_held(client: Client, jane: AbstractBaseUser) -> None:
    session = client.session
    session["basket"] = ["pear"]
    session.save()
    login_as(client, jane)
    assert client.session["basket"] == ["pear"]


def test_one_person_has_one_account_and_one_key(client: Client, jane: AbstractBaseUser) -> None:
    first = person_for(jane)
    login_as(client, jane)
    assert person_for(jane).key is first.key
    assert Account.objects.get().email == "Jane@example.co"
    assert first.names == {"username": "jane@example.co", "orgId": Organization.objects.get().pk}


def test_each_organization_has_its_own_account(jane: AbstractBaseUser) -> None:
    acme, other = (Organization.objects.create(name=name) for name in ("Acme", "Other"))
    assert person_for(jane, organization=acme).account.organization == acme
    assert person_for(jane, organization=other).account.organization == other
    assert person_for(jane, organization=acme).key is not person_for(jane, organization=other).key


def test_a_deactivated_account_stays_deactivated(client: Client, jane: AbstractBaseUser) -> None:
    account = person_for(jane).account
    Account.objects.deactivate(account=account)
    with pytest.raises(LookupError, match="deactivated"):
        login_as(client, jane)
    assert Account.objects.get().state == AccountState.DEACTIVATED


def test_an_invited_account_is_registered_in_its_own_organization(jane: AbstractBaseUser) -> None:
    acme, _other = (Organization.objects.create(name=name) for name in ("Acme", "Other"))
    invited = Account.objects.create(organization=acme, user=jane, username="jane@example.co", email="jane@example.co")
    person = person_for(jane)
    assert (person.account, person.account.state) == (invited, AccountState.REGISTERED)
    assert Account.objects.count() == 1


def test_an_account_that_was_invited_by_address_alone_is_linked(jane: AbstractBaseUser) -> None:
    """Another user's account with the same address is not."""
    invited = invite("jane@example.co", organization=Organization.objects.create(name="Acme"))
    account = person_for(jane).account
    assert (account, account.user, account.state) == (invited, jane, AccountState.REGISTERED)
    namesake = get_user_model().objects.create(username="namesake", email="jane@example.co")
    with pytest.raises(LookupError, match="for another user"):
        person_for(namesake)


@pytest.mark.parametrize("email", ["", "not an address"])
def test_a_user_without_an_address_gets_one(email: str) -> None:
    user = get_user_model().objects.create(username="jane", email=email)
    assert person_for(user).account.email == f"user-{user.pk}@example.com"


def test_a_request_is_signed(api: ApiClient) -> None:
    assert api.signed("PUT", RENAME, renaming(api)).status_code == 200


def test_a_signature_is_for_one_request_only(api: ApiClient) -> None:
    body = renaming(api)
    action = {"X-DFNS-USERACTION": sign_action(api, "PUT", RENAME, body)}

    def send(sent: Any) -> int:
        return api.put(RENAME, json.dumps(sent), content_type="application/json", headers=action).status_code

    assert send({**body, "credentialName": "Red"}) == 403
    assert send(body) == 200
    assert send(body) == 400  # used


def test_a_browser_signs_too(client: Client, jane: AbstractBaseUser) -> None:
    login_as(client, jane)
    body = {**renaming(api_client_for(jane)), "credentialName": "Red"}
    headers = {"X-DFNS-USERACTION": sign_action(client, "PUT", RENAME, body)}
    assert client.put(RENAME, json.dumps(body), content_type="application/json", headers=headers).status_code == 200


def test_who_is_not_signed_in_signs_nothing(client: Client) -> None:
    with pytest.raises(LookupError, match="not signed in"):
        sign_action(client, "POST", "/")


def test_the_last_code_is_the_one_that_was_sent(client: Client, jane: AbstractBaseUser, settings: Any) -> None:
    send_through(settings, "django.core.mail.backends.locmem.EmailBackend")
    person = person_for(jane)
    with pytest.raises(LookupError, match="No open code"):
        last_code("Jane@example.co")
    client.post("/auth/login/code", json.dumps(person.names), content_type="application/json")
    body = {**person.names, "loginCode": last_code("Jane@example.co")}
    opened = client.post("/auth/login/init", json.dumps(body), content_type="application/json").json()
    assert opened["allowCredentials"]["passwordProtectedKey"][0]["id"] == person.key.credential_id
    with pytest.raises(LookupError, match="No open code"):
        last_code("Jane@example.co")


def test_a_code_that_could_not_be_sent_is_not_returned(client: Client, jane: AbstractBaseUser, settings: Any) -> None:
    send_through(settings, "no.such.Backend")
    client.post("/auth/login/code", json.dumps(person_for(jane).names), content_type="application/json")
    with pytest.raises(LookupError, match="No open code"):
        last_code("Jane@example.co")
    assert OneTimeCode.objects.get().last_error


def test_rates_are_not_counted(client: Client, jane: AbstractBaseUser) -> None:
    names = json.dumps(person_for(jane).names)

    def send_until_refused() -> int:
        answers = [client.post("/auth/login/code", names, content_type="application/json") for _ in range(12)]
        return answers[-1].status_code

    with settings_for_tests():
        assert send_until_refused() == 200
    assert send_until_refused() == 429


def test_a_run_without_keys_gets_some(jane: AbstractBaseUser, settings: Any) -> None:
    with override_settings(DFNS_LOGIN={**settings.DFNS_LOGIN, "KEYS": ""}), settings_for_tests(CODE_GUESSES=3):
        assert api_client_for(jane).get("/auth/credentials").status_code == 200
        assert settings.DFNS_LOGIN["CODE_GUESSES"] == 3


def test_a_registered_authenticator_signs_in(client: Client, jane: AbstractBaseUser) -> None:
    """A key and a passkey of the project's own making, registered and used through the API."""
    api = api_client_for(jane)
    passkey = Passkey.make(
        account_id=api.person.account.pk, origin="http://localhost:8000", rp_id="localhost", flags=0x05
    )
    for kind, authenticator in (("Fido2", passkey), ("Key", SoftwareKey.make())):
        asked = {"kind": kind}
        challenge = api.post("/auth/credentials/init", json.dumps(asked), content_type="application/json").json()
        made = {
            "challengeIdentifier": challenge["challengeIdentifier"],
            "credentialName": kind,
            **authenticator.credential(challenge["challenge"]),
        }
        answer = api.signed("POST", "/auth/credentials", made)
        assert answer.status_code == 200, answer.content
        opened = client.post("/auth/login/init", json.dumps(api.person.names), content_type="application/json").json()
        signed = {
            "challengeIdentifier": opened["challengeIdentifier"],
            "firstFactor": authenticator.factor(opened["challenge"]),
        }
        assert "token" in client.post("/auth/login", json.dumps(signed), content_type="application/json").json()
