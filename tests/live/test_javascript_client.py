"""The official JavaScript clients, unchanged, against the live project."""

import json

import pytest

from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.authenticators import Kind, Members, SoftwareKey
from tests.support.javascript_clients import CLIENTS, ClientError, JavaScript
from tests.support.live_project import Invitee, LiveProject, code_in


def refusal(asked: pytest.ExceptionInfo[ClientError]) -> tuple[int | None, str]:
    """Status and message as the client tells them; that it is the client's own error is checked."""
    thrown = asked.value
    assert thrown.is_dfns_error, str(thrown)
    assert thrown.body
    assert thrown.body["error"]["message"] == thrown.message
    return thrown.http_status, thrown.message


@pytest.fixture(scope="module")
def holder(scene: LiveProject) -> tuple[Invitee, SoftwareKey]:
    """Somebody who has registered a password-protected key."""
    person, key = scene.invite(), SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY)
    scene.register(person, key)
    return person, key


def test_the_clients_are_the_published_ones(javascript: JavaScript) -> None:
    wanted = json.loads((CLIENTS / "package.json").read_text())["dependencies"]
    assert javascript.versions() == wanted == {"@dfns/sdk": "0.8.21", "@dfns/sdk-keysigner": "0.8.3"}


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_it_registers_a_key_logs_in_lists_and_logs_out(
    javascript: JavaScript, scene: LiveProject, algorithm: KeyAlgorithm
) -> None:
    person, key = scene.invite(), SoftwareKey.make(algorithm)
    registered = javascript.register(key, person.names | {"registrationCode": person.registration_code})
    assert registered["user"]["username"] == person.email
    assert registered["credential"]["kind"] == "Key"

    token = javascript.login(key, person.names)["token"]
    scene.note_bearers({"token": token})
    (item,) = javascript.call("listCredentials", token=token)["items"]
    assert item["credentialUuid"] == registered["credential"]["uuid"]
    assert item["credentialId"] == key.credential_id
    assert item["isActive"] is True

    assert javascript.call("logout", token=token) == {"message": "success"}
    with pytest.raises(ClientError) as thrown:
        javascript.call("listCredentials", token=token)
    assert refusal(thrown) == (401, "Not Authorized.")


def test_it_logs_out_of_every_session(javascript: JavaScript, scene: LiveProject) -> None:
    person, key = scene.invite(), SoftwareKey.make()
    scene.register(person, key)
    tokens = [javascript.login(key, person.names)["token"] for _ in range(2)]
    assert javascript.call("logout", {"allSessions": True}, token=tokens[0]) == {"message": "success"}
    for token in tokens:
        with pytest.raises(ClientError) as thrown:
            javascript.call("listCredentials", token=token)
        assert refusal(thrown) == (401, "Not Authorized.")


def test_it_requests_a_code_and_gets_the_encrypted_key_for_it(
    javascript: JavaScript, scene: LiveProject, holder: tuple[Invitee, SoftwareKey]
) -> None:
    person, key = holder
    without = javascript.call("createLoginChallenge", person.names)
    assert without["allowCredentials"] == {"key": [], "webauthn": []}

    assert javascript.call("sendLoginCode", person.names) == {"message": "success"}
    presenting = person.names | {"loginCode": code_in(scene.mail_to(person.email, number=2))}
    challenge = javascript.call("createLoginChallenge", presenting)
    assert challenge["allowCredentials"]["passwordProtectedKey"] == [
        {"type": "public-key", "id": key.credential_id, "encryptedPrivateKey": key.encrypted_private_key}
    ]

    answer = {
        "challengeIdentifier": challenge["challengeIdentifier"],
        "firstFactor": key.factor(challenge["challenge"]),
    }
    token = javascript.call("login", answer)["token"]
    scene.note_bearers({"token": token})
    assert len(javascript.call("listCredentials", token=token)["items"]) == 1


def test_a_challenge_without_a_username_lists_nothing(javascript: JavaScript, scene: LiveProject) -> None:
    challenge = javascript.call("createLoginChallenge", {"orgId": scene.organization})
    assert challenge["allowCredentials"] == {"key": [], "webauthn": []}


def test_it_requests_the_registration_code_again(javascript: JavaScript, scene: LiveProject) -> None:
    person = scene.invite()
    assert javascript.call("resendRegistrationCode", person.names) == {"message": "success"}


REFUSALS: dict[str, tuple[str, Members, int, str]] = {
    "a wrong code": ("createLoginChallenge", {"loginCode": "0000-0000-0000-0000"}, 403, "Invalid code"),
    "a wrong registration code": ("createRegistrationChallenge", {"registrationCode": "0"}, 403, "Invalid code"),
    "a body without what is needed": ("login", {}, 400, "The request is not valid."),
    "a body that is too large": ("sendLoginCode", {"more": "m" * 2**17}, 413, "The request body is too large."),
}


@pytest.mark.parametrize(("method", "body", "status", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_it_reports_the_refusal_of(
    javascript: JavaScript,
    holder: tuple[Invitee, SoftwareKey],
    method: str,
    body: Members,
    status: int,
    message: str,
) -> None:
    with pytest.raises(ClientError) as thrown:
        javascript.call(method, holder[0].names | body)
    assert refusal(thrown) == (status, message)


def test_it_reports_each_invalid_field(javascript: JavaScript, scene: LiveProject) -> None:
    with pytest.raises(ClientError) as thrown:
        javascript.call("sendLoginCode", {"orgId": scene.organization})
    assert thrown.value.body
    assert thrown.value.body["error"]["details"] == {"username": ["This field is required."]}


def test_it_reports_an_unknown_path(javascript: JavaScript) -> None:
    with pytest.raises(ClientError) as thrown:
        javascript.call("listPersonalAccessTokens")
    assert refusal(thrown)[0] == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_it_reports_an_unsupported_method(javascript: JavaScript, method: str) -> None:
    with pytest.raises(ClientError) as thrown:
        javascript.fetch(method, "/auth/login")
    assert refusal(thrown)[0] == 405


def test_it_reports_a_reached_rate_limit(javascript: JavaScript, scene: LiveProject) -> None:
    names = {"username": scene.new_email(), "orgId": scene.organization}

    def ask_until_refused() -> None:
        for _ in range(62):  # a minute may end meanwhile, and its count with it
            javascript.call("createLoginChallenge", names)

    with pytest.raises(ClientError) as thrown:
        ask_until_refused()
    assert refusal(thrown) == (429, "Too many requests")
    assert thrown.value.retry_after
    assert 0 < int(thrown.value.retry_after) <= 61


def test_it_sends_no_token_of_another_organization(javascript: JavaScript, scene: LiveProject) -> None:
    person = scene.invite()
    opened = javascript.call(
        "createRegistrationChallenge", person.names | {"registrationCode": person.registration_code}
    )
    token = opened["temporaryAuthenticationToken"]
    scene.note_bearers({"token": token})
    foreign = JavaScript(base_url=scene.site.url, organization="or-another")
    with foreign, pytest.raises(ClientError, match="not scoped to org ID or-another"):
        foreign.call("listCredentials", token=token)
    with pytest.raises(ClientError) as thrown:
        javascript.call("listCredentials", token=token)
    assert refusal(thrown) == (401, "Not Authorized.")
