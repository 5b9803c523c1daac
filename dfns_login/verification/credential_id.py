"""The name that a client gives its credential."""

from typing import Final

from dfns_login.verification.encoding import EncodingError, decode_base64url, encode_base64url

LONGEST: Final = 1023
"""Bytes, decoded (WebAuthn Level 3 §7.1 step 25)."""


def parse_credential_id(text: str) -> str:
    """Read a credential id into its canonical text, base64url without padding.

    text: `credId` as on the wire, base64url of 1 to 1023 bytes. Two texts of the same bytes give the same result,
    so a unique column over it is unique after decoding.
    Raises EncodingError.
    """
    data = decode_base64url(text)
    if not 1 <= len(data) <= LONGEST:
        msg = f"It is not base64url of 1 to {LONGEST} bytes."
        raise EncodingError(msg)
    return encode_base64url(data)
