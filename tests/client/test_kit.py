"""The recovery kit: typos are found, other spellings are accepted, and the file can be opened without the site."""

import base64
import random
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from dfns_login.verification.assertion import KeyAssertion, KeyAssertionVerifier, StoredKey
from dfns_login.verification.attestation import KeyAttestation, KeyAttestationVerifier
from dfns_login.verification.key_envelope import EnvelopeForm, check_key_envelope
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.age_command import Age
from tests.support.authenticators import Members, base64url, compact_json, new_challenge
from tests.support.client_runners import Client

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ARMOR = re.compile(r"-----BEGIN AGE ENCRYPTED FILE-----.*-----END AGE ENCRYPTED FILE-----\n", re.DOTALL)
OWNER = "jane@example.co · Example · http://localhost · 2026-11-24"


@pytest.fixture(scope="module")
def kit(client: Client) -> Members:
    made: Members = client.do("newKit")
    return made


@pytest.fixture(scope="module")
def kit_keys(in_node: Client) -> list[str]:
    keys: list[str] = in_node.do("newKitKeys", count=20)
    return keys


def plain(kit_key: str) -> str:
    return kit_key.replace("-", "")


def problems(client: Client, texts: list[str]) -> set[str | None]:
    return {each.get("problem") for each in client.do("parseKits", texts=texts)}


def test_a_kit_key_is_ten_groups_of_four(kit_keys: list[str]) -> None:
    assert all(re.fullmatch(rf"[{ALPHABET}]{{4}}(-[{ALPHABET}]{{4}}){{9}}", each) for each in kit_keys)
    assert set("".join(kit_keys)) == {*ALPHABET, "-"}
    assert len(set(kit_keys)) == len(kit_keys)


def test_a_kit_key_contains_the_id_and_the_secret_of_its_recovery_key(kit_keys: list[str], in_node: Client) -> None:
    for kit_key, read in zip(kit_keys, in_node.do("parseKits", texts=kit_keys), strict=True):
        assert read["credId"] == base64url(b"kit:" + plain(kit_key)[:12].encode())
        assert read["secret"] == plain(kit_key)[12:38]


def test_any_single_wrong_character_is_found(kit_keys: list[str], in_node: Client) -> None:
    for kit_key in map(plain, kit_keys[:5]):
        wrong = [
            kit_key[:place] + digit + kit_key[place + 1 :]
            for place in range(len(kit_key))
            for digit in ALPHABET
            if digit != kit_key[place]
        ]
        assert len(wrong) == 40 * 31
        assert problems(in_node, wrong) == {"check"}


def test_two_swapped_neighbors_are_found(kit_keys: list[str], in_node: Client) -> None:
    wrong = [
        each[:place] + each[place + 1] + each[place] + each[place + 2 :]
        for each in map(plain, kit_keys)
        for place in range(len(each) - 1)
        if each[place] != each[place + 1]
    ]
    assert problems(in_node, wrong) == {"check"}


def test_two_characters_swapped_around_a_third_are_found(kit_keys: list[str], in_node: Client) -> None:
    wrong = [
        each[:place] + each[place + 2] + each[place + 1] + each[place] + each[place + 3 :]
        for each in map(plain, kit_keys)
        for place in range(len(each) - 2)
        if each[place] != each[place + 2]
    ]
    assert problems(in_node, wrong) == {"check"}


def test_a_missing_or_extra_character_is_found(kit_keys: list[str], in_node: Client) -> None:
    digits = plain(kit_keys[0])
    wrong = [digits[:place] + digits[place + 1 :] for place in range(40)]
    wrong += [digits[:place] + digits[place] + digits[place:] for place in range(40)]
    assert problems(in_node, [*wrong, "", "-"]) == {"length"}


@pytest.mark.parametrize("wrong", ["U", "!", "é", "٣", "🦊"])
def test_an_invalid_character_is_found(kit_keys: list[str], in_node: Client, wrong: str) -> None:
    texts = [plain(kit_keys[0])[: -len(wrong)] + wrong]
    assert problems(in_node, texts) <= {"character", "length"}


