"""Ceremonies that a browser held: not every passkey is one of ours."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate
from webauthn.helpers import parse_cbor

from dfns_login.errors import AssertionRefused, AttestationRefused, SignCountRegressed
from dfns_login.verification.assertion import Fido2Assertion, Fido2AssertionVerifier, StoredPasskey
from dfns_login.verification.attestation import (
    Fido2Attestation,
    Fido2AttestationVerifier,
    VerifiedFido2Attestation,
)
from dfns_login.verification.attestation_object import AttestationPolicy
from dfns_login.verification.encoding import decode_base64url
from dfns_login.verification.public_keys import KeyAlgorithm

RECORDED = json.loads((Path(__file__).parent / "vectors" / "chromium-156.json").read_text())
ALGORITHMS = {"ES256": KeyAlgorithm.P256, "RS256": KeyAlgorithm.RSA, "EdDSA": KeyAlgorithm.ED25519}

ceremonies = {each["name"]: each for each in RECORDED["ceremonies"]}
without_statement = pytest.mark.parametrize("name", [name for name in ceremonies if name.endswith("none")])


def register(ceremony, *, policy: AttestationPolicy | None = None) -> VerifiedFido2Attestation:
    info = ceremony["credentialInfo"]
    return Fido2AttestationVerifier(
        rp_id=RECORDED["rpId"],
        origins=(RECORDED["origin"],),
        algorithms=tuple(KeyAlgorithm),
        policy=policy or AttestationPolicy(),
    ).verify(
        Fido2Attestation(
            credential_id=info["credId"],
            client_data=info["clientData"],
            attestation_data=info["attestationData"],
            transports=tuple(ceremony["transports"]),
        ),
        challenge=ceremony["challenge"],
    )


@without_statement
def test_a_recorded_passkey_registers_and_signs_in(name):
    ceremony = ceremonies[name]
    registered = register(ceremony)
    assert registered.public_key.algorithm is ALGORITHMS[name.partition(",")[0]]
    assert registered.transports == ("internal",)
    sign_count = registered.state.sign_count
    for answer in ceremony["assertions"]:
        verified = verify(answer, registered=registered, sign_count=sign_count)
        assert verified.state.sign_count == sign_count + 1
        sign_count += 1


@without_statement
def test_a_recorded_answer_holds_once(name):
    registered = register(ceremonies[name])
    first, second = ceremonies[name]["assertions"]
    count = verify(second, registered=registered, sign_count=registered.state.sign_count).state.sign_count
    for replayed in (first, second):
        with pytest.raises(SignCountRegressed):
            verify(replayed, registered=registered, sign_count=count)
    with pytest.raises(AssertionRefused, match="challenge"):
        verify(first | {"challenge": second["challenge"]}, registered=registered, sign_count=count)


def test_a_recorded_statement_is_trusted_by_its_root_alone():
    """Chromium's maker is its own authority: a certificate that is valid until 2046."""
    ceremony = ceremonies["ES256, direct"]
    with pytest.raises(AttestationRefused, match="of this kind are not accepted"):
        register(ceremony)
    statement = parse_cbor(decode_base64url(ceremony["credentialInfo"]["attestationData"]))["attStmt"]
    root = load_der_x509_certificate(statement["x5c"][0]).public_bytes(Encoding.PEM).decode()
    registered = register(ceremony, policy=AttestationPolicy(roots={"packed": (root,)}))
    assert registered.statement_format == "packed"
    assert registered.aaguid == "01020304-0506-0708-0102-030405060708"


def verify(answer, *, registered: VerifiedFido2Attestation, sign_count: int):
    wire = answer["credentialAssertion"]
    return Fido2AssertionVerifier(rp_id=RECORDED["rpId"], origins=(RECORDED["origin"],)).verify(
        Fido2Assertion(
            client_data=wire["clientData"],
            authenticator_data=wire["authenticatorData"],
            signature=wire["signature"],
            user_handle=wire["userHandle"],
        ),
        stored=StoredPasskey(
            credential_id=registered.credential_id,
            spki=registered.public_key.spki,
            account_id=RECORDED["accountId"],
            sign_count=sign_count,
            backup_eligible=registered.state.backup_eligible,
        ),
        challenge=answer["challenge"],
    )
