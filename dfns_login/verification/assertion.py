"""Assertions: proof that whoever signs in holds a credential's private key.

One verifier class for what signs alike. Each returns a VerifiedAssertion, which the steps that trust it require.
"""

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dfns_login.errors import AssertionRefused
from dfns_login.verification.client_data import (
    ClientDataError,
    ClientDataType,
    VerifiedClientData,
    verify_client_data,
)
from dfns_login.verification.encoding import EncodingError, decode_base64url
from dfns_login.verification.public_keys import PublicKey, PublicKeyError, SignatureError, load_spki, verify_signature


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAssertion:
    """Assertion of a key as on the wire.

    client_data, signature: base64url. The wire's `algorithm` has no place here: the stored key decides.
    """

    client_data: str = field(repr=False)
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """What the relying party holds of the credential that is said to sign.

    credential_id: canonical text.
    spki: DER, as it was stored.
    """

    credential_id: str
    spki: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedAssertion:
    """Proof that the holder of this credential answered the challenge. Only a verifier makes one."""

    credential_id: str
    public_key: PublicKey
    client_data: VerifiedClientData


# Stands in for a credential that is not there, so that its absence takes the same time. Nobody has its private key.
_NOBODYS_KEY: Final = StoredKey(
    credential_id="",
    spki=ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAssertionVerifier:
    """Verifies assertions of kind `Key`, `PasswordProtectedKey` and `RecoveryKey`.

    origins: those that client data may name.
    """

    origins: tuple[str, ...]

    def verify(self, assertion: KeyAssertion, *, stored: StoredKey | None, challenge: str) -> VerifiedAssertion:
        """Verify that the stored key made this assertion, for this challenge.

        The signature comes first, so nothing of the client data is read that the key has not signed.
        stored: None if the account has no such credential; the work is the same, and so is the answer.
        challenge: the text that the client was given.
        Raises AssertionRefused: one answer for every failure; what failed is in its reason, for the log.
        Source: Dfns API, Complete User Login, `credentialAssertion`; after WebAuthn Level 3 §7.2, §14.6.2.
        """
        try:
            client_data = decode_base64url(assertion.client_data)
            signature = decode_base64url(assertion.signature)
            public_key = load_spki((stored or _NOBODYS_KEY).spki)
            verify_signature(public_key, signature=signature, message=client_data)
            verified = verify_client_data(
                client_data, expected_type=ClientDataType.ASSERTION, challenge=challenge, origins=self.origins
            )
        except (EncodingError, PublicKeyError, SignatureError, ClientDataError) as error:
            reason = f"{type(error).__name__}: {error}" if stored else "The account has no such credential."
            raise AssertionRefused(reason) from error
        if stored is None:  # pragma: no cover: only whoever had nobody's private key would get here
            reason = "The account has no such credential."
            raise AssertionRefused(reason)
        return VerifiedAssertion(credential_id=stored.credential_id, public_key=public_key, client_data=verified)
