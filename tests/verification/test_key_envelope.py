"""R-23: the server keeps no private key that it can see to be unsafe, and says which of its rules is broken."""

import base64
import json
import secrets
import traceback

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from dfns_login.errors import AttestationRefused
from dfns_login.verification.key_envelope import EnvelopeForm, KeyEnvelope, check_key_envelope
from tests.support.authenticators import PASSPHRASE, SoftwareKey, armor, base64url, opaque_envelope

FIELD = "encrypted_private_key"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

PKCS8, TRADITIONAL, OPENSSH = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL, PrivateFormat.OpenSSH

# age, with the fields that its test suite uses: a header that parses, of which nothing opens.
SALT = base64.b64encode(bytes(range(16))).decode().rstrip("=")
BODY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
STANZA = f"-> scrypt {SALT} 17\n{BODY}\n"
HEADER = f"age-encryption.org/v1\n{STANZA}--- {BODY}\n"
PAYLOAD = bytes(range(16)) + bytes(200)
AGE = HEADER.encode() + PAYLOAD


def refusal(text: str) -> AttestationRefused:
    with pytest.raises(AttestationRefused) as refused:
        check_key_envelope(text)
    assert refused.value.status == 400
    assert list(refused.value.details) == [FIELD]
    return refused.value


@pytest.fixture(scope="module")
def age_envelope() -> str:
    envelope = SoftwareKey.with_age_envelope().encrypted_private_key
    assert envelope is not None
    return envelope


# What is kept


def test_an_armored_age_file_is_kept_as_it_came(age_envelope):
    assert check_key_envelope(age_envelope) == KeyEnvelope(form=EnvelopeForm.AGE, text=age_envelope)


def test_the_age_file_of_these_tests_opens_with_another_implementation(age_envelope):
    opened = pyrage.passphrase.decrypt(age_envelope.encode(), PASSPHRASE)
    assert opened.startswith(b"-----BEGIN PRIVATE KEY-----")


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(armor, id="armor"),
        pytest.param(lambda age: armor(age).strip(), id="armor without final line feed"),
        pytest.param(lambda age: armor(age).replace("\n", "\r\n"), id="armor with CRLF"),
        pytest.param(lambda age: f" \n{armor(age)}\n\n", id="armor amid white space"),
        pytest.param(lambda age: base64.b64encode(age).decode(), id="base64"),
        pytest.param(lambda age: base64.b64encode(age).decode().rstrip("="), id="base64 without padding"),
        pytest.param(base64url, id="base64url"),
    ],
)
def test_an_age_file_may_be_written_as(write):
    assert check_key_envelope(write(AGE)).form is EnvelopeForm.AGE


@pytest.mark.parametrize("work_factor", [17, 18, 19, 20])
def test_a_work_factor_from_17_to_20_is_kept(work_factor):
    assert check_key_envelope(armor(AGE.replace(b" 17\n", f" {work_factor}\n".encode())))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(opaque_envelope(), id="text"),
        pytest.param("é" * 50, id="100 bytes in 50 characters"),
        pytest.param("x" * 8192, id="8 KiB"),
        pytest.param(json.dumps({"alg": "AES-GCM", "iv": "A" * 16, "ciphertext": "B" * 200}, indent=1), id="JSON"),
        pytest.param(
            json.dumps({"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "B" * 43, "note": "public"}), id="public JWK"
        ),
        pytest.param("-----BEGIN PUBLIC KEY-----\n" + "A" * 120, id="public PEM"),
        pytest.param("[" * 4000, id="looks like JSON and is deep"),
    ],
)
def test_another_envelope_is_kept_as_it_came(text):
    assert check_key_envelope(text) == KeyEnvelope(form=EnvelopeForm.OPAQUE, text=text)


@pytest.mark.parametrize(
    "private_bytes",
    [
        pytest.param(lambda: EC_KEY.private_bytes(Encoding.PEM, PKCS8, BestAvailableEncryption(b"p")), id="PKCS#8"),
        pytest.param(
            lambda: EC_KEY.private_bytes(Encoding.PEM, TRADITIONAL, BestAvailableEncryption(b"p")), id="SEC 1"
        ),
        pytest.param(lambda: _openssh_with_cipher(b"aes256-ctr"), id="OpenSSH"),
    ],
)
def test_an_encrypted_pem_is_not_in_clear(private_bytes):
    text = private_bytes().decode()
    assert check_key_envelope(text).form is EnvelopeForm.OPAQUE
    assert check_key_envelope(json.dumps({"key": text})).form is EnvelopeForm.OPAQUE
    assert check_key_envelope(base64.b64encode(text.encode()).decode()).form is EnvelopeForm.OPAQUE


