"""Encryption to an ephemeral key of the client: HPKE (RFC 9180), by the cryptography library."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from dfns_login.verification.encoding import EncodingError, decode_base64url, encode_base64url

SUITE: Final = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
POINT_LENGTH: Final = 65
"""Bytes of an uncompressed point of P-256 (SEC 1 §2.3.3)."""

EphemeralKey = ec.EllipticCurvePublicKey


def parse_ephemeral_key(text: str) -> EphemeralKey:
    """Parse a public key of P-256: base64url of the uncompressed point, 65 bytes (RFC 9180 §7.1.1).

    Raises: EncodingError, also for a point that is not on the curve.
    """
    point = decode_base64url(text)
    if len(point) != POINT_LENGTH:
        raise EncodingError("It is not an uncompressed point of P-256.")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise EncodingError("It is not a point of P-256.") from None


def encrypt_to(key: EphemeralKey, text: str, *, info: str) -> str:
    """Encrypt a text to the key. Returns base64url of the encapsulated key (65 bytes) and the ciphertext.

    info: what the text is for; decrypting requires the same.
    """
    return encode_base64url(SUITE.encrypt(text.encode(), key, info.encode()))
