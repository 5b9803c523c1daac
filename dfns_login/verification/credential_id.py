"""Credential ids, which the client or the authenticator chooses."""

from typing import Final

from dfns_login.verification.encoding import EncodingError, decode_base64url, encode_base64url

LONGEST: Final = 1023
"""Bytes after decoding (WebAuthn Level 3 §7.1 step 25)."""


def parse_credential_id(text: str) -> str:
    """Return the canonical form of a credential id: base64url without padding.

    Texts that decode to the same bytes have the same canonical form, so a unique column of it is unique after decoding.
    text: base64url of 1 to 1023 bytes.
    Raises: EncodingError.
    """
    data = decode_base64url(text)
    if not 1 <= len(data) <= LONGEST:
        raise EncodingError(f"It is not base64url of 1 to {LONGEST} bytes.")
    return encode_base64url(data)
