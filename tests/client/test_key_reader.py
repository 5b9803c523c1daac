"""Released keys that are encrypted to the page: what the server encrypts, the client decrypts (R-131)."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from dfns_login.proofs.key_release import ReleasedKey
from dfns_login.testing.authenticators import opaque_envelope
from dfns_login.verification.encoding import decode_base64url, encode_base64url
from dfns_login.verification.ephemeral_key import parse_ephemeral_key
from tests.support.client_runners import Client, ClientError

CREDENTIAL_ID = "dGVzdA"


@pytest.fixture
def reader(client: Client) -> dict[str, str]:
    made: dict[str, str] = client.do("newReader")
    return made


def encrypted(reader: dict[str, str], envelope: str, *, credential_id: str = CREDENTIAL_ID) -> str:
    released = ReleasedKey(credential_id=credential_id, encrypted_private_key=envelope)
    return released.readable_by(parse_ephemeral_key(reader["publicKey"]))


def test_the_client_reads_what_the_server_encrypts(client: Client, reader: dict[str, str]) -> None:
    envelope = opaque_envelope()
    sealed = encrypted(reader, envelope)
    assert sealed != encrypted(reader, envelope)
    assert client.do("readKey", handle=reader["handle"], credId=CREDENTIAL_ID, text=sealed) == envelope
    assert client.do("readKey", handle=reader["handle"], credId=CREDENTIAL_ID, text="") == ""
    listed = [{"type": "public-key", "id": CREDENTIAL_ID, "encryptedPrivateKey": sealed}]
    challenge = {"challenge": "x", "allowCredentials": {"key": [], "passwordProtectedKey": listed}}
    read = client.do("readChallenge", handle=reader["handle"], challenge=challenge)
    assert read["allowCredentials"] == {
        "key": [],
        "passwordProtectedKey": [listed[0] | {"encryptedPrivateKey": envelope}],
    }
    without: dict[str, Any] = {"challenge": "x", "allowCredentials": {"key": []}}
    assert client.do("readChallenge", handle=reader["handle"], challenge=without) == without


def flipped(sealed: str, position: int) -> str:
    data = bytearray(decode_base64url(sealed))
    data[position] ^= 1
    return encode_base64url(bytes(data))


CHANGES: dict[str, Callable[[str], str]] = {
    "another encapsulated key": lambda sealed: flipped(sealed, 64),
    "another ciphertext": lambda sealed: flipped(sealed, 65),
    "another tag": lambda sealed: flipped(sealed, -1),
    "truncated": lambda sealed: encode_base64url(decode_base64url(sealed)[:-1]),
    "an encapsulated key alone": lambda sealed: encode_base64url(decode_base64url(sealed)[:65]),
    "no base64": lambda _: "%",
    "not encrypted": lambda _: opaque_envelope(),
    "not encrypted, as base64": lambda _: base64.b64encode(opaque_envelope().encode()).decode(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_client_accepts_nothing_else(client: Client, reader: dict[str, str], change: Callable[[str], str]) -> None:
    """A server or proxy that answers without encryption is refused: there is no way back to it."""
    sealed = change(encrypted(reader, opaque_envelope()))
    with pytest.raises(ClientError) as thrown:
        client.do("readKey", handle=reader["handle"], credId=CREDENTIAL_ID, text=sealed)
    assert thrown.value.name == "DamagedEnvelopeError"


def test_a_key_is_bound_to_its_credential_and_its_reader(client: Client, reader: dict[str, str]) -> None:
    sealed = encrypted(reader, opaque_envelope())
    for handle, credential_id in ((reader["handle"], "b3RoZXI"), (client.do("newReader")["handle"], CREDENTIAL_ID)):
        with pytest.raises(ClientError) as thrown:
            client.do("readKey", handle=handle, credId=credential_id, text=sealed)
        assert thrown.value.name == "DamagedEnvelopeError"
