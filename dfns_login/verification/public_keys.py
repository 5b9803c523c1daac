"""Public keys that may be registered, and verification of their signatures.

The algorithm is determined by the key alone, never by a request.
"""

import base64
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

PEM_LIMIT: Final = 4096
"""Characters. A 4096-bit RSA key takes about 800."""

RSA_BITS: Final = range(2048, 4096 + 1)
RSA_EXPONENT: Final = 65537

_PEM: Final = re.compile(
    r"-----BEGIN (?P<label>PUBLIC KEY|RSA PUBLIC KEY)-----\r?\n"
    r"(?P<body>(?:[A-Za-z0-9+/]+\r?\n)*[A-Za-z0-9+/]+={0,2}\r?\n)"
    r"-----END (?P=label)-----(?:\r?\n)?"
)
_FORMATS: Final = {"PUBLIC KEY": PublicFormat.SubjectPublicKeyInfo, "RSA PUBLIC KEY": PublicFormat.PKCS1}

# y coordinates of the Ed25519 points whose order divides 8. Under such a key, one signature is valid for every message
# (RFC 8032 §5.1.7; the two large ones are the points of order 8).
_ED25519_PRIME: Final = 2**255 - 19
_ED25519_SMALL_ORDER: Final = frozenset(
    {
        0,
        1,
        _ED25519_PRIME - 1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    }
)


class KeyAlgorithm(StrEnum):
    """Kinds of public key that may be registered. `RSA` means 2048 to 4096 bits with exponent 65537."""

    P256 = "P-256"
    P384 = "P-384"
    SECP256K1 = "secp256k1"
    ED25519 = "Ed25519"
    RSA = "RSA"


_CURVES: Final = {
    "secp256r1": KeyAlgorithm.P256,
    "secp384r1": KeyAlgorithm.P384,
    "secp256k1": KeyAlgorithm.SECP256K1,
}


class PublicKeyError(ValueError):
    """A public key that cannot be read or may not be registered."""


class SignatureError(ValueError):
    """A signature that is not valid under the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A public key in the form in which it is stored and compared: DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7)."""

    algorithm: KeyAlgorithm
    spki: bytes = field(repr=False)


def parse_public_key(pem: str, *, algorithms: tuple[KeyAlgorithm, ...]) -> PublicKey:
    """Parse a public key that a client registers.

    pem: a single block `PUBLIC KEY` (SubjectPublicKeyInfo) or `RSA PUBLIC KEY` (PKCS#1) with nothing around it. Lines
        end in LF or CRLF; the last line end is optional. The key must be in its canonical DER form, with uncompressed
        points.
    Raises: PublicKeyError.
    Source: RFC 7468 §13; Dfns API, Key credentials, `publicKey`.
    """
    match = _PEM.fullmatch(pem) if len(pem) <= PEM_LIMIT else None
    if match is None:
        raise PublicKeyError("The public key is not a single PEM block PUBLIC KEY or RSA PUBLIC KEY.")
    try:
        body = "".join(match["body"].split())
        der = base64.b64decode(body, validate=True)
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PublicKeyError("The public key cannot be read.") from error
    public_key = _classify(key)
    if public_key.algorithm not in algorithms:
        raise PublicKeyError(f"{public_key.algorithm.value} keys are not accepted.")
    # The loaders also accept the other label, compressed points, trailing bits, and RSASSA-PSS without its parameters.
    labelled = match["label"] == "PUBLIC KEY" or public_key.algorithm is KeyAlgorithm.RSA
    if not labelled or key.public_bytes(Encoding.DER, _FORMATS[match["label"]]) != der or _base64(der) != body:
        raise PublicKeyError("The public key is not in its canonical DER form.")
    return public_key


def load_spki(spki: bytes) -> PublicKey:
    """Load a stored public key.

    spki: the value of `PublicKey.spki`.
    Raises: PublicKeyError, if such a key may not be registered.
    """
    try:
        return _classify(load_der_public_key(spki))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PublicKeyError("The public key cannot be read.") from error


def public_key_pem(spki: bytes) -> str:
    """Return a stored public key as PEM `PUBLIC KEY`, in lines of 64 characters that end in LF (RFC 7468 §13).

    Raises: PublicKeyError.
    """
    key = load_der_public_key(load_spki(spki).spki)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def verify_signature(public_key: PublicKey, *, signature: bytes, message: bytes) -> None:
    """Verify the key's signature over the message.

    signature: ECDSA with SHA-256 on any curve, as ASN.1 DER with high or low S; Ed25519, 64 bytes; RSA PKCS#1 v1.5 with
        SHA-256. A message has many valid signatures, so never use one as an identifier.
    Raises: SignatureError.
    Source: Dfns API, Key credentials; RFC 3279 §2.2.3, RFC 8032 §5.1.7, RFC 8017 §8.2.2.
    """
    key = load_der_public_key(public_key.spki)
    try:
        match key:
            case ec.EllipticCurvePublicKey():
                key.verify(signature, message, ec.ECDSA(SHA256()))
            case ed25519.Ed25519PublicKey():
                key.verify(signature, message)
            case rsa.RSAPublicKey():
                key.verify(signature, message, padding.PKCS1v15(), SHA256())
            case _:
                raise SignatureError("Keys of this kind cannot sign.")
    except InvalidSignature as error:
        raise SignatureError("The signature is not valid.") from error


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _classify(key: PublicKeyTypes) -> PublicKey:
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            algorithm = _CURVES[key.curve.name]
        case ed25519.Ed25519PublicKey():
            algorithm = _checked_ed25519(key)
        case rsa.RSAPublicKey():
            algorithm = _checked_rsa(key)
        case _:
            raise PublicKeyError("Public keys of this kind are not accepted.")
    return PublicKey(algorithm=algorithm, spki=key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _checked_ed25519(key: ed25519.Ed25519PublicKey) -> KeyAlgorithm:
    y = int.from_bytes(key.public_bytes_raw(), "little") % 2**255
    if y >= _ED25519_PRIME or y in _ED25519_SMALL_ORDER:
        raise PublicKeyError("The Ed25519 key is a point of small order.")
    return KeyAlgorithm.ED25519


def _checked_rsa(key: rsa.RSAPublicKey) -> KeyAlgorithm:
    numbers = key.public_numbers()
    if key.key_size not in RSA_BITS:
        raise PublicKeyError(f"The RSA key does not have {RSA_BITS.start} to {RSA_BITS.stop - 1} bits.")
    if numbers.e != RSA_EXPONENT or numbers.n % 2 == 0:
        raise PublicKeyError(f"The RSA key does not have an odd modulus and the exponent {RSA_EXPONENT}.")
    return KeyAlgorithm.RSA
