"""R-53: client data are for this ceremony, this challenge and this relying party, and say so in one way only."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfns_login.verification.client_data import (
    ClientDataError,
    ClientDataType,
    VerifiedClientData,
    claimed_challenge,
    verify_client_data,
)
from dfns_login.verification.encoding import EncodingError
from tests.support.authenticators import PYTHON_CLIENT_ORIGIN, Client, Fault, Says, SoftwareKey, Writes, base64url

CHALLENGE = "Y2hhbGxlbmdlIG9mIDMyIHJhbmRvbSBieXRlcyBvciBzbw"
ORIGINS = ("https://login.example", PYTHON_CLIENT_ORIGIN)
KEY = {client: SoftwareKey.make(client=client) for client in Client}
FAULTS = [fault for fault in Fault if isinstance(fault.value, Says | Writes)]

every_type = pytest.mark.parametrize("type_", ClientDataType)
every_client = pytest.mark.parametrize("client", Client)


def verify(raw: bytes, type_: ClientDataType, *, challenge: str = CHALLENGE) -> VerifiedClientData:
    return verify_client_data(raw, expected_type=type_, challenge=challenge, origins=ORIGINS)


@every_type
def test_client_data_without_origin_hold(type_):
    raw = KEY[Client.JAVASCRIPT].client_data(CHALLENGE, type_=type_)
    assert verify(raw, type_) == VerifiedClientData(type=type_, origin=None)


@every_type
def test_client_data_of_a_listed_origin_hold(type_):
    raw = KEY[Client.PYTHON].client_data(CHALLENGE, type_=type_)
    assert verify(raw, type_) == VerifiedClientData(type=type_, origin=PYTHON_CLIENT_ORIGIN)


@every_type
@every_client
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_client_data_with_a_fault_are_refused(type_, client, fault):
    assert verify(KEY[client].client_data(CHALLENGE, type_=type_), type_)
    raw = KEY[client].client_data(CHALLENGE, type_=type_, fault=fault)
    with pytest.raises(ClientDataError):
        verify(raw, type_)


@pytest.mark.parametrize(
    "more",
    [
        {"other_keys_can_be_added_here": "do not compare clientDataJSON against a template"},
        {"tokenBinding": {"status": "supported"}},
        {"Type": "key.create", "CHALLENGE": "AAAA"},
    ],
)
def test_unknown_members_are_ignored(more):
    raw = json.dumps({"type": "key.get", "challenge": CHALLENGE} | more).encode()
    assert verify(raw, ClientDataType.ASSERTION)


def test_white_space_and_order_are_free():
    raw = f' {{ "crossOrigin" : false,\n"challenge" : "{CHALLENGE}", "type" : "key.get" }}\n'.encode()
    assert verify(raw, ClientDataType.ASSERTION)


def test_a_value_may_be_written_with_escapes():
    raw = rf'{{"type":"key.get","challenge":"{CHALLENGE}","origin":"https:\/\/login.example"}}'.encode()
    assert verify(raw, ClientDataType.ASSERTION).origin == "https://login.example"


def test_a_challenge_is_compared_as_text_and_not_decoded():
    """The same bytes in another text are another challenge."""
    raw = KEY[Client.JAVASCRIPT].client_data("QUI", type_="key.get")
    assert verify(raw, ClientDataType.ASSERTION, challenge="QUI")
    for other in ("QUI=", "QUJ", "qui", "QU", "QUIA", ""):
        with pytest.raises(ClientDataError):
            verify(raw, ClientDataType.ASSERTION, challenge=other)


def test_a_challenge_beyond_ascii_is_compared_too():
    raw = KEY[Client.JAVASCRIPT].client_data("défi", type_="key.get")
    assert verify(raw, ClientDataType.ASSERTION, challenge="défi")
    with pytest.raises(ClientDataError):
        verify(raw, ClientDataType.ASSERTION, challenge="defi")


def test_no_origin_is_listed_where_the_list_is_empty():
    raw = KEY[Client.PYTHON].client_data(CHALLENGE, type_="key.get")
    with pytest.raises(ClientDataError):
        verify_client_data(raw, expected_type=ClientDataType.ASSERTION, challenge=CHALLENGE, origins=())


def test_a_recovery_challenge_as_long_as_a_body_allows_holds():
    """It is base64url of the JSON of up to three new credentials."""
    challenge = "A" * 44_000
    raw = KEY[Client.JAVASCRIPT].client_data(challenge, type_="key.get")
    assert verify(raw, ClientDataType.ASSERTION, challenge=challenge)


def test_the_claimed_challenge_is_read_before_anything_is_verified():
    """Recovery verifies it later."""
    raw = json.dumps({"type": "unknown", "challenge": CHALLENGE}).encode()
    assert claimed_challenge(base64url(raw)) == CHALLENGE


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"challenge":null}', b'{"challenge":["AAAA"]}'])
def test_client_data_may_claim_no_challenge(raw):
    with pytest.raises(EncodingError):
        claimed_challenge(base64url(raw))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["key.get", CHALLENGE]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
MEMBERS = st.dictionaries(
    st.sampled_from(["type", "challenge", "origin", "crossOrigin", "topOrigin"]) | st.text(), JSON
)


@pytest.mark.fuzz
@given(st.binary() | MEMBERS.map(json.dumps).map(str.encode) | JSON.map(json.dumps).map(str.encode))
def test_any_bytes_hold_or_are_refused(raw):
    try:
        verified = verify(raw, ClientDataType.ASSERTION)
    except ClientDataError:
        return
    assert verified.origin in (None, *ORIGINS)