def test_other_spellings_of_a_kit_key_are_accepted(kit_keys: list[str], in_node: Client) -> None:
    rng = random.Random(4)
    kit_key = next(each for each in kit_keys if {"0", "1"} <= set(each))
    (read,) = in_node.do("parseKits", texts=[kit_key])
    full_width = "".join(chr(ord(digit) - 0x20 + 0xFF00) for digit in plain(kit_key))
    others = [
        kit_key.lower(),
        plain(kit_key),
        f"  {kit_key}\r\n",
        kit_key.replace("-", " "),
        kit_key.replace("-", " \u2013 "),
        kit_key.replace("-", "\u00ad\u2011"),
        kit_key.replace("-", "\u2212"),
        "\u200e" + kit_key.replace("-", "\u00a0"),
        kit_key.replace("0", "O").replace("1", "I"),
        kit_key.replace("0", "o").replace("1", "l"),
        full_width,
        "".join(rng.choice([digit, digit.lower()]) for digit in kit_key),
    ]
    assert in_node.do("parseKits", texts=others) == [read] * len(others)


def test_the_recovery_key_registers_and_signs_the_new_credentials(client: Client, kit: Members) -> None:
    challenge = new_challenge()
    credential = client.do("recoveryCredential", kit=kit, challenge=challenge)
    info = credential["credentialInfo"]
    assert credential["credentialKind"] == "RecoveryKey"
    assert check_key_envelope(credential["encryptedPrivateKey"]).form is EnvelopeForm.AGE
    attested = KeyAttestation(
        credential_id=info["credId"], client_data=info["clientData"], attestation_data=info["attestationData"]
    )
    verifier = KeyAttestationVerifier(origins=(), algorithms=(KeyAlgorithm.P256,))
    verified = verifier.verify(attested, challenge=challenge)
    (read,) = client.do("parseKits", texts=[kit["kitKey"]])
    assert verified.credential_id == read["credId"]

    opened = client.do("open", envelope=credential["encryptedPrivateKey"], password=read["secret"])
    new = {"firstFactorCredential": {"credentialKind": "Key", "credentialName": "clé"}}
    signed = client.do("signNewCredentials", handle=opened, credId=read["credId"], newCredentials=new)
    assert (signed["kind"], signed["credentialAssertion"]["credId"]) == ("RecoveryKey", read["credId"])
    KeyAssertionVerifier(origins=()).verify(
        KeyAssertion(
            client_data=signed["credentialAssertion"]["clientData"],
            signature=signed["credentialAssertion"]["signature"],
        ),
        stored=StoredKey(credential_id=read["credId"], spki=verified.public_key.spki),
        challenge=base64url(compact_json(new).encode()),
    )


def test_the_kit_file_names_its_owner_and_opens_with_its_passphrase(client: Client, kit: Members, age: Age) -> None:
    text = client.do("kitFile", kit=kit, owner=OWNER)
    assert OWNER in text
    assert f"    {kit['kitKey']}\n" in text
    (passphrase,) = re.findall(rf"^ {{4}}([{ALPHABET}]{{26}})$", text, re.MULTILINE)
    (armored,) = ARMOR.findall(text)
    key = load_pem_private_key(age.decrypt(armored.encode(), passphrase=passphrase), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert public.rstrip("\n") == kit["publicKey"]


def test_registration_does_not_send_the_kit(client: Client, kit: Members) -> None:
    sent = client.do("recoveryCredential", kit=kit, challenge="c")
    decoded = compact_json(sent).encode() + b"".join(
        base64.urlsafe_b64decode(each + "==") for each in sent["credentialInfo"].values()
    )
    (read,) = client.do("parseKits", texts=[kit["kitKey"]])
    assert read["secret"].encode() not in decoded
    assert kit["kitKey"].encode() not in decoded