def test_an_encrypted_der_is_not_in_clear():
    der = EC_KEY.private_bytes(Encoding.DER, PKCS8, BestAvailableEncryption(b"p"))
    assert check_key_envelope(base64.b64encode(der).decode()).form is EnvelopeForm.OPAQUE


# Keys in clear


def _openssh_with_cipher(cipher: bytes) -> bytes:
    body = b"openssh-key-v1\0" + len(cipher).to_bytes(4, "big") + cipher + secrets.token_bytes(120)
    return b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64.encodebytes(body) + b"-----END OPENSSH PRIVATE KEY-----\n"


def _jwk() -> bytes:
    numbers = EC_KEY.private_numbers()
    coordinates = {"x": numbers.public_numbers.x, "y": numbers.public_numbers.y, "d": numbers.private_value}
    jwk = {name: base64url(value.to_bytes(32, "big")) for name, value in coordinates.items()}
    return json.dumps({"kty": "EC", "crv": "P-256"} | jwk).encode()


DER = {
    "PKCS#8 DER, P-256": EC_KEY.private_bytes(Encoding.DER, PKCS8, NoEncryption()),
    "PKCS#8 DER, P-521": ec.generate_private_key(ec.SECP521R1()).private_bytes(Encoding.DER, PKCS8, NoEncryption()),
    "PKCS#8 DER, RSA": RSA_KEY.private_bytes(Encoding.DER, PKCS8, NoEncryption()),
    "SEC 1 DER": EC_KEY.private_bytes(Encoding.DER, TRADITIONAL, NoEncryption()),
    "PKCS#1 DER": RSA_KEY.private_bytes(Encoding.DER, TRADITIONAL, NoEncryption()),
    "DER and more": EC_KEY.private_bytes(Encoding.DER, PKCS8, NoEncryption()) + bytes(50),
}

TEXT = {
    "PKCS#8 PEM, P-256": EC_KEY.private_bytes(Encoding.PEM, PKCS8, NoEncryption()),
    "PKCS#8 PEM, Ed25519": ED_KEY.private_bytes(Encoding.PEM, PKCS8, NoEncryption()),
    "PKCS#8 PEM, RSA": RSA_KEY.private_bytes(Encoding.PEM, PKCS8, NoEncryption()),
    "SEC 1 PEM": EC_KEY.private_bytes(Encoding.PEM, TRADITIONAL, NoEncryption()),
    "PKCS#1 PEM": RSA_KEY.private_bytes(Encoding.PEM, TRADITIONAL, NoEncryption()),
    "OpenSSH PEM": ED_KEY.private_bytes(Encoding.PEM, OPENSSH, NoEncryption()),
    "OpenSSH PEM that is cut": _openssh_with_cipher(b"aes256-ctr")[:36] + b"A" * 100,
    "JWK": _jwk(),
    "JWK set": b'{"keys":[' + _jwk() + b"]}",
    "PEM in JSON": json.dumps({"k": EC_KEY.private_bytes(Encoding.PEM, PKCS8, NoEncryption()).decode()}).encode(),
    "PKCS#8 in JSON": json.dumps(
        {"k": base64.b64encode(EC_KEY.private_bytes(Encoding.DER, PKCS8, NoEncryption())).decode()}
    ).encode(),
    "JWK as text in JSON": json.dumps({"v": 1, "key": _jwk().decode()}).encode(),
    "PEM labelled encrypted": EC_KEY.private_bytes(Encoding.PEM, PKCS8, NoEncryption()).replace(
        b"PRIVATE", b"ENCRYPTED PRIVATE"
    ),
    "PEM after an encrypted one": EC_KEY.private_bytes(Encoding.PEM, PKCS8, BestAvailableEncryption(b"p"))
    + EC_KEY.private_bytes(Encoding.PEM, PKCS8, NoEncryption()),
    "PEM amid text": b"my key:\n" + EC_KEY.private_bytes(Encoding.PEM, PKCS8, NoEncryption()) + b"\nkeep it",
}

WRITINGS = {
    "hex": bytes.hex,
    "hex in upper case": lambda data: data.hex().upper(),
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64 in lines": lambda data: base64.encodebytes(data).decode(),
    "base64 without padding": lambda data: base64.b64encode(data).decode().rstrip("="),
    "base64url": base64url,
    "base64 twice": lambda data: base64.b64encode(base64.b64encode(data)).decode(),
    "hex of base64": lambda data: base64.b64encode(data).hex(),
}


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize("clear", DER | TEXT)
def test_a_private_key_in_clear_is_refused(clear, writing):
    refused = refusal(WRITINGS[writing]((DER | TEXT)[clear]))
    assert refused.details == {FIELD: ["The private key is not encrypted. Encrypt it before you send it."]}


