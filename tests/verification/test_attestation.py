"""A credential is registered with the key that signed it; a refusal names the field and says what is wrong."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from dfns_login.errors import AttestationRefused
from dfns_login.verification.attestation import (
    Fido2Attestation,
    KeyAttestation,
    KeyAttestationVerifier,
    VerifiedAttestation,
)
from dfns_login.verification.encoding import decode_base64url
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.authenticators import (
    PYTHON_CLIENT_ORIGIN,
    Client,
    Fault,
    Says,
    SoftwareKey,
    Writes,
    attested_text,
    base64url,
    compact_json,
    new_challenge,
)

CHALLENGE = new_challenge()
KEYS = [SoftwareKey.make(algorithm, client=client) for algorithm in KeyAlgorithm for client in Client]
KEY = KEYS[0]

CREDENTIAL_ID = "credential_id"
CLIENT_DATA = "client_data"
ATTESTATION_DATA = "attestation_data"

every_key = pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.algorithm.value}-{key.client.name}")


def verify(
    wire: dict[str, str], *, challenge: str = CHALLENGE, algorithms: tuple[KeyAlgorithm, ...] = tuple(KeyAlgorithm)
) -> VerifiedAttestation:
    return KeyAttestationVerifier(origins=(PYTHON_CLIENT_ORIGIN,), algorithms=algorithms).verify(
        KeyAttestation(
            credential_id=wire["credId"], client_data=wire["clientData"], attestation_data=wire["attestationData"]
        ),
        challenge=challenge,
    )


def refusal(wire: dict[str, str], **given) -> AttestationRefused:
    with pytest.raises(AttestationRefused) as refused:
        verify(wire, **given)
    assert refused.value.status == 400
    return refused.value


def with_attestation(**members: object) -> dict[str, str]:
    """Return the accepted answer with other members in its attestation data; those that are `...` are left out."""
    wire = KEY.register(CHALLENGE)
    attestation = json.loads(decode_base64url(wire["attestationData"])) | members
    written = compact_json({name: value for name, value in attestation.items() if value is not ...})
    return wire | {"attestationData": base64url(written.encode())}


def test_the_accepted_answer_with_nothing_changed_holds():
    assert verify(with_attestation())


@every_key
def test_a_key_that_signs_itself_holds(key):
    verified = verify(key.register(CHALLENGE))
    assert verified.credential_id == key.credential_id
    assert (verified.public_key.algorithm, verified.public_key.spki) == (key.algorithm, key.spki)
    assert verified.client_data.origin == key.client.value.get("origin")


@every_key
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name)
def test_an_answer_with_a_fault_is_refused_by_its_field(key, fault):
    """R-53, R-56."""
    assert verify(key.register(CHALLENGE))
    refused = refusal(key.register(CHALLENGE, fault=fault))
    in_client_data = isinstance(fault.value, Says | Writes) or fault.name.startswith("CLIENT_DATA")
    assert list(refused.details) == [CLIENT_DATA if in_client_data else ATTESTATION_DATA]
    assert all(sentence.endswith(".") for sentence in refused.details.popitem()[1])


def test_an_answer_to_another_challenge_is_refused():
    assert list(refusal(KEY.register(CHALLENGE), challenge=new_challenge()).details) == [CLIENT_DATA]


@pytest.mark.parametrize("credential_id", ["", "QUJ", "QUI==", "Q+/B", base64url(bytes(1024))])
def test_an_invalid_credential_id_is_refused(credential_id):
    """R-62."""
    assert list(refusal(KEY.register(CHALLENGE) | {"credId": credential_id}).details) == [CREDENTIAL_ID]


def test_a_padded_credential_id_is_registered_without_its_padding():
    """R-62."""
    assert verify(KEY.register(CHALLENGE) | {"credId": "QUI="}).credential_id == "QUI"


# The signed text


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda pem: pem, id="as the browser client writes it"),
        pytest.param(lambda pem: pem + "\n", id="final line feed"),
        pytest.param(lambda pem: pem.replace("\n", "\r\n") + "\r\n", id="CRLF"),
    ],
)
def test_the_pem_is_signed_as_it_was_sent(form):
    """R-61: the text is verified before it is brought into one form."""
    assert verify(KEY.register(CHALLENGE, pem=form(KEY.public_pem))).public_key.spki == KEY.spki


def test_a_pkcs1_key_is_stored_as_the_same_key():
    key = KEYS[-1]
    assert isinstance(key.private_key, rsa.RSAPrivateKey)
    pem = key.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
    assert verify(key.register(CHALLENGE, pem=pem)).public_key.spki == key.spki


def test_another_pem_of_the_same_key_is_not_the_signed_one():
    """R-61: one line feed more is another text."""
    assert "signature" in str(refusal(with_attestation(publicKey=KEY.public_pem + "\n")).details)


def test_a_signature_of_another_key_is_refused():
    """R-61: nobody registers a key whose private key they have not."""
    other = SoftwareKey.make()
    assert list(refusal(with_attestation(publicKey=other.public_pem)).details) == [ATTESTATION_DATA]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(lambda data, pem: data, id="client data alone"),
        pytest.param(lambda data, pem: attested_text(data, pem=pem) + b"\n", id="line feed after it"),
        pytest.param(lambda data, pem: attested_text(data, pem=pem).replace(b",", b", "), id="white space"),
        pytest.param(lambda data, pem: attested_text(data.upper(), pem=pem), id="other client data"),
        pytest.param(
            lambda data, pem: json.dumps(
                dict(reversed(json.loads(attested_text(data, pem=pem)).items())), separators=(",", ":")
            ).encode(),
            id="other order",
        ),
    ],
)
def test_what_is_signed_is_exactly_two_members(text):
    data = decode_base64url(KEY.register(CHALLENGE)["clientData"])
    accepted = KEY.sign(attested_text(data, pem=KEY.public_pem)).hex()
    assert verify(with_attestation(signature=accepted))
    refusal(with_attestation(signature=KEY.sign(text(data, KEY.public_pem)).hex()))


# The attestation data


def test_a_signature_is_hexadecimal_of_either_case():
    signature = json.loads(decode_base64url(KEY.register(CHALLENGE)["attestationData"]))["signature"]
    wire = KEY.register(CHALLENGE)
    for either in (signature.lower(), signature.upper()):
        attestation = base64url(compact_json({"publicKey": KEY.public_pem, "signature": either}).encode())
        assert verify(wire | {"attestationData": attestation})


@pytest.mark.parametrize("algorithm", ["RSA-SHA256", "SHA256", "SHA512"])
def test_an_algorithm_that_the_api_documents_is_not_obeyed(algorithm):
    """R-63: a P-256 key signs with SHA-256, whatever is said."""
    assert verify(with_attestation(algorithm=algorithm)).public_key.algorithm is KeyAlgorithm.P256


@pytest.mark.parametrize("algorithm", ["SHA1", "none", "", "sha256", "MD5", 256, True, ["SHA256"], {}])
def test_any_other_algorithm_is_refused(algorithm):
    """R-63."""
    assert "algorithm" in str(refusal(with_attestation(algorithm=algorithm)).details)


def test_unknown_members_are_ignored():
    assert verify(with_attestation(comment="made by a newer client"))


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"publicKey": ...}, id="no key"),
        pytest.param({"publicKey": None}, id="key null"),
        pytest.param({"publicKey": [KEY.public_pem]}, id="key in an array"),
        pytest.param({"publicKey": ""}, id="key empty"),
        pytest.param({"publicKey": f"{KEY.public_pem}\n{KEY.public_pem}"}, id="two keys"),
        pytest.param({"publicKey": f"garbage\n{KEY.public_pem}"}, id="garbage around the key"),
        pytest.param({"publicKey": "\ud800"}, id="half a surrogate pair"),
        pytest.param({"signature": ...}, id="no signature"),
        pytest.param({"signature": None}, id="signature null"),
        pytest.param({"signature": ""}, id="signature empty"),
        pytest.param({"signature": "0"}, id="signature of odd length"),
        pytest.param({"signature": "zz"}, id="signature not hexadecimal"),
        pytest.param({"signature": "00 00"}, id="signature with white space"),
        pytest.param({"signature": ["00"]}, id="signature in an array"),
        pytest.param({"more": "m" * 9000}, id="too long"),
    ],
)
def test_attestation_data_that_are_malformed_are_refused(members):
    wire = KEY.register(CHALLENGE)
    attestation = json.loads(decode_base64url(wire["attestationData"])) | members
    written = json.dumps({name: value for name, value in attestation.items() if value is not ...})
    assert list(refusal(wire | {"attestationData": base64url(written.encode())}).details) == [ATTESTATION_DATA]


def test_attestation_data_have_a_maximum_length():
    wire = KEY.register(CHALLENGE)
    attestation = json.loads(decode_base64url(wire["attestationData"]))

    def of_length(length: int) -> dict[str, str]:
        missing = length - len(compact_json(attestation | {"more": ""}))
        written = compact_json(attestation | {"more": "m" * missing})
        return wire | {"attestationData": base64url(written.encode())}

    assert verify(of_length(8192))
    assert list(refusal(of_length(8193)).details) == [ATTESTATION_DATA]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"{", b"\xff", b'{"publicKey":"a","publicKey":"a","signature":""}']
)
def test_attestation_data_that_is_not_a_json_object_is_refused(data):
    assert list(refusal(KEY.register(CHALLENGE) | {"attestationData": base64url(data)}).details) == [ATTESTATION_DATA]


def test_a_kind_of_key_that_the_project_does_not_accept_is_refused():
    refused = refusal(KEY.register(CHALLENGE), algorithms=(KeyAlgorithm.ED25519,))
    assert refused.details == {ATTESTATION_DATA: ["P-256 keys are not accepted."]}


def test_a_refusal_does_not_quote_the_input():
    refused = refusal(with_attestation(publicKey="hunter2", signature="hunter2"))
    assert "hunter2" not in f"{refused} {refused.reason} {refused.details} {refused.__cause__}"


def test_nothing_that_was_signed_is_shown():
    attestation = {"credential_id": "AAAA", "client_data": "secret", "attestation_data": "secret"}
    assert repr(KeyAttestation(**attestation)) == "KeyAttestation(credential_id='AAAA')"
    assert repr(Fido2Attestation(**attestation)) == "Fido2Attestation(credential_id='AAAA', transports=())"


TEXT = st.text() | st.binary().map(base64url)
ATTESTATION = st.dictionaries(
    st.sampled_from(["publicKey", "signature", "algorithm"]),
    st.none() | st.integers() | st.text() | st.lists(st.text()) | st.just(KEY.public_pem),
).map(lambda members: base64url(json.dumps(members).encode()))


@given(TEXT, TEXT | ATTESTATION)
def test_any_texts_are_refused(credential_id, attestation_data):
    wire = KEY.register(CHALLENGE)
    refusal(wire | {"credId": credential_id, "attestationData": attestation_data})
    refusal(wire | {"clientData": attestation_data})
