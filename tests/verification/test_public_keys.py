"""R-60, R-61, R-63: which keys may be registered, in which form, and what they verify."""

import base64
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from dfns_login.verification.public_keys import (
    KeyAlgorithm,
    PublicKey,
    PublicKeyError,
    SignatureError,
    load_spki,
    parse_public_key,
    public_key_pem,
    verify_signature,
)
from tests.support.authenticators import SoftwareKey

EVERY = tuple(KeyAlgorithm)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

every_algorithm = pytest.mark.parametrize("algorithm", KeyAlgorithm)


@cache
def key(algorithm: KeyAlgorithm) -> SoftwareKey:
    return SoftwareKey.make(algorithm)


def spki_pem(public_key) -> str:
    return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def pem_of(der: bytes, *, label: str = "PUBLIC KEY") -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


@every_algorithm
def test_a_key_of_each_kind_is_read(algorithm):
    read = parse_public_key(key(algorithm).public_pem, algorithms=EVERY)
    assert read == PublicKey(algorithm=algorithm, spki=key(algorithm).spki)
    assert load_spki(read.spki) == read


@every_algorithm
def test_a_stored_key_is_written_as_pem_that_reads_the_same(algorithm):
    pem = public_key_pem(key(algorithm).spki)
    assert pem.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert pem.endswith("-----END PUBLIC KEY-----\n")
    assert parse_public_key(pem, algorithms=EVERY).spki == key(algorithm).spki


@every_algorithm
def test_a_kind_that_is_not_listed_is_refused(algorithm):
    others = tuple(set(KeyAlgorithm) - {algorithm})
    with pytest.raises(PublicKeyError, match="not accepted"):
        parse_public_key(key(algorithm).public_pem, algorithms=others)


def test_a_pkcs1_key_is_the_same_key():
    rsa_key = key(KeyAlgorithm.RSA)
    pem = rsa_key.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
    assert pem.startswith("-----BEGIN RSA PUBLIC KEY-----")
    assert parse_public_key(pem, algorithms=EVERY).spki == rsa_key.spki


def test_a_key_shows_its_kind_and_no_bytes():
    assert repr(parse_public_key(key(KeyAlgorithm.P256).public_pem, algorithms=EVERY)) == (
        "PublicKey(algorithm=<KeyAlgorithm.P256: 'P-256'>)"
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda pem: pem + "\n", id="final line feed"),
        pytest.param(lambda pem: pem.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda pem: pem.replace("\n", "\r\n") + "\r\n", id="CRLF and a final one"),
        pytest.param(lambda pem: "\n".join([pem[:26], "".join(pem.split("\n")[1:-1]), pem[-24:]]), id="one long line"),
    ],
)
def test_ends_of_lines_are_free(change):
    pem = key(KeyAlgorithm.P256).public_pem
    changed = change(pem)
    assert changed != pem
    assert parse_public_key(changed, algorithms=EVERY).spki == key(KeyAlgorithm.P256).spki


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda pem: f"{pem}\n{pem}", id="two blocks"),
        pytest.param(lambda pem: f"{pem}\n{SoftwareKey.make().public_pem}", id="another key after it"),
        pytest.param(lambda pem: f"hello\n{pem}", id="text before"),
        pytest.param(lambda pem: f"{pem}\nhello", id="text after"),
        pytest.param(lambda pem: f"\n{pem}", id="line feed before"),
        pytest.param(lambda pem: f" {pem}", id="space before"),
        pytest.param(lambda pem: f"{pem}\n\n", id="two line feeds after"),
        pytest.param(lambda pem: f"{pem}\0", id="NUL after"),
        pytest.param(lambda pem: f"\ufeff{pem}", id="byte order mark"),
        pytest.param(lambda pem: pem.replace("-----\n", "-----\n\n", 1), id="empty line"),
        pytest.param(lambda pem: pem.replace("-----\n", "-----\nFoo: bar\n\n", 1), id="header"),
        pytest.param(lambda pem: pem.replace("PUBLIC KEY", "public key"), id="label in lower case"),
        pytest.param(lambda pem: pem.replace("PUBLIC KEY", "EC PUBLIC KEY"), id="unknown label"),
        pytest.param(lambda pem: pem.replace("PUBLIC KEY", "CERTIFICATE"), id="label of a certificate"),
        pytest.param(lambda pem: pem.replace("PUBLIC KEY", "RSA PUBLIC KEY"), id="label of another form"),
        pytest.param(lambda pem: pem.replace("END PUBLIC", "END RSA PUBLIC"), id="labels that differ"),
        pytest.param(lambda pem: pem.replace("\n", "\r"), id="CR"),
        pytest.param(lambda pem: pem.replace("M", " M", 1), id="space inside"),
        pytest.param(lambda pem: pem[:40] + "-" + pem[41:], id="base64url digit"),
        pytest.param(lambda pem: pem[:40] + pem[41:], id="digit missing"),
        pytest.param(lambda pem: pem.replace("==", "=", 1), id="padding missing"),
        pytest.param(lambda _: "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", id="empty block"),
        pytest.param(lambda pem: pem.replace("\n", "\n" + "A" * 5000 + "\n", 1), id="long"),
        pytest.param(lambda _: "", id="nothing"),
    ],
)
def test_a_key_is_one_pem_block_and_nothing_else(change):
    """R-61."""
    pem = key(KeyAlgorithm.P256).public_pem
    assert parse_public_key(pem, algorithms=EVERY)
    changed = change(pem)
    assert changed != pem
    with pytest.raises(PublicKeyError):
        parse_public_key(changed, algorithms=EVERY)


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(lambda k: k.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), id="PKCS#8"),
        pytest.param(
            lambda k: k.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()), id="SEC 1"
        ),
        pytest.param(
            lambda k: pem_of(k.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).encode(),
            id="mislabelled",
        ),
    ],
)
def test_a_private_key_is_refused(pem):
    """R-61."""
    with pytest.raises(PublicKeyError):
        parse_public_key(pem(key(KeyAlgorithm.P256).private_key).decode(), algorithms=EVERY)


