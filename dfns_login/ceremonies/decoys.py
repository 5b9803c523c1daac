"""Plausible, stable credentials for unknown usernames, derived from the username alone (WebAuthn L3 §14.6.2)."""

import hashlib
import hmac

from dfns_login.ceremonies.factors import ListedCredential
from dfns_login.key_rings import key_rings
from dfns_login.models import ID_ALPHABET
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient
from dfns_login.verification.encoding import encode_base64url

CREDENTIAL_ID_LENGTHS = {"key": (32,), "webauthn": (16, 20, 32, 32, 64)}
"""Lengths of credential ids in bytes: those of the official key signer and of common authenticators."""


def decoy_account_id(recipient: Recipient) -> str:
    """Return an account id that no account has."""
    number = int.from_bytes(_stream(recipient, b"account", 26))
    text = ""
    for _ in range(26):
        number, index = divmod(number, len(ID_ALPHABET))
        text += ID_ALPHABET[index]
    return f"us-{text[:5]}-{text[5:10]}-{text[10:]}"


def decoy_credentials(recipient: Recipient) -> list[ListedCredential]:
    """Return made-up credentials, which stay the same across calls, restarts and rotations of other keys."""
    weights = login_settings().decoy_credentials
    drawn = int.from_bytes(_stream(recipient, b"kinds", 16)) % sum(weights.values())
    kinds: list[str] = []
    for names, weight in weights.items():
        drawn -= weight
        if drawn < 0:
            kinds = names.split()
            break
    return [_decoy_credential(recipient, kind, position) for position, kind in enumerate(kinds)]


def _decoy_credential(recipient: Recipient, kind: str, position: int) -> ListedCredential:
    stream = _stream(recipient, f"credential {position}".encode(), 72)
    lengths = CREDENTIAL_ID_LENGTHS[kind]
    length = lengths[int.from_bytes(stream[:8]) % len(lengths)]
    return ListedCredential(kind=kind, credential_id=encode_base64url(stream[8 : 8 + length]))


def _stream(recipient: Recipient, purpose: bytes, length: int) -> bytes:
    seed = hmac.digest(key_rings().decoys, purpose + b"\0" + recipient.key.encode(), "sha256")
    return hashlib.shake_256(seed).digest(length)
