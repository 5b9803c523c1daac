"""The whole flow with a password-protected key, over HTTP and by mail."""

import pyrage
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.authenticators import PASSPHRASE
from tests.support.live_project import LiveProject
from tests.support.login_journey import Journey


def test_an_invited_person_registers_a_password_protected_key(journey: Journey) -> None:
    credential = journey.registered["credential"]
    assert credential["uuid"].startswith("cr-")
    assert credential == {
        "uuid": credential["uuid"],
        "kind": "PasswordProtectedKey",
        "credentialKind": "PasswordProtectedKey",
        "name": "Default Credential",
    }
    user = journey.registered["user"]
    assert user["id"].startswith("us-")
    assert user == {"id": user["id"], **journey.person.names}


def test_without_the_code_no_key_is_released(journey: Journey) -> None:
    assert "passwordProtectedKey" not in journey.opened_without_code["allowCredentials"]
    assert "encryptedPrivateKey" not in str(journey.opened_without_code)


def test_the_reply_to_a_code_request_reveals_nothing(journey: Journey) -> None:
    assert (journey.asked.status_code, journey.asked.json()) == (200, {"message": "success"})


def test_the_code_releases_the_registered_key_unchanged(journey: Journey) -> None:
    released = journey.released["encryptedPrivateKey"]
    assert journey.key.encrypted_private_key
    assert released.encode() == journey.key.encrypted_private_key.encode()
    assert journey.released["id"] == journey.key.credential_id


def test_the_code_works_once(journey: Journey) -> None:
    again = journey.opened_with_code_again
    assert (again.status_code, again.json()["error"]["message"]) == (403, "Invalid code")


def test_only_the_password_decrypts_the_key(journey: Journey) -> None:
    pem = journey.key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert journey.pem == pem
    with pytest.raises(pyrage.DecryptError):
        pyrage.passphrase.decrypt(journey.released["encryptedPrivateKey"].encode(), PASSPHRASE + "r")


def test_the_signature_opens_a_session_that_lists_the_key_without_its_envelope(journey: Journey) -> None:
    assert journey.listed.status_code == 200
    (item,) = journey.listed.json()["items"]
    assert item["credentialUuid"] == journey.registered["credential"]["uuid"]
    assert item["credentialId"] == journey.key.credential_id
    assert item["publicKey"].rstrip("\n") == journey.key.public_pem
    assert "BEGIN AGE" not in journey.listed.text


def test_the_token_is_invalid_after_logout(journey: Journey) -> None:
    assert (journey.logged_out.status_code, journey.logged_out.json()) == (200, {"message": "success"})
    refused = journey.listed_after_logout
    assert (refused.status_code, refused.json()["error"]["message"]) == (401, "Not Authorized.")


def test_the_code_alone_opens_no_session(journey: Journey, scene: LiveProject) -> None:
    """R-20."""
    refused = scene.call("GET", "/auth/credentials", bearer=journey.opened_with_code["challengeIdentifier"])
    assert refused.status_code == 401
