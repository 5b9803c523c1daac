"""Plausible, stable credentials for unknown usernames, derived from the username alone (WebAuthn L3 §14.6.2)."""

import hashlib
import hmac
import math
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from dfns_login.key_rings import key_rings
from dfns_login.models import ID_ALPHABET
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient
from dfns_login.verification.encoding import decode_base64url, encode_base64url
from dfns_login.verification.public_keys import KeyAlgorithm

T = TypeVar("T", bound=str)

CREDENTIAL_ID_LENGTHS = {"key": (32,), "webauthn": (16, 20, 32, 32, 64)}
"""Lengths of credential ids in bytes: those of the official key signer and of common authenticators."""
TAG_BYTES: Final = 8
"""Bytes at the end of a made-up credential id that authenticate the others. They look random without the key."""


def decoy_account_id(recipient: Recipient) -> str:
    """Return an account id that no account has."""
    number = int.from_bytes(_stream(recipient, b"account", 26))
    text = ""
    for _ in range(26):
        number, index = divmod(number, len(ID_ALPHABET))
        text += ID_ALPHABET[index]
    return f"us-{text[:5]}-{text[5:10]}-{text[10:]}"


def decoy_credentials(recipient: Recipient) -> list[tuple[str, str]]:
    """Return the list and the id of each made-up credential: `key` or `webauthn`, and base64url.

    They stay the same across calls, restarts and rotations of other keys.
    """
    kinds = _draw(login_settings().decoy_credentials, f"kinds {recipient.key}").split()
    return [(kind, _decoy_id(recipient, kind, position)) for position, kind in enumerate(kinds)]


def is_decoy(credential_id: str, *, organization: str) -> bool:
    """Return whether the id was made up for an unknown name of this organization.

    Such an id cannot be registered, because an id that an account has cannot be either (R-126).
    credential_id: in canonical form.
    """
    data = decode_base64url(credential_id)
    return hmac.compare_digest(_tag(data[:-TAG_BYTES], organization), data[-TAG_BYTES:])


def decoy_algorithm(credential_id: str, *, owner: str, among: Sequence[KeyAlgorithm]) -> KeyAlgorithm:
    """Draw the algorithm of a credential that does not exist, by the weights in `DECOY_ALGORITHMS`.

    Algorithms take different times to verify. A made-up credential takes the same time at every call, so that its time
    does not tell that it is made up. For another owner it is drawn again: a real credential has no algorithm there
    either (R-126).

    owner: whose credential the client says it is, and of what kind.
    """
    given = login_settings().decoy_algorithms
    weights = {each: given.get(each, 0) for each in among}
    return _draw(weights, f"algorithm {owner} {credential_id}") if any(weights.values()) else among[0]


def _draw(weights: Mapping[T, int], seed: str) -> T:
    """Draw a member by its weight. Changing a weight changes only draws of the member whose weight it is.

    Source: Efraimidis and Spirakis, Weighted random sampling with a reservoir (2006).
    """

    def rank(member: T) -> float:
        drawn = int.from_bytes(hmac.digest(key_rings().decoys, f"{seed}\0{member}".encode(), "sha256")[:8])
        return -math.log((drawn + 1) / (2**64 + 1)) / weights[member]

    return min((member for member, weight in weights.items() if weight), key=rank)


def _decoy_id(recipient: Recipient, kind: str, position: int) -> str:
    stream = _stream(recipient, f"credential {position}".encode(), 72)
    lengths = CREDENTIAL_ID_LENGTHS[kind]
    length = lengths[int.from_bytes(stream[:8]) % len(lengths)]
    data = stream[8 : 8 + length - TAG_BYTES]
    return encode_base64url(data + _tag(data, recipient.organization))


def _tag(data: bytes, organization: str) -> bytes:
    message = f"credential id {organization}\0".encode() + data
    return hmac.digest(key_rings().decoys, message, "sha256")[:TAG_BYTES]


def _stream(recipient: Recipient, purpose: bytes, length: int) -> bytes:
    seed = hmac.digest(key_rings().decoys, purpose + b"\0" + recipient.key.encode(), "sha256")
    return hashlib.shake_256(seed).digest(length)
