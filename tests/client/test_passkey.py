"""Passkeys of a virtual authenticator in Chromium, checked by the server's verifiers."""

from collections.abc import Iterator
from typing import Any

import pytest

from dfns_login.verification.assertion import Fido2Assertion, Fido2AssertionVerifier, StoredPasskey
from dfns_login.verification.attestation import Fido2Attestation, Fido2AttestationVerifier, VerifiedFido2Attestation
from dfns_login.verification.fido2 import read_user_handle
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.authenticators import new_challenge
from tests.support.client_runners import Client, ClientError, PageClient
from tests.support.conformance.browser import Authenticator

USER = {"id": "us-3hrp9-qwk2j-8s3hqne1vf4mbt0d", "name": "jane@example.co", "displayName": "jane@example.co"}


@pytest.fixture
def authenticator(in_chromium: PageClient) -> Iterator[Authenticator]:
    authenticator = Authenticator.plugged_into(in_chromium.page)
    yield authenticator
    authenticator.unplug()


def creation_challenge(**members: Any) -> dict[str, Any]:
    return {
        "challenge": new_challenge(),
        "rp": {"id": "localhost", "name": "Example"},
        "user": USER,
        "attestation": "none",
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -257}],
        "excludeCredentials": [],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        **members,
    }


def login_challenge(*credential_ids: str) -> dict[str, Any]:
    return {
        "challenge": new_challenge(),
        "rp": {"id": "localhost", "name": "Example"},
        "userVerification": "required",
        "allowCredentials": {"key": [], "webauthn": [{"type": "public-key", "id": each} for each in credential_ids]},
    }


def origin(client: PageClient) -> str:
    found: str = client.page.evaluate("location.origin")
    return found


@pytest.fixture
def passkey(authenticator: Authenticator, in_chromium: PageClient) -> VerifiedFido2Attestation:
    challenge = creation_challenge()
    made = in_chromium.do("createPasskey", challenge=challenge)
    assert made["credentialKind"] == "Fido2"
    info = made["credentialInfo"]
    verifier = Fido2AttestationVerifier(
        rp_id="localhost", origins=(origin(in_chromium),), algorithms=(KeyAlgorithm.P256, KeyAlgorithm.RSA)
    )
    attestation = Fido2Attestation(
        credential_id=info["credId"],
        client_data=info["clientData"],
        attestation_data=info["attestationData"],
        transports=tuple(info["transports"]),
    )
    return verifier.verify(attestation, challenge=challenge["challenge"])


def verify(
    passkey: VerifiedFido2Attestation, factor: dict[str, Any], *, challenge: dict[str, Any], client: PageClient
) -> None:
    said = factor["credentialAssertion"]
    assert (factor["kind"], said["credId"]) == ("Fido2", passkey.credential_id)
    stored = StoredPasskey(
        credential_id=passkey.credential_id,
        spki=passkey.public_key.spki,
        account_id=USER["id"],
        sign_count=passkey.state.sign_count,
        backup_eligible=passkey.state.backup_eligible,
    )
    assertion = Fido2Assertion(
        client_data=said["clientData"],
        authenticator_data=said["authenticatorData"],
        signature=said["signature"],
        user_handle=said["userHandle"],
    )
    verifier = Fido2AssertionVerifier(rp_id="localhost", origins=(origin(client),))
    assert read_user_handle(said["userHandle"]) == USER["id"]
    verifier.verify(assertion, stored=stored, challenge=challenge["challenge"])


def test_the_server_accepts_a_new_passkey(passkey: VerifiedFido2Attestation) -> None:
    assert passkey.transports == ("internal",)


def test_a_passkey_signs_a_challenge_that_names_it(passkey: VerifiedFido2Attestation, in_chromium: PageClient) -> None:
    challenge = login_challenge(passkey.credential_id)
    verify(passkey, in_chromium.do("getPasskey", challenge=challenge), challenge=challenge, client=in_chromium)


def test_a_passkey_signs_a_challenge_that_names_no_credential(
    passkey: VerifiedFido2Attestation, in_chromium: PageClient
) -> None:
    challenge = login_challenge()
    verify(passkey, in_chromium.do("getPasskey", challenge=challenge), challenge=challenge, client=in_chromium)


def test_an_authenticator_rejects_a_second_passkey_for_the_account(
    passkey: VerifiedFido2Attestation, in_chromium: PageClient
) -> None:
    there = [{"type": "public-key", "id": passkey.credential_id}]
    with pytest.raises(ClientError) as thrown:
        in_chromium.do("createPasskey", challenge=creation_challenge(excludeCredentials=there))
    assert thrown.value.name == "InvalidStateError"


@pytest.mark.usefixtures("authenticator")
def test_a_missing_passkey_is_reported(in_chromium: PageClient) -> None:
    with pytest.raises(ClientError) as thrown:
        in_chromium.do("getPasskey", challenge=login_challenge("bm9ib2R5cw"))
    assert thrown.value.name == "NotAllowedError"


@pytest.mark.usefixtures("authenticator")
def test_passkey_support_is_detected_in_a_browser(in_chromium: PageClient) -> None:
    assert in_chromium.do("passkeys")[0] is True


def test_passkeys_are_not_supported_in_node(in_node: Client) -> None:
    assert in_node.do("passkeys") == [False, False]
