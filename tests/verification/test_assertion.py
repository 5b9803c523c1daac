"""An assertion holds for one key, one challenge and one relying party; every failure has one answer."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from dfns_login.errors import AssertionRefused
from dfns_login.verification.assertion import KeyAssertion, KeyAssertionVerifier, StoredKey, VerifiedAssertion
from dfns_login.verification.encoding import decode_base64url
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.authenticators import PYTHON_CLIENT_ORIGIN, Client, Fault, SoftwareKey, base64url, new_challenge

CHALLENGE = new_challenge()
KEYS = [SoftwareKey.make(algorithm, client=client) for algorithm in KeyAlgorithm for client in Client]
KEY = KEYS[0]

every_key = pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.algorithm.value}-{key.client.name}")


def verify(key: SoftwareKey, wire: dict[str, str], *, challenge: str = CHALLENGE) -> VerifiedAssertion:
    return KeyAssertionVerifier(origins=(PYTHON_CLIENT_ORIGIN,)).verify(
        KeyAssertion(client_data=wire["clientData"], signature=wire["signature"]),
        stored=StoredKey(credential_id=key.credential_id, spki=key.spki),
        challenge=challenge,
    )


@every_key
def test_an_answer_to_the_challenge_holds(key):
    verified = verify(key, key.answer(CHALLENGE))
    assert verified.credential_id == key.credential_id
    assert verified.public_key.spki == key.spki
    assert verified.client_data.origin == key.client.value.get("origin")


@every_key
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name)
def test_an_answer_with_a_fault_is_refused(key, fault):
    """R-36, R-53, R-56: whatever is wrong, the answer is the same; what it was is for the log."""
    assert verify(key, key.answer(CHALLENGE))
    with pytest.raises(AssertionRefused) as refused:
        verify(key, key.answer(CHALLENGE, fault=fault))
    assert (refused.value.status, refused.value.message) == (401, "Not Authorized.")
    assert refused.value.details is None
    assert refused.value.reason


def test_an_answer_padded_as_it_may_be_holds():
    """R-56: some clients pad."""
    wire = {name: text + "=" * (-len(text) % 4) for name, text in KEY.answer(CHALLENGE).items()}
    assert verify(KEY, wire)


def test_an_answer_to_another_challenge_is_refused():
    with pytest.raises(AssertionRefused):
        verify(KEY, KEY.answer(CHALLENGE), challenge=new_challenge())


def test_a_registration_is_no_answer():
    """R-86: what was signed to register cannot sign in."""
    info = KEY.register(CHALLENGE)
    signature = KEY.answer(CHALLENGE)["signature"]
    with pytest.raises(AssertionRefused):
        verify(KEY, {"clientData": info["clientData"], "signature": signature})


def test_the_signature_is_over_the_bytes_that_are_read():
    """R-53: other bytes that say the same are other bytes."""
    wire = KEY.answer(CHALLENGE)
    same_json = decode_base64url(wire["clientData"]).replace(b",", b", ")
    other = KEY.answer(CHALLENGE) | {"clientData": base64url(same_json)}
    with pytest.raises(AssertionRefused):
        verify(KEY, other)


def test_nothing_is_read_of_client_data_that_the_key_did_not_sign():
    with pytest.raises(AssertionRefused, match="SignatureError"):
        verify(KEY, KEY.answer(CHALLENGE) | {"clientData": base64url(b"\xff")})


def test_an_answer_under_a_stored_key_of_another_kind_is_refused():
    """R-63: the stored key decides how a signature is read."""
    for other in KEYS[2:]:
        with pytest.raises(AssertionRefused):
            verify(other, KEY.answer(CHALLENGE))


@pytest.mark.parametrize("absent", KeyAlgorithm)
def test_without_a_stored_key_even_a_good_signature_is_refused(absent):
    """R-36, R-126: the same answer as for a bad one, whatever algorithm the missing key is given."""
    wire = KEY.answer(CHALLENGE)
    with pytest.raises(AssertionRefused) as refused:
        KeyAssertionVerifier(origins=()).verify(
            KeyAssertion(client_data=wire["clientData"], signature=wire["signature"]),
            stored=None,
            challenge=CHALLENGE,
            absent=absent,
        )
    assert (refused.value.status, refused.value.message, refused.value.details) == (401, "Not Authorized.", None)
    assert "no such credential" in refused.value.reason


def test_a_stored_key_that_may_not_be_registered_verifies_nothing():
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()  # noqa: S505  # weak on purpose
    wire = KEY.answer(CHALLENGE)
    for spki in (weak.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), b""):
        with pytest.raises(AssertionRefused, match="PublicKeyError"):
            KeyAssertionVerifier(origins=()).verify(
                KeyAssertion(client_data=wire["clientData"], signature=wire["signature"]),
                stored=StoredKey(credential_id="AAAA", spki=spki),
                challenge=CHALLENGE,
            )


def test_nothing_that_was_signed_or_signs_is_shown():
    wire = KEY.answer(CHALLENGE)
    assertion = KeyAssertion(client_data=wire["clientData"], signature=wire["signature"])
    stored = StoredKey(credential_id="AAAA", spki=KEY.spki)
    assert repr(assertion) == "KeyAssertion()"
    assert repr(stored) == "StoredKey(credential_id='AAAA')"


@given(st.text() | st.binary().map(base64url), st.text() | st.binary().map(base64url))
def test_any_texts_are_refused(client_data, signature):
    with pytest.raises(AssertionRefused):
        verify(KEY, {"clientData": client_data, "signature": signature})


@given(st.binary())
def test_a_signature_over_anything_but_client_data_is_refused(message):
    with pytest.raises(AssertionRefused):
        verify(KEY, {"clientData": base64url(message), "signature": base64url(KEY.sign(message))})
