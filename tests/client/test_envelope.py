"""Key envelopes: other programs decrypt the client's, and the client decrypts theirs."""

import base64
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from dfns_login.verification.key_envelope import EnvelopeForm, check_key_envelope
from project.person import opened_key
from tests.support.age import age_file, armor
from tests.support.age_command import Age
from tests.support.client_runners import Client, ClientError

# Longer than 64 characters, and different in each of the four normal forms.
PASSWORD = "Crème brûlée à ﬁne Ångström \uff12 " + "is what the fox ate, all of it, before midnight"
PASSPHRASE = unicodedata.normalize("NFKC", PASSWORD)
HEADER = re.compile(
    rb"age-encryption\.org/v1\n-> scrypt (?P<salt>\S{22}) (?P<work_factor>\d+)\n(?P<body>\S{43})\n--- (?P<mac>\S{43})\n"
    rb"(?P<nonce>.{16})(?P<payload>.+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A key created by a client with PASSWORD."""

    client: Client
    public_key: str
    envelope: str
    handle: str


@pytest.fixture(scope="module")
def made(client: Client) -> Made:
    found = client.do("create", password=PASSWORD)
    return Made(client=client, public_key=found["publicKey"], envelope=found["envelope"], handle=found["handle"])


@cache
def a_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem_of(key: Any) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def cheap_file(plaintext: bytes, *, passphrase: str = PASSPHRASE) -> bytes:
    """An age file with a low work factor, so that decrypting is fast."""
    return age_file(plaintext, passphrase=passphrase, work_factor=8)


def fields(envelope: str) -> dict[str, bytes]:
    match = HEADER.fullmatch(base64.b64decode("".join(envelope.splitlines()[1:-1])))
    assert match
    return match.groupdict()


def public_pem(private_key: ec.EllipticCurvePrivateKey) -> str:
    public = private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return public.decode().rstrip("\n")


def signs_as(client: Client, handle: str, key: ec.EllipticCurvePrivateKey) -> bool:
    """Whether the public key verifies signatures of the decrypted key."""
    (made,) = client.do("assertions", kind="Key", handle=handle, credId="AA", challenges=["c"])
    said = made["credentialAssertion"]
    signature, message = (base64.urlsafe_b64decode(said[name] + "==") for name in ("signature", "clientData"))
    key.public_key().verify(signature, message, ec.ECDSA(SHA256()))
    return True


def thrown_by_opening(client: Client, envelope: str, password: str) -> str:
    with pytest.raises(ClientError) as thrown:
        client.do("open", envelope=envelope, password=password)
    return thrown.value.name


def test_pyrage_decrypts_the_envelope(made: Made) -> None:
    assert public_pem(opened_key(made.envelope, PASSPHRASE)) == made.public_key


def test_the_age_command_decrypts_the_envelope(made: Made, age: Age) -> None:
    pem = age.decrypt(made.envelope.encode(), passphrase=PASSPHRASE)
    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert public_pem(key) == made.public_key


def test_the_server_accepts_the_envelope_and_its_work_factor(made: Made) -> None:
    """R-25."""
    assert check_key_envelope(made.envelope).form is EnvelopeForm.AGE
    assert fields(made.envelope)["work_factor"] == b"17"


def test_reencrypting_with_the_same_password_changes_everything(made: Made) -> None:
    """R-26."""
    again = made.client.do("reencrypt", envelope=made.envelope, oldPassword=PASSWORD, newPassword=PASSWORD)
    before, after = fields(made.envelope), fields(again["envelope"])
    assert all(before[name] != after[name] for name in ("salt", "body", "mac", "nonce", "payload"))
    assert public_pem(opened_key(again["envelope"], PASSPHRASE)) == made.public_key
    assert signs_as(made.client, again["handle"], opened_key(made.envelope, PASSPHRASE))


def test_after_reencrypting_only_the_new_password_decrypts_the_key(made: Made) -> None:
    again = made.client.do("reencrypt", envelope=made.envelope, oldPassword=PASSWORD, newPassword="another one")
    assert public_pem(opened_key(again["envelope"], "another one")) == made.public_key
    with pytest.raises(pyrage.DecryptError):
        opened_key(again["envelope"], PASSPHRASE)


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_the_password_can_be_typed_in_any_normal_form(in_node: Client, form: Any) -> None:
    typed = unicodedata.normalize(form, PASSWORD)
    assert form == "NFKC" or typed != PASSPHRASE
    envelope = armor(cheap_file(pem_of(a_key())))
    assert signs_as(in_node, in_node.do("open", envelope=envelope, password=typed), a_key())


def test_a_passphrase_that_was_not_normalized_decrypts_the_key(in_node: Client) -> None:
    decomposed = unicodedata.normalize("NFD", PASSWORD)
    envelope = armor(cheap_file(pem_of(a_key()), passphrase=decomposed))
    assert signs_as(in_node, in_node.do("open", envelope=envelope, password=decomposed), a_key())


def test_a_wrong_password_is_reported(made: Made) -> None:
    assert thrown_by_opening(made.client, made.envelope, "not it") == "WrongPasswordError"


@pytest.mark.parametrize("wrong", [PASSWORD[:-1], PASSWORD.swapcase(), ""], ids=["short of one", "other case", "empty"])
def test_a_similar_password_is_wrong(client: Client, wrong: str) -> None:
    assert thrown_by_opening(client, armor(cheap_file(pem_of(a_key()))), wrong) == "WrongPasswordError"


def test_an_armored_file_of_the_age_command_is_decrypted(client: Client, age: Age) -> None:
    envelope = age.encrypt(pem_of(a_key()), passphrase=PASSPHRASE, armored=True).decode()
    assert signs_as(client, client.do("open", envelope=envelope, password=PASSWORD), a_key())


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode], ids=["base64", "base64url"])
def test_a_base64_age_file_is_decrypted(in_node: Client, encode: Any) -> None:
    envelope = encode(cheap_file(pem_of(a_key()))).decode().rstrip("=")
    assert signs_as(in_node, in_node.do("open", envelope=envelope, password=PASSWORD), a_key())