@pytest.mark.parametrize("clear", TEXT)
def test_a_private_key_in_clear_is_refused_as_it_stands(clear):
    assert "not encrypted" in str(refusal(TEXT[clear].decode()).details)


# Text that is no envelope


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("x" * 99, id="99 bytes"),
        pytest.param("x" * 8193, id="more than 8 KiB"),
        pytest.param("é" * 4097, id="more than 8 KiB in fewer characters"),
        pytest.param("x" * 200 + "\0", id="NUL"),
        pytest.param("x" * 200 + "\x1b[31m", id="escape"),
        pytest.param("x" * 200 + "\x7f", id="DEL"),
        pytest.param("x" * 200 + "\x85", id="C1 control"),
        pytest.param("x" * 200 + "\ud800", id="half a surrogate pair"),
    ],
)
def test_text_that_is_not_an_envelope_is_refused(text):
    assert check_key_envelope("x" * 200)
    refusal(text)


# age files


@pytest.mark.parametrize(
    ("age", "sentence"),
    [
        pytest.param(AGE.replace(b" 17\n", b" 16\n"), "between 17 and 20", id="work factor 16"),
        pytest.param(AGE.replace(b" 17\n", b" 10\n"), "between 17 and 20", id="work factor 10"),
        pytest.param(AGE.replace(b" 17\n", b" 1\n"), "between 17 and 20", id="work factor 1"),
        pytest.param(AGE.replace(b" 17\n", b" 21\n"), "between 17 and 20", id="work factor 21"),
        pytest.param(AGE.replace(b" 17\n", b" 30\n"), "between 17 and 20", id="work factor 30"),
        pytest.param(AGE.replace(b" 17\n", b" " + b"1" * 5000 + b"\n"), "between 17 and 20", id="5000 digits"),
        pytest.param(AGE.replace(b" 17\n", b" 017\n"), "not canonical", id="work factor with leading zero"),
        pytest.param(AGE.replace(b" 17\n", b" +17\n"), "not canonical", id="work factor with sign"),
        pytest.param(AGE.replace(b" 17\n", b" 17 \n"), "not canonical", id="space after the work factor"),
        pytest.param(AGE.replace(b" 17\n", b"\n"), "not canonical", id="no work factor"),
        pytest.param(AGE.replace(b" 17\n", b" 17 more\n"), "not canonical", id="argument too many"),
        pytest.param(AGE.replace(STANZA.encode(), STANZA.encode() * 2), "exactly one", id="two scrypt stanzas"),
        pytest.param(
            AGE.replace(STANZA.encode(), STANZA.encode() + f"-> X25519 {BODY}\n{BODY}\n".encode()),
            "exactly one",
            id="X25519 too",
        ),
        pytest.param(
            AGE.replace(STANZA.encode(), STANZA.encode() + b"-> a-grease x\nAAAA\n"),
            "exactly one",
            id="grease stanza too",
        ),
        pytest.param(
            AGE.replace(STANZA.encode(), f"-> X25519 {BODY}\n{BODY}\n".encode()), "exactly one", id="X25519 instead"
        ),
        pytest.param(AGE.replace(STANZA.encode(), b""), "exactly one", id="no stanza"),
        pytest.param(AGE.replace(b"scrypt", b"SCRYPT"), "exactly one", id="name in upper case"),
        pytest.param(
            AGE.replace(SALT.encode(), SALT[:-1].encode() + b"x"), "not canonical", id="salt with trailing bits"
        ),
        pytest.param(AGE.replace(SALT.encode(), SALT.encode() + b"=="), "not canonical", id="salt with padding"),
        pytest.param(AGE.replace(SALT.encode(), SALT[:-2].encode()), "not canonical", id="salt too short"),
        pytest.param(AGE.replace(SALT.encode(), SALT.encode() + b"AA"), "not canonical", id="salt too long"),
        pytest.param(AGE.replace(SALT.encode(), b"_" + SALT[1:].encode()), "not canonical", id="salt in base64url"),
        pytest.param(AGE.replace(b"8\n---", b"9\n---", 1), "not canonical", id="body with trailing bits"),
        pytest.param(AGE.replace(BODY.encode(), BODY.encode() + b"=", 1), "not canonical", id="body with padding"),
        pytest.param(AGE.replace(BODY.encode(), BODY[:-4].encode(), 1), "not canonical", id="body too short"),
        pytest.param(
            AGE.replace(b"--- " + BODY.encode(), b"--- " + BODY[:-1].encode() + b"9"), "not canonical", id="MAC bent"
        ),
        pytest.param(AGE.replace(b"--- ", b"---"), "not canonical", id="no space before the MAC"),
        pytest.param(HEADER.encode().replace(f"--- {BODY}\n".encode(), b"") + PAYLOAD, "not canonical", id="no MAC"),
        pytest.param(AGE.replace(b"\n", b"\r\n"), "unsupported version", id="CRLF"),
        pytest.param(AGE.replace(b"/v1", b"/v2"), "unsupported version", id="version 2"),
        pytest.param(AGE.replace(b"/v1\n", b"/v1 \n"), "unsupported version", id="space after the version"),
        pytest.param(HEADER.encode(), "incomplete", id="no payload"),
        pytest.param(HEADER.encode() + bytes(31), "incomplete", id="payload without a tag"),
    ],
)
@pytest.mark.parametrize("write", [armor, base64url], ids=["armor", "base64url"])
def test_an_age_file_has_one_scrypt_stanza_and_nothing_amiss(age, sentence, write):
    assert check_key_envelope(write(HEADER.encode() + bytes(32)))
    assert age != AGE
    assert sentence in str(refusal(write(age)).details)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("-----END AGE ENCRYPTED FILE-----\n", ""), id="no last line"),
        pytest.param(lambda text: text.replace("END AGE", "END age"), id="other last line"),
        pytest.param(lambda text: "hello\n" + text, id="text before"),
        pytest.param(lambda text: text + "hello", id="text after"),
        pytest.param(lambda text: text + text, id="two files"),
        pytest.param(lambda text: text.replace("\n", "\n\n"), id="empty lines"),
        pytest.param(lambda text: text.replace("-----\n", "-----\nFoo: bar\n", 1), id="header"),
        pytest.param(lambda text: text[:60] + "\n" + text[60:], id="short line"),
        pytest.param(lambda text: text[:60] + " " + text[60:], id="space"),
        pytest.param(lambda text: text[:60] + "_" + text[61:], id="base64url digit"),
        pytest.param(lambda text: text[:60] + text[61:], id="digit missing"),
        pytest.param(lambda text: text.replace("\n", "\r"), id="CR"),
        pytest.param(lambda text: json.dumps({"age": text}), id="in JSON"),
        pytest.param(lambda text: base64url(text.encode()), id="in base64"),
        pytest.param(lambda text: base64url(AGE) + "====", id="wrong padding"),
        pytest.param(lambda text: base64url(AGE)[:90] + "\n" + base64url(AGE)[90:], id="base64 in lines"),
        pytest.param(lambda text: AGE.hex(), id="in hex"),
        pytest.param(lambda text: HEADER + "payload as text, 32 bytes or more of it", id="header as text"),
    ],
)
def test_an_age_file_is_the_whole_text_in_its_strict_form(change):
    assert check_key_envelope(armor(AGE))
    assert "age" in str(refusal(change(armor(AGE))).details)


