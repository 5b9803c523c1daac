"""Client data of the key kinds: what was signed, and for which challenge.

`Fido2` has client data of its own, which py_webauthn reads.
"""

import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dfns_login.verification.encoding import EncodingError, decode_base64url, parse_json_object

CLIENT_DATA_LIMIT: Final = 48 * 1024
"""Bytes. A recovery's challenge is the whole of the new credentials, twice in base64url within one body."""


class ClientDataType(StrEnum):
    """What the signature is for, as the `type` member says it."""

    ASSERTION = "key.get"
    ATTESTATION = "key.create"


class ClientDataError(ValueError):
    """Client data that are malformed, or of another ceremony. The message quotes nothing of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedClientData:
    """Client data that hold.

    origin: None where the client does not name one, as the official key signers do not.
    """

    type: ClientDataType
    origin: str | None


def claimed_challenge(encoded: str) -> str:
    """Challenge that client data say they answer; nothing is verified yet.

    encoded: base64url, as on the wire. For ceremonies whose challenge is the client's own, such as a recovery.
    Raises EncodingError.
    """
    challenge = parse_json_object(decode_base64url(encoded), limit=CLIENT_DATA_LIMIT).get("challenge")
    if not isinstance(challenge, str):
        msg = "It has no challenge that is text."
        raise EncodingError(msg)
    return challenge


def verify_client_data(
    raw: bytes, *, expected_type: ClientDataType, challenge: str, origins: tuple[str, ...]
) -> VerifiedClientData:
    """Verify that client data were made for this ceremony and this challenge.

    raw: bytes of `clientData`, a JSON object: the very bytes whose signature is verified.
    challenge: the text that the client was given; it is compared as text, never decoded.
    origins: compared exactly; those that client data may name. Unknown members are ignored.
    Raises ClientDataError.
    Source: Dfns API, Key client data; WebAuthn Level 3 §7.2 steps 8 to 13, of which this is the like.
    """
    try:
        members = parse_json_object(raw, limit=CLIENT_DATA_LIMIT)
    except EncodingError as error:
        raise ClientDataError(str(error)) from error
    if members.get("type") != expected_type.value:
        msg = f"The type is not {expected_type.value}."
        raise ClientDataError(msg)
    signed = members.get("challenge")
    if not isinstance(signed, str) or not hmac.compare_digest(signed.encode(), challenge.encode()):
        msg = "The challenge is not the one that was given."
        raise ClientDataError(msg)
    origin = members.get("origin")
    if "origin" in members and origin not in origins:
        msg = "The origin is not one of this relying party."
        raise ClientDataError(msg)
    if members.get("crossOrigin", False) is not False:
        msg = "The ceremony is cross-origin."
        raise ClientDataError(msg)
    if "topOrigin" in members:
        msg = "The ceremony is embedded in another page."
        raise ClientDataError(msg)
    return VerifiedClientData(type=expected_type, origin=origin if isinstance(origin, str) else None)