def test_armor_with_windows_line_endings_is_decrypted(in_node: Client) -> None:
    pem = pem_of(a_key()).replace(b"\n", b"\r\n")
    envelope = armor(cheap_file(pem)).replace("\n", "\r\n")
    assert signs_as(in_node, in_node.do("open", envelope=envelope, password=PASSWORD), a_key())


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


def damaged() -> dict[str, str]:
    """Envelopes encrypted with PASSWORD, each with one defect."""
    whole = cheap_file(pem_of(a_key()))
    mac = whole.index(b"\n--- ") + 5
    stanza = whole[whole.index(b"-> ") : mac - 4]
    other_curve = ec.generate_private_key(ec.SECP384R1())
    files = {
        "a bit of the payload is flipped": flipped(whole, -1),
        "its end is missing": whole[:-1],
        "its payload is missing": whole[: mac + 44],
        "the MAC of the header is another": whole[:mac] + b"A" * 42 + b"A" + whole[mac + 43 :],
        "its header is cut": whole[: mac - 10],
        "it is for two passphrases": whole.replace(stanza, stanza * 2),
        "its work factor is 21": whole.replace(b" 8\n", b" 21\n", 1),
        "its work factor is 99": whole.replace(b" 8\n", b" 99\n", 1),
        "it is of another version": whole.replace(b"/v1\n", b"/v2\n", 1),
        "it holds a key of another curve": cheap_file(pem_of(other_curve)),
        "it holds something else": cheap_file(b"a letter"),
    }
    texts = {
        "nothing": "",
        "armor of nothing": "-----BEGIN AGE ENCRYPTED FILE-----\n-----END AGE ENCRYPTED FILE-----",
        "armor that does not end": armor(whole).rpartition("-----END")[0],
        "text before the armor": "Key: " + armor(whole),
        "no base64": "!" * 200,
        "an opaque envelope": "sealed.v1." + "A" * 200,
        "the key in clear": pem_of(a_key()).decode(),
    }
    return {name: armor(file) for name, file in files.items()} | texts


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_envelope_is_not_reported_as_a_wrong_password(in_node: Client, name: str) -> None:
    assert thrown_by_opening(in_node, damaged()[name], PASSWORD) == "DamagedEnvelopeError"


def test_the_worker_reports_a_damaged_envelope_too(in_chromium: Client) -> None:
    assert thrown_by_opening(in_chromium, damaged()["its end is missing"], PASSWORD) == "DamagedEnvelopeError"


def test_a_decrypted_key_signs_and_cannot_be_exported(made: Made) -> None:
    opened = made.client.do("open", envelope=made.envelope, password=PASSWORD)
    for handle in (made.handle, opened):
        assert made.client.do("keyIs", handle=handle) == {
            "type": "private",
            "extractable": False,
            "usages": ["sign"],
            "algorithm": {"name": "ECDSA", "namedCurve": "P-256"},
        }
        for form in ("pkcs8", "jwk"):
            # Node 20 throws InvalidAccessException
            assert made.client.do("exportKey", handle=handle, format=form).startswith("InvalidAccess")
