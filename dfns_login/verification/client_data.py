"""Client data: which ceremony and which challenge a signature is for.

`verify_client_data` is for keys. The client data of passkeys come from the browser and are verified in `fido2`.
"""

import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dfns_login.verification.encoding import EncodingError, decode_base64url, parse_json_object

CLIENT_DATA_LIMIT: Final = 48 * 1024
"""Bytes. The challenge of a recovery contains all the new credentials, in base64url."""


UNKNOWN_ORIGIN: Final = "The origin is not one of this relying party."


class ClientDataType(StrEnum):
    """The `type` member of a key's client data."""

    ASSERTION = "key.get"
    ATTESTATION = "key.create"


class ClientDataError(ValueError):
    """Client data that are malformed or belong to another ceremony. The message never quotes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedClientData:
    """Verified client data. `origin` is None if the client named none, as the official key signers do."""

    type: ClientDataType
    origin: str | None


def claimed_challenge(encoded: str) -> str:
    """Return the challenge in unverified client data, for recovery, where the client makes the challenge.

    encoded: base64url, as on the wire.
    Raises: EncodingError.
    """
    challenge = parse_json_object(decode_base64url(encoded), limit=CLIENT_DATA_LIMIT).get("challenge")
    if not isinstance(challenge, str):
        raise EncodingError("It has no challenge.")
    return challenge


def verify_client_data(
    raw: bytes, *, expected_type: ClientDataType, challenge: str, origins: tuple[str, ...]
) -> VerifiedClientData:
    """Verify that a key's client data are for this ceremony and this challenge.

    raw: the bytes of `clientData`, exactly as they were signed.
    challenge: the challenge as the client received it. It is compared as text.
    origins: the origins that client data may name. Naming none is accepted; unknown members are ignored.
    Raises: ClientDataError.
    Source: Dfns API, Key client data; modeled on WebAuthn Level 3 §7.2 steps 8 to 13.
    """
    members = read_ceremony(raw, expected_type=expected_type, challenge=challenge)
    origin = members.get("origin")
    if "origin" in members and origin not in origins:
        raise ClientDataError(UNKNOWN_ORIGIN)
    return VerifiedClientData(type=expected_type, origin=origin if isinstance(origin, str) else None)


def read_ceremony(raw: bytes, *, expected_type: str, challenge: str) -> dict[str, object]:
    """Return the members of client data after verifying all of them but the origin.

    challenge: the expected value of the `challenge` member.
    Raises: ClientDataError, if the type or the challenge differs, or the page is embedded in one of another origin.
    """
    try:
        members = parse_json_object(raw, limit=CLIENT_DATA_LIMIT)
    except EncodingError as error:
        raise ClientDataError(str(error)) from error
    if members.get("type") != expected_type:
        raise ClientDataError(f"The type is not {expected_type}.")
    signed = members.get("challenge")
    if not isinstance(signed, str) or not hmac.compare_digest(signed.encode(), challenge.encode()):
        raise ClientDataError("The challenge is not the one that was issued.")
    if members.get("crossOrigin", False) is not False:
        raise ClientDataError("The ceremony is cross-origin.")
    if "topOrigin" in members:
        raise ClientDataError("The ceremony is embedded in another page.")
    return members
