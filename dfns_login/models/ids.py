"""Ids of ours: opaque to clients, with a prefix that tells what they are of."""

import secrets

ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ID_MAX_LENGTH = 64
"""Longest id of ours, and longest that is looked at."""


def opaque_id(prefix: str) -> str:
    """`or-…`, `us-…`, `cr-…`: 26 base32 characters, 130 random bits, grouped as Dfns groups its own."""
    text = "".join(secrets.choice(ID_ALPHABET) for _ in range(26))
    return f"{prefix}-{text[:5]}-{text[5:10]}-{text[10:]}"


def new_organization_id() -> str:
    """`or-…`."""
    return opaque_id("or")


def new_account_id() -> str:
    """`us-…`."""
    return opaque_id("us")


def new_credential_id() -> str:
    """`cr-…`: the row's id on the wire, beside the credential id that the client chose."""
    return opaque_id("cr")
