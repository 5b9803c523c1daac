"""Passkeys: assertions of a browser and its authenticator, verified with py_webauthn.

py_webauthn verifies the relying party, user presence and verification, backup flags and signatures. This module adds
what it lacks: strict client data that do not come from an embedded page, and CBOR that is safe to decode. The
attestation of a new passkey is verified in `attestation_object`.
"""

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
from dfns_login.verification.client_data import UNKNOWN_ORIGIN, ClientDataError, read_ceremony
from dfns_login.verification.cose import write_cose_key
from dfns_login.verification.encoding import decode_base64url, encode_base64url
from dfns_login.verification.public_keys import PublicKey

AUTHENTICATOR_DATA_LIMIT: Final = 8 * 1024
"""Bytes. A new passkey with a 4096-bit key takes about 800."""

# Hash of the relying party id, flags, sign count (WebAuthn Level 3 §6.1) ...
_HEADER: Final = 32 + 1 + 4
_FLAGS_AT: Final = 32
_ATTESTED: Final = 0x40
_EXTENDED: Final = 0x80
# ... then AAGUID, length of the credential id, that id, and the key in CBOR (§6.5.1).
_ID_LENGTH_AT: Final = slice(_HEADER + 16, _HEADER + 18)

_QUOTED: Final = re.compile(r' "[^"]*"')


class Fido2Error(ValueError):
    """A passkey's answer that fails verification. The message quotes nothing but algorithm numbers."""


class Fido2ClientDataType(StrEnum):
    """The `type` member of a browser's client data."""

    ASSERTION = "webauthn.get"
    ATTESTATION = "webauthn.create"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fido2ClientData:
    """A browser's verified client data. `raw` are the signed bytes."""

    type: Fido2ClientDataType
    origin: str
    challenge: str = field(repr=False)
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyState:
    """State that an authenticator reports with each signature (WebAuthn Level 3 §6.1.1, §6.1.3).

    sign_count: 0 if the authenticator does not count.
    backup_eligible: whether the passkey may be synchronized to other devices.
    backed_up: whether it has been.
    """

    sign_count: int
    backup_eligible: bool
    backed_up: bool


def verify_fido2_client_data(
    raw: bytes, *, expected_type: Fido2ClientDataType, challenge: str, origins: tuple[str, ...]
) -> Fido2ClientData:
    """Verify that a browser made these client data for this ceremony and this challenge.

    challenge: the challenge as the client received it. The official signer passes its UTF-8 bytes to the browser, so
        the client data contain base64url of the text.
    origins: the origins that a browser may name. Unknown members are ignored: Chromium adds some at random.
    Raises: ClientDataError.
    Source: WebAuthn Level 3 §5.8.1, §7.1 steps 6 to 11, §7.2 steps 9 to 14.
    """
    members = read_ceremony(raw, expected_type=expected_type, challenge=encode_base64url(challenge.encode()))
    origin = members.get("origin")
    if not isinstance(origin, str) or origin not in origins:
        raise ClientDataError(UNKNOWN_ORIGIN)
    return Fido2ClientData(type=expected_type, origin=origin, challenge=challenge, raw=raw)


def verify_passkey_signature(
    client_data: Fido2ClientData, *, authenticator_data: bytes, signature: bytes, public_key: PublicKey, rp_id: str
) -> PasskeyState:
    """Verify that the key signed these client data for this relying party, after verifying its user.

    The sign count is returned, not compared.
    Raises: Fido2Error; PublicKeyError, if passkeys cannot have such a key.
    Source: WebAuthn Level 3 §7.2 steps 15 to 21.
    """
    check_authenticator_data(authenticator_data)
    cose_key = write_cose_key(public_key)
    response = AuthenticatorAssertionResponse(
        client_data_json=client_data.raw, authenticator_data=authenticator_data, signature=signature
    )
    with library_refuses():
        verified = verify_authentication_response(
            credential=AuthenticationCredential(id="", raw_id=b"", response=response),  # the caller has chosen the key
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
    """Decode the user handle, which is the account id. Return None if it is absent or empty.

    encoded: `userHandle` as on the wire, base64url of UTF-8.
    Raises: Fido2Error.
    """
    try:
        return decode_base64url(encoded).decode() if encoded else None
    except ValueError as error:
        raise Fido2Error("The user handle is not base64url of text.") from error


def check_authenticator_data(data: bytes) -> None:
    """Check that authenticator data have the length they declare, and that their CBOR is safe to decode.

    Raises: Fido2Error.
    Source: WebAuthn Level 3 §6.1, §6.5.1.
    """
    if not _HEADER <= len(data) <= AUTHENTICATOR_DATA_LIMIT:
        raise Fido2Error(f"The authenticator data are not {_HEADER} to {AUTHENTICATOR_DATA_LIMIT} bytes long.")
    end = _HEADER
    try:
        if data[_FLAGS_AT] & _ATTESTED:
            end = end_of_item(data, start=_ID_LENGTH_AT.stop + int.from_bytes(data[_ID_LENGTH_AT], "big"))
        if data[_FLAGS_AT] & _EXTENDED:
            end = end_of_item(data, start=end)
    except CborError as error:
        raise Fido2Error(str(error)) from error
    if end != len(data):
        raise Fido2Error("The authenticator data have trailing bytes.")


@contextmanager
def library_refuses() -> Iterator[None]:
    """Convert what py_webauthn raises to Fido2Error.

    It raises its own exceptions for failed verifications, and any of the built-in ones for malformed input.
    """
    try:
        yield
    except Fido2Error:
        raise
    except WebAuthnException as error:
        sentence, _, _ = str(error).partition(". See __cause__")
        raise Fido2Error(f"{_QUOTED.sub('', sentence)}.") from error
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
        raise Fido2Error("It is malformed.") from error
