"""IDs: opaque to clients, with a prefix that names the model."""

import re
import secrets
from typing import Final

ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ID_MAX_LENGTH = 64
"""Longest ID that is stored or looked up."""
ORGANIZATION_ID: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{ID_MAX_LENGTH}}}")
"""What may be the ID of an organization, which may be named in a link."""


def opaque_id(prefix: str) -> str:
    """Return a random ID with this prefix: 26 base32 characters (130 bits), grouped as Dfns groups its IDs."""
    text = "".join(secrets.choice(ID_ALPHABET) for _ in range(26))
    return f"{prefix}-{text[:5]}-{text[5:10]}-{text[10:]}"


def new_organization_id() -> str:
    """Return a new `or-…`."""
    return opaque_id("or")


def new_account_id() -> str:
    """Return a new `us-…`."""
    return opaque_id("us")


def new_credential_id() -> str:
    """Return a new `cr-…`: the credential's own ID, next to the credential ID that the client chose."""
    return opaque_id("cr")
