"""The official Python client, unchanged, against the live project."""

from importlib.metadata import version

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dfns_sdk import DfnsClient, DfnsClientConfig, DfnsError, KeySigner  # type: ignore[import-untyped]

from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.authenticators import Client, Kind, Members, SoftwareKey
from tests.support.live_project import Invitee, LiveProject, code_in

NO_TOKEN = "none"
"""The client sends an `Authorization` header whether there is a token or not, and an empty one it cannot send."""


def client(scene: LiveProject, token: str = NO_TOKEN) -> DfnsClient:
    return DfnsClient(DfnsClientConfig(auth_token=token, base_url=scene.site.url))


def signer(key: SoftwareKey) -> KeySigner:
    pem = key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeySigner(credential_id=key.credential_id, private_key=pem.decode("ascii"))


def refusal(thrown: pytest.ExceptionInfo[DfnsError]) -> tuple[int, str, str]:
    """Status, code and message as the client tells them."""
    error = thrown.value
    return error.status_code, error.error_code, error.message


@pytest.fixture(scope="module")
def holder(scene: LiveProject) -> tuple[Invitee, SoftwareKey]:
    """Somebody who has registered a password-protected key."""
    person, key = scene.invite(), SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY, client=Client.PYTHON)
    scene.register(person, key)
    return person, key


def test_the_client_is_the_published_one() -> None:
    assert version("dfns-sdk") == "1.0.4"


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_it_registers_a_key_logs_in_lists_and_logs_out(scene: LiveProject, algorithm: KeyAlgorithm) -> None:
    person, key = scene.invite(), SoftwareKey.make(algorithm, client=Client.PYTHON)
    with client(scene) as stranger:
        opened = stranger.auth.create_registration_challenge(
            person.names | {"registrationCode": person.registration_code}
        )
    with client(scene, opened["temporaryAuthenticationToken"]) as registrant:
        registered = registrant.auth.register({"firstFactorCredential": key.credential(opened["challenge"])})
    assert registered["user"]["username"] == person.email

    with client(scene) as stranger:
        challenge = stranger.auth.create_login_challenge(person.names)
        assert [each["id"] for each in challenge["allowCredentials"]["key"]] == [key.credential_id]
        answer = {
            "challengeIdentifier": challenge["challengeIdentifier"],
            "firstFactor": signer(key).sign(challenge),
        }
        token = stranger.auth.login(answer)["token"]
    scene.note_bearers({"token": token})

    with client(scene, token) as somebody:
        (item,) = somebody.auth.list_credentials()["items"]
        assert item["credentialUuid"] == registered["credential"]["uuid"]
        assert item["credentialId"] == key.credential_id
        assert somebody.auth.logout({}) == {"message": "success"}
        with pytest.raises(DfnsError) as thrown:
            somebody.auth.list_credentials()
    assert refusal(thrown) == (401, "not_authorized", "Not Authorized.")


def test_it_requests_a_code_and_gets_the_encrypted_key_for_it(
    scene: LiveProject, holder: tuple[Invitee, SoftwareKey]
) -> None:
    person, key = holder
    with client(scene) as stranger:
        without = stranger.auth.create_login_challenge(person.names)
        assert without["allowCredentials"] == {"key": [], "webauthn": []}

        assert stranger.auth.send_login_code(person.names) == {"message": "success"}
        presenting = person.names | {"loginCode": code_in(scene.mail_to(person.email, number=2))}
        challenge = stranger.auth.create_login_challenge(presenting)
        assert challenge["allowCredentials"]["passwordProtectedKey"] == [
            {"type": "public-key", "id": key.credential_id, "encryptedPrivateKey": key.encrypted_private_key}
        ]

        # the client's signer signs as a `Key`; its assertion is good, only the kind is another
        assertion = signer(key).sign(challenge) | {"kind": "PasswordProtectedKey"}
        answer = {"challengeIdentifier": challenge["challengeIdentifier"], "firstFactor": assertion}
        token = stranger.auth.login(answer)["token"]
    scene.note_bearers({"token": token})
    with client(scene, token) as somebody:
        assert len(somebody.auth.list_credentials()["items"]) == 1
        assert somebody.auth.logout({"allSessions": True}) == {"message": "success"}


REFUSALS: dict[str, tuple[str, Members, int, str, str]] = {
    "a wrong code": ("create_login_challenge", {"loginCode": "0000"}, 403, "invalid_code", "Invalid code"),
    "a wrong registration code": (
        "create_registration_challenge",
        {"registrationCode": "0000"},
        403,
        "invalid_code",
        "Invalid code",
    ),
    "a body without what is needed": ("login", {}, 400, "invalid_request", "The request is not valid."),
    "a temporary token that is none": ("register", {}, 401, "not_authorized", "Not Authorized."),
}


@pytest.mark.parametrize(("method", "body", "status", "code", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_it_reports_the_refusal_of(
    scene: LiveProject,
    holder: tuple[Invitee, SoftwareKey],
    method: str,
    body: Members,
    status: int,
    code: str,
    message: str,
) -> None:
    person, key = holder
    body = {"firstFactorCredential": key.credential("challenge")} if method == "register" else person.names | body
    with client(scene) as stranger, pytest.raises(DfnsError) as thrown:
        getattr(stranger.auth, method)(body)
    assert refusal(thrown) == (status, code, message)


def test_it_reports_each_invalid_field(scene: LiveProject, holder: tuple[Invitee, SoftwareKey]) -> None:
    # so written, the client's own types name them; it sends them as they are
    names = {"username": holder[0].email, "org_id": holder[0].organization}
    with client(scene) as stranger, pytest.raises(DfnsError) as thrown:
        stranger.auth.send_login_code(names)
    assert thrown.value.details == {"orgId": ["This field is required."]}


def test_it_reports_an_unknown_path(scene: LiveProject) -> None:
    with client(scene) as stranger, pytest.raises(DfnsError) as thrown:
        stranger.auth.list_personal_access_tokens()
    assert refusal(thrown) == (404, "not_found", "Not found.")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_it_reports_an_unsupported_method(scene: LiveProject, method: str) -> None:
    with client(scene) as stranger, pytest.raises(DfnsError) as thrown:
        stranger._http.request(method, "/auth/login")  # noqa: SLF001  no call of the client's is of a wrong method
    assert refusal(thrown) == (405, "method_not_allowed", "Method not allowed.")
