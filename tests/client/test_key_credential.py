"""Key credentials: encodings compared with Python's, signatures checked by the server's verifiers."""

import base64
import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dfns_login.verification.assertion import KeyAssertion, KeyAssertionVerifier, StoredKey
from dfns_login.verification.attestation import KeyAttestation, KeyAttestationVerifier
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.authenticators import base64url, new_challenge
from tests.support.client_runners import Client

# Integers of P-256 signatures, including short ones and ones with the first bit set.
INTEGERS = st.one_of(st.integers(1, 2**256 - 1), st.integers(0, 255).map(lambda bits: 2**bits), st.integers(1, 300))
ATTESTATIONS = KeyAttestationVerifier(origins=(), algorithms=(KeyAlgorithm.P256,))
ASSERTIONS = KeyAssertionVerifier(origins=())
ONE_PROCESS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)


@ONE_PROCESS
@given(st.lists(st.tuples(INTEGERS, INTEGERS), min_size=1, max_size=50))
@example([(1, 2**255), (2**255, 1), (2**248 - 1, 2**248), (127, 128), (2**256 - 1, 2**256 - 1)])
def test_signatures_are_encoded_as_der(in_node: Client, pairs: list[tuple[int, int]]) -> None:
    raws = [(r.to_bytes(32) + s.to_bytes(32)).hex() for r, s in pairs]
    assert in_node.do("derSignatures", raws=raws) == [encode_dss_signature(r, s).hex() for r, s in pairs]


@ONE_PROCESS
@given(st.binary(min_size=1, max_size=300))
def test_encodings_match_python(in_node: Client, data: bytes) -> None:
    text, decoded, block, unblocked = in_node.do("encodings", bytes=data.hex())
    lines = base64.b64encode(data).decode()
    wrapped = [lines[start : start + 64] for start in range(0, len(lines), 64)]
    assert text == base64url(data)
    assert block.split("\n") == ["-----BEGIN PRIVATE KEY-----", *wrapped, "-----END PRIVATE KEY-----"]
    assert (decoded, unblocked) == (data.hex(), data.hex())


@pytest.mark.parametrize("kind", ["PasswordProtectedKey", "RecoveryKey", "Key"])
def test_the_server_accepts_signatures_of_a_key(client: Client, kind: str) -> None:
    made = client.do("create", password="a password")
    challenge = new_challenge()
    credential_id = base64url(secrets.token_bytes(32))
    info = client.do(
        "attestation", handle=made["handle"], publicKey=made["publicKey"], challenge=challenge, credId=credential_id
    )
    attested = KeyAttestation(
        credential_id=info["credId"], client_data=info["clientData"], attestation_data=info["attestationData"]
    )
    verified = ATTESTATIONS.verify(attested, challenge=challenge)
    assert verified.credential_id == credential_id
    assert verified.client_data.origin is None
    stored = StoredKey(credential_id=credential_id, spki=verified.public_key.spki)
    challenges = [new_challenge() for _ in range(200)]
    said = client.do(
        "assertions", kind=kind, handle=made["handle"], credId=credential_id, challenges=[*challenges, "é ﬁ \u2028"]
    )
    for asked, each in zip([*challenges, "é ﬁ \u2028"], said, strict=True):
        assert (each["kind"], each["credentialAssertion"]["credId"]) == (kind, credential_id)
        assertion = KeyAssertion(
            client_data=each["credentialAssertion"]["clientData"], signature=each["credentialAssertion"]["signature"]
        )
        ASSERTIONS.verify(assertion, stored=stored, challenge=asked)


def test_new_credential_ids_are_unique(client: Client) -> None:
    made = client.do("create", password="a password")
    ids = {
        client.do("attestation", handle=made["handle"], publicKey=made["publicKey"], challenge="c")["credId"]
        for _ in range(20)
    }
    assert len(ids) == 20
    assert {len(base64.urlsafe_b64decode(each + "=")) for each in ids} == {32}