def rsa_pem(*, modulus: int, exponent: int = 65537) -> str:
    return spki_pem(rsa.RSAPublicNumbers(exponent, modulus).public_key())


def test_rsa_keys_from_2048_to_4096_bits_are_read():
    for bits in (2048, 3072, 4096):
        read = parse_public_key(rsa_pem(modulus=2 ** (bits - 1) + 1), algorithms=EVERY)
        assert read.algorithm is KeyAlgorithm.RSA


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(lambda: rsa_pem(modulus=2**511 + 1), id="RSA 512"),
        pytest.param(lambda: rsa_pem(modulus=2**1023 + 1), id="RSA 1024"),
        pytest.param(lambda: rsa_pem(modulus=2**2046 + 1), id="RSA 2047"),
        pytest.param(lambda: rsa_pem(modulus=2**4096 + 1), id="RSA 4097"),
        pytest.param(lambda: rsa_pem(modulus=2**16383 + 1), id="RSA 16384"),
        pytest.param(lambda: rsa_pem(modulus=2**2047 + 1, exponent=3), id="RSA e=3"),
        pytest.param(lambda: rsa_pem(modulus=2**2047 + 1, exponent=2**32 + 1), id="RSA e=2^32+1"),
        pytest.param(lambda: rsa_pem(modulus=2**2047), id="RSA even modulus"),
        pytest.param(lambda: spki_pem(dsa.generate_private_key(1024).public_key()), id="DSA"),  # noqa: S505  # weak on purpose
        pytest.param(lambda: spki_pem(x25519.X25519PrivateKey.generate().public_key()), id="X25519"),
        pytest.param(lambda: spki_pem(ed448.Ed448PrivateKey.generate().public_key()), id="Ed448"),
        pytest.param(lambda: spki_pem(ec.generate_private_key(ec.SECP224R1()).public_key()), id="P-224"),
        pytest.param(lambda: spki_pem(ec.generate_private_key(ec.SECP521R1()).public_key()), id="P-521"),
        pytest.param(lambda: spki_pem(ec.generate_private_key(ec.SECP192R1()).public_key()), id="P-192"),
        pytest.param(lambda: spki_pem(ec.generate_private_key(ec.BrainpoolP256R1()).public_key()), id="brainpool"),
    ],
)
def test_a_key_of_another_kind_or_strength_is_refused(pem):
    """R-60."""
    with pytest.raises(PublicKeyError):
        parse_public_key(pem(), algorithms=EVERY)


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize(
    "y",
    [
        0,
        1,
        2**255 - 20,
        2**255 - 19,
        2**255 - 18,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    ],
)
def test_an_ed25519_key_of_small_order_is_refused(y, sign):
    """R-60: one signature fits every message under such a key."""
    point = (y + (sign << 255)).to_bytes(32, "little")
    with pytest.raises(PublicKeyError, match="small order"):
        parse_public_key(spki_pem(ed25519.Ed25519PublicKey.from_public_bytes(point)), algorithms=EVERY)


