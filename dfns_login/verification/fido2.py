"""Passkeys: what a browser and its authenticator send, given to py_webauthn.

py_webauthn verifies relying party, user presence and verification, backup flags and signatures. Before it come the
rules that it does not have: client data that can be read in one way only and do not come from an embedded page, and
CBOR that does not unfold. The attestation of a new passkey is in `attestation_object`.
"""

import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from webauthn import verify_authentication_response
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import AuthenticationCredential, AuthenticatorAssertionResponse, CredentialDeviceType

from dfns_login.verification.cbor import CborError, end_of_item
from dfns_login.verification.client_data import CLIENT_DATA_LIMIT
from dfns_login.verification.cose import write_cose_key
from dfns_login.verification.encoding import EncodingError, decode_base64url, encode_base64url, parse_json_object
from dfns_login.verification.public_keys import PublicKey

AUTHENTICATOR_DATA_LIMIT: Final = 8 * 1024
"""Bytes; those of a new passkey with a key of 4096 bits have about 800."""

# Hash of the relying party id, flags, sign count (WebAuthn Level 3 §6.1) ...
_HEADER: Final = 32 + 1 + 4
_FLAGS_AT: Final = 32
_ATTESTED: Final = 0x40
_EXTENDED: Final = 0x80
# ... then AAGUID, length of the credential id, that id, and the key in CBOR (§6.5.1).
_ID_LENGTH_AT: Final = slice(_HEADER + 16, _HEADER + 18)

_QUOTED: Final = re.compile(r' "[^"]*"')


class Fido2Error(ValueError):
    """What a passkey sent does not hold. The message quotes nothing of it but numbers of algorithms."""


class Fido2ClientDataType(StrEnum):
    """What the signature is for, as the `type` member of a browser's client data says it."""

    ASSERTION = "webauthn.get"
    ATTESTATION = "webauthn.create"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fido2ClientData:
    """Client data of a browser that hold, for this challenge.

    raw: the bytes that are signed.
    """

    type: Fido2ClientDataType
    origin: str
    challenge: str = field(repr=False)
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyState:
    """What an authenticator says of a passkey with each signature (WebAuthn Level 3 §6.1.1, §6.1.3).

    sign_count: 0 where the authenticator does not count.
    backup_eligible: it may be copied to other devices.
    backed_up: it has been.
    """

    sign_count: int
    backup_eligible: bool
    backed_up: bool


def verify_fido2_client_data(
    raw: bytes, *, expected_type: Fido2ClientDataType, challenge: str, origins: tuple[str, ...]
) -> Fido2ClientData:
    """Verify that a browser made these client data for this ceremony and this challenge.

    challenge: the text that the client was given. The official signer hands its UTF-8 bytes to the browser, so that
    the client data have base64url of the text.
    origins: compared exactly; one of them has to be named. Unknown members are ignored: Chromium adds some at random.
    Raises Fido2Error.
    Source: WebAuthn Level 3 §5.8.1, §7.1 steps 6 to 11, §7.2 steps 9 to 14.
    """
    try:
        members = parse_json_object(raw, limit=CLIENT_DATA_LIMIT)
    except EncodingError as error:
        raise Fido2Error(str(error)) from error
    if members.get("type") != expected_type.value:
        msg = f"The type is not {expected_type.value}."
        raise Fido2Error(msg)
    signed, expected = members.get("challenge"), encode_base64url(challenge.encode())
    if not isinstance(signed, str) or not hmac.compare_digest(signed.encode(), expected.encode()):
        msg = "The challenge is not the one that was given."
        raise Fido2Error(msg)
    origin = members.get("origin")
    if not isinstance(origin, str) or origin not in origins:
        msg = "The origin is not one of this relying party."
        raise Fido2Error(msg)
    if members.get("crossOrigin", False) is not False:
        msg = "The ceremony is cross-origin."
        raise Fido2Error(msg)
    if "topOrigin" in members:
        msg = "The ceremony is embedded in another page."
        raise Fido2Error(msg)
    return Fido2ClientData(type=expected_type, origin=origin, challenge=challenge, raw=raw)


def verify_passkey_signature(
    client_data: Fido2ClientData, *, authenticator_data: bytes, signature: bytes, public_key: PublicKey, rp_id: str
) -> PasskeyState:
    """Verify that the key signed these client data, for this relying party, for a user who was verified.

    The sign count is read, and compared with nothing.
    Raises Fido2Error, or PublicKeyError if no passkey has such a key.
    Source: WebAuthn Level 3 §7.2 steps 15 to 21.
    """
    check_authenticator_data(authenticator_data)
    cose_key = write_cose_key(public_key)
    response = AuthenticatorAssertionResponse(
        client_data_json=client_data.raw, authenticator_data=authenticator_data, signature=signature
    )
    with library_refuses():
        verified = verify_authentication_response(
            credential=AuthenticationCredential(id="", raw_id=b"", response=response),  # the key is chosen already
            expected_challenge=client_data.challenge.encode(),
            expected_rp_id=rp_id,
            expected_origin=client_data.origin,
            credential_public_key=cose_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    return PasskeyState(
        sign_count=verified.new_sign_count,
        backup_eligible=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        backed_up=verified.credential_backed_up,
    )


def read_user_handle(encoded: str | None) -> str | None:
    """Read the account id that a discoverable passkey gives back; None where there is none.

    encoded: `userHandle` as on the wire, base64url of the id in UTF-8; absent or empty.
    Raises Fido2Error.
    """
    try:
        return decode_base64url(encoded).decode() if encoded else None
    except ValueError as error:
        msg = "The user handle is not base64url of a text."
        raise Fido2Error(msg) from error


def check_authenticator_data(data: bytes) -> None:
    """Check that authenticator data are as long as they say, and that their CBOR can be decoded without harm.

    Raises Fido2Error.
    Source: WebAuthn Level 3 §6.1, §6.5.1.
    """
    if not _HEADER <= len(data) <= AUTHENTICATOR_DATA_LIMIT:
        msg = f"The authenticator data have not {_HEADER} to {AUTHENTICATOR_DATA_LIMIT} bytes."
        raise Fido2Error(msg)
    end = _HEADER
    try:
        if data[_FLAGS_AT] & _ATTESTED:
            end = end_of_item(data, start=_ID_LENGTH_AT.stop + int.from_bytes(data[_ID_LENGTH_AT], "big"))
        if data[_FLAGS_AT] & _EXTENDED:
            end = end_of_item(data, start=end)
    except CborError as error:
        raise Fido2Error(str(error)) from error
    if end != len(data):
        msg = "The authenticator data have bytes after their end."
        raise Fido2Error(msg)


@contextmanager
def library_refuses() -> Iterator[None]:
    """Turn whatever py_webauthn raises into Fido2Error.

    It says what does not hold in an exception of its own; what is malformed raises wherever it is met.
    """
    try:
        yield
    except Fido2Error:
        raise
    except WebAuthnException as error:
        sentence, _, _ = str(error).partition(". See __cause__")
        msg = f"{_QUOTED.sub('', sentence)}."
        raise Fido2Error(msg) from error
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.ExtensionNotFound,
    ) as error:
        msg = "It is malformed."
        raise Fido2Error(msg) from error
