"""Conversion of passkeys' public keys between COSE, which py_webauthn uses, and the stored SubjectPublicKeyInfo.

Nothing is lost, because each kind of key has exactly one COSE algorithm here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography, encode_cbor
from webauthn.helpers.cose import COSECRV, COSEKTY, COSEAlgorithmIdentifier, COSEKey
from webauthn.helpers.exceptions import WebAuthnException

from dfns_login.verification.public_keys import KeyAlgorithm, PublicKey, PublicKeyError, load_spki

COSE_ALGORITHMS: Final[Mapping[KeyAlgorithm, int]] = MappingProxyType(
    {
        KeyAlgorithm.P256: COSEAlgorithmIdentifier.ECDSA_SHA_256.value,
        KeyAlgorithm.RSA: COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256.value,
        KeyAlgorithm.ED25519: COSEAlgorithmIdentifier.EDDSA.value,
    }
)
"""The algorithms of passkeys, as in `pubKeyCredParams` (RFC 9053 §2, RFC 8812 §2)."""


def read_cose_key(cose: bytes, *, algorithms: tuple[KeyAlgorithm, ...]) -> PublicKey:
    """Convert the public key of a new passkey.

    cose: COSE_Key in CBOR that `cbor.end_of_item` has accepted.
    algorithms: the kinds of key that may be registered.
    Raises: PublicKeyError.
    Source: WebAuthn Level 3 §5.8.5, RFC 9053 §7.
    """
    try:
        decoded = decode_credential_public_key(cose)
        key = decoded_public_key_to_cryptography(decoded)
        public_key = load_spki(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    except PublicKeyError:
        raise
    except (WebAuthnException, UnsupportedAlgorithm, ValueError, TypeError, LookupError) as error:
        # py_webauthn assumes that all members exist and have the right types.
        raise PublicKeyError("The public key cannot be read.") from error
    if public_key.algorithm not in algorithms or decoded.alg != COSE_ALGORITHMS.get(public_key.algorithm):
        raise PublicKeyError(f"{public_key.algorithm.value} keys are not accepted, or not with this algorithm.")
    return public_key


def write_cose_key(public_key: PublicKey) -> bytes:
    """Convert a stored public key to COSE.

    Raises: PublicKeyError, if passkeys cannot have such a key.
    """
    key = load_der_public_key(public_key.spki)
    members: dict[COSEKey, object]
    match key:
        case ec.EllipticCurvePublicKey() if public_key.algorithm is KeyAlgorithm.P256:
            point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            members = {
                COSEKey.KTY: COSEKTY.EC2,
                COSEKey.CRV: COSECRV.P256,
                COSEKey.X: point[1:33],
                COSEKey.Y: point[33:],
            }
        case ed25519.Ed25519PublicKey():
            members = {COSEKey.KTY: COSEKTY.OKP, COSEKey.CRV: COSECRV.ED25519, COSEKey.X: key.public_bytes_raw()}
        case rsa.RSAPublicKey():
            numbers = key.public_numbers()
            members = {COSEKey.KTY: COSEKTY.RSA, COSEKey.N: _big_endian(numbers.n), COSEKey.E: _big_endian(numbers.e)}
        case _:
            raise PublicKeyError(f"Passkeys cannot have {public_key.algorithm.value} keys.")
    members[COSEKey.ALG] = COSE_ALGORITHMS[public_key.algorithm]
    return encode_cbor(members)


def _big_endian(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