def with_compressed_point() -> bytes:
    public_key = key(KeyAlgorithm.P256).private_key.public_key()
    point = public_key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return b"\x30\x39" + key(KeyAlgorithm.P256).spki[2:23] + b"\x03\x22\x00" + point


def labelled_rsassa_pss() -> bytes:
    spki = key(KeyAlgorithm.RSA).spki
    oid = bytes.fromhex("2a864886f70d0101")
    return spki.replace(oid + b"\x01\x05\x00", oid + b"\x0a\x05\x00", 1)


@pytest.mark.parametrize(
    ("der", "label"),
    [
        pytest.param(with_compressed_point, "PUBLIC KEY", id="compressed point"),
        pytest.param(labelled_rsassa_pss, "PUBLIC KEY", id="RSASSA-PSS"),
        pytest.param(lambda: key(KeyAlgorithm.RSA).spki, "RSA PUBLIC KEY", id="SPKI labelled PKCS#1"),
        pytest.param(lambda: key(KeyAlgorithm.P256).spki, "RSA PUBLIC KEY", id="EC labelled RSA"),
        pytest.param(
            lambda: key(KeyAlgorithm.RSA).private_key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1),
            "PUBLIC KEY",
            id="PKCS#1 labelled SPKI",
        ),
        pytest.param(lambda: key(KeyAlgorithm.P256).spki + b"\0", "PUBLIC KEY", id="bytes after it"),
    ],
)
def test_a_key_has_one_der_form(der, label):
    """R-61: what was signed is what is stored."""
    with pytest.raises(PublicKeyError):
        parse_public_key(pem_of(der(), label=label), algorithms=EVERY)


def test_base64_with_trailing_bits_is_refused():
    pem = key(KeyAlgorithm.P256).public_pem
    spare = pem.index("==") - 1
    bent = pem[:spare] + chr(ord(pem[spare]) + 1) + pem[spare + 1 :]
    with pytest.raises(PublicKeyError):
        parse_public_key(bent, algorithms=EVERY)


@given(st.text() | st.binary().map(pem_of) | st.binary().map(lambda der: pem_of(der, label="RSA PUBLIC KEY")))
def test_any_text_is_a_key_or_refused(text):
    with pytest.raises(PublicKeyError):
        parse_public_key(text, algorithms=EVERY)


@given(st.sampled_from(EVERY), st.integers(min_value=0, max_value=10_000), st.integers(min_value=0, max_value=255))
def test_any_changed_byte_of_a_key_gives_another_key_or_a_refusal(algorithm, position, byte):
    der = bytearray(key(algorithm).spki)
    der[position % len(der)] = byte
    try:
        read = parse_public_key(pem_of(bytes(der)), algorithms=EVERY)
    except PublicKeyError:
        return
    assert read.spki == bytes(der)


@given(st.binary())
def test_any_stored_bytes_are_a_key_or_refused(spki):
    with pytest.raises(PublicKeyError):
        load_spki(spki)
    with pytest.raises(PublicKeyError):
        public_key_pem(spki)


# Signatures


@every_algorithm
def test_a_signature_of_the_key_is_verified(algorithm):
    public_key = load_spki(key(algorithm).spki)
    verify_signature(public_key, signature=key(algorithm).sign(b"message"), message=b"message")