def test_a_payload_may_contain_text_like_a_header():
    age = HEADER.encode() + bytes(32) + b"\n-> X25519 AAAA\n--- AAAA\n"
    assert check_key_envelope(armor(age)).form is EnvelopeForm.AGE


# What is shown


def test_an_envelope_does_not_show_its_text():
    assert repr(check_key_envelope(opaque_envelope())) == "KeyEnvelope(form=<EnvelopeForm.OPAQUE: 'opaque'>)"


@pytest.mark.parametrize("text", ["hunter2", "hunter2\ud800" * 20, "-----BEGIN EC PRIVATE KEY-----hunter2" + "x" * 99])
def test_a_refusal_quotes_nothing(text):
    refused = refusal(text)
    assert "hunter2" not in "".join(traceback.format_exception(refused))
    assert "hunter2" not in f"{refused.reason} {refused.details}"


ANY = st.text(max_size=300) | st.binary(max_size=300).map(base64url) | st.binary(max_size=300).map(armor)
NEAR = st.binary(max_size=60).map(lambda data: armor(AGE[:40] + data + AGE[40:]))


@given(ANY | NEAR | ANY.map(lambda text: text * 3) | st.dictionaries(st.text(), ANY, min_size=3).map(json.dumps))
def test_any_text_is_kept_or_refused(text):
    try:
        kept = check_key_envelope(text)
    except AttestationRefused:
        return
    assert kept.text == text
