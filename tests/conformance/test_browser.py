"""The official signers for browsers, unchanged, in a real Chromium against the live project."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.authenticators import Members
from tests.support.conformance.browser import Authenticator, Clients, PageError, bundle, open_page
from tests.support.conformance.stage import Stage, in_seconds
from tests.support.javascript_clients import CLIENTS
from tests.support.live_project import Invitee, LiveProject

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
RELYING_PARTY = {"id": "localhost", "name": "Example"}


@pytest.fixture(scope="module")
def clients(
    scene: LiveProject, browser: Browser, node: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clients]:
    script = bundle(tmp_path_factory.mktemp("page"), node=node)
    page = open_page(browser, origin=scene.site.url, script=script)
    yield Clients(page=page, organization=scene.organization)
    page.close()


@pytest.fixture
def authenticator(clients: Clients) -> Iterator[Authenticator]:
    clients.do("usePasskeys", signer="passkeys", relyingParty=RELYING_PARTY)
    authenticator = Authenticator.plugged_into(clients.page)
    yield authenticator
    authenticator.unplug()


def registration(person: Invitee) -> Members:
    return {"username": person.email, "registrationCode": person.registration_code}


def refusal(thrown: pytest.ExceptionInfo[PageError]) -> tuple[str, int | None, str]:
    error = thrown.value
    return error.name, error.http_status, error.message


def kinds(clients: Clients, token: str) -> list[str]:
    listed = clients.do("call", token=token, method="listCredentials", signer="")
    return [each["kind"] for each in listed["items"]]


@pytest.fixture
def holder(clients: Clients, authenticator: Authenticator, stage: Stage) -> Invitee:
    """A person with a registered passkey."""
    person = stage.invited()
    registered = clients.do("register", signer="passkeys", request=registration(person))
    assert registered["credential"]["kind"] == "Fido2"
    assert registered["user"]["username"] == person.email
    return person


def test_the_signers_are_those_of_the_page() -> None:
    package = json.loads((CLIENTS / "node_modules" / "@dfns" / "sdk-browser" / "package.json").read_text())
    assert f"`{package['name']}` {package['version']}" in PAGE.read_text()


def test_a_registered_passkey_is_discoverable(authenticator: Authenticator, holder: Invitee) -> None:
    (passkey,) = authenticator.passkeys()
    assert (passkey["isResidentCredential"], passkey["rpId"]) == (True, "localhost")
    assert passkey["userName"] == holder.email


def test_a_passkey_signs_in_with_the_username(clients: Clients, holder: Invitee) -> None:
    token = clients.do("login", signer="passkeys", request={"username": holder.email})["token"]
    assert kinds(clients, token) == ["Fido2"]


def test_a_passkey_signs_in_without_a_username(clients: Clients, holder: Invitee) -> None:
    token = clients.do("login", signer="passkeys", request={})["token"]
    assert kinds(clients, token) == ["Fido2"]


def test_a_passkey_signs_a_user_action_and_a_code_adds_another_device(
    clients: Clients, authenticator: Authenticator, holder: Invitee
) -> None:
    token = clients.do("login", signer="passkeys", request={"username": holder.email})["token"]
    asked = {"body": {"expiration": in_seconds(50)}}
    code = clients.do("call", signer="passkeys", token=token, method="createCredentialCode", request=asked)["code"]

    asked = {"body": {"code": code, "credentialKind": "Fido2"}}
    challenge = clients.do("call", signer="", method="createCredentialChallengeWithCode", request=asked)
    with pytest.raises(PageError) as thrown:  # this authenticator already has a passkey of the account
        clients.do("create", signer="passkeys", challenge=challenge)
    assert thrown.value.name == "InvalidStateError"
    authenticator.session.send("WebAuthn.clearCredentials", {"authenticatorId": authenticator.id})
    made = clients.do("create", signer="passkeys", challenge=challenge)
    body = {**made, "credentialName": "Another", "challengeIdentifier": challenge["challengeIdentifier"]}
    clients.do("call", signer="", method="createCredentialWithCode", request={"body": body})

    assert kinds(clients, token) == ["Fido2", "Fido2"]
    assert clients.do("login", signer="passkeys", request={})["token"]


def test_a_signature_of_a_passkey_works_once(clients: Clients, holder: Invitee) -> None:
    with pytest.raises(PageError) as thrown:
        clients.do("loginTwiceWithOneSignature", signer="passkeys", request={"username": holder.email})
    assert refusal(thrown) == ("DfnsError", 400, "Challenge token is not valid.")


def test_a_key_of_the_browser_registers_signs_in_and_signs_a_user_action(clients: Clients, stage: Stage) -> None:
    person = stage.invited()
    clients.do("useKey", signer="key")
    registered = clients.do("register", signer="key", request=registration(person))
    assert registered["credential"]["kind"] == "Key"
    token = clients.do("login", signer="key", request={"username": person.email})["token"]
    assert kinds(clients, token) == ["Key"]
    asked = {"body": {"expiration": in_seconds(50)}}
    assert clients.do("call", signer="key", token=token, method="createCredentialCode", request=asked)["code"]


def test_another_key_of_the_browser_does_not_sign_in(clients: Clients, stage: Stage) -> None:
    somebody = stage.regular()
    clients.do("useKey", signer="another", credId=somebody.key.credential_id)
    with pytest.raises(PageError) as thrown:
        clients.do("login", signer="another", request={"username": somebody.person.email})
    assert refusal(thrown) == ("DfnsError", 401, "Not Authorized.")