@every_algorithm
def test_a_signature_over_another_message_is_refused(algorithm):
    public_key = load_spki(key(algorithm).spki)
    with pytest.raises(SignatureError):
        verify_signature(public_key, signature=key(algorithm).sign(b"message"), message=b"messagf")


@every_algorithm
def test_a_signature_of_another_key_is_refused(algorithm):
    public_key = load_spki(key(algorithm).spki)
    with pytest.raises(SignatureError):
        verify_signature(public_key, signature=SoftwareKey.make(algorithm).sign(b"message"), message=b"message")


@given(st.sampled_from(EVERY), st.binary(max_size=600), st.binary())
def test_other_bytes_are_not_a_valid_signature(algorithm, signature, message):
    with pytest.raises(SignatureError):
        verify_signature(load_spki(key(algorithm).spki), signature=signature, message=message)


@given(st.sampled_from(EVERY), st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_any_flipped_bit_of_a_signature_is_refused(algorithm, position, bit):
    signature = bytearray(key(algorithm).sign(b"message"))
    signature[position % len(signature)] ^= 1 << bit
    with pytest.raises(SignatureError):
        verify_signature(load_spki(key(algorithm).spki), signature=bytes(signature), message=b"message")


def test_high_and_low_s_are_both_valid():
    """R-57: a message has many valid signatures, so none is an identifier."""
    p256 = key(KeyAlgorithm.P256)
    r, s = decode_dss_signature(p256.sign(b"message"))
    for either in (s, P256_ORDER - s):
        verify_signature(load_spki(p256.spki), signature=encode_dss_signature(r, either), message=b"message")


@pytest.mark.parametrize(("r", "s"), [(0, 0), (0, 1), (1, 0), (P256_ORDER, 1), (1, P256_ORDER)])
def test_an_ecdsa_signature_of_zeros_is_refused(r, s):
    with pytest.raises(SignatureError):
        verify_signature(load_spki(key(KeyAlgorithm.P256).spki), signature=encode_dss_signature(r, s), message=b"m")


def test_an_ecdsa_signature_that_is_not_der_is_refused():
    p256 = key(KeyAlgorithm.P256)
    r, s = decode_dss_signature(p256.sign(b"message"))
    with pytest.raises(SignatureError):
        verify_signature(
            load_spki(p256.spki), signature=r.to_bytes(32, "big") + s.to_bytes(32, "big"), message=b"message"
        )


@pytest.mark.parametrize(
    ("algorithm", "sign"),
    [
        pytest.param(KeyAlgorithm.P256, lambda k: k.sign(b"message", ec.ECDSA(SHA512())), id="P-256 with SHA-512"),
        pytest.param(KeyAlgorithm.P384, lambda k: k.sign(b"message", ec.ECDSA(SHA512())), id="P-384 with SHA-512"),
        pytest.param(KeyAlgorithm.RSA, lambda k: k.sign(b"message", padding.PKCS1v15(), SHA1()), id="RSA with SHA-1"),  # noqa: S303  # weak on purpose
        pytest.param(
            KeyAlgorithm.RSA, lambda k: k.sign(b"message", padding.PKCS1v15(), SHA512()), id="RSA with SHA-512"
        ),
        pytest.param(
            KeyAlgorithm.RSA,
            lambda k: k.sign(b"message", padding.PSS(padding.MGF1(SHA256()), 32), SHA256()),
            id="RSA-PSS",
        ),
    ],
)
def test_a_key_has_one_way_to_sign(algorithm, sign):
    """R-63: the key decides, and nobody can ask for another hash or padding."""
    with pytest.raises(SignatureError):
        verify_signature(load_spki(key(algorithm).spki), signature=sign(key(algorithm).private_key), message=b"message")


def test_a_key_that_cannot_sign_verifies_nothing():
    spki = x25519.X25519PrivateKey.generate().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(SignatureError):
        verify_signature(PublicKey(algorithm=KeyAlgorithm.ED25519, spki=spki), signature=bytes(64), message=b"")
