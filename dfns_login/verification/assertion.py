"""Assertions: proof that somebody holds a credential's private key.

There is one verifier for keys and one for passkeys. Each returns a `VerifiedAssertion`, which the next step requires.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dfns_login.errors import AssertionRefused, SignCountRegressed
from dfns_login.verification.client_data import (
    ClientDataError,
    ClientDataType,
    VerifiedClientData,
    verify_client_data,
)
from dfns_login.verification.encoding import EncodingError, decode_base64url
from dfns_login.verification.fido2 import (
    Fido2ClientData,
    Fido2ClientDataType,
    Fido2Error,
    PasskeyState,
    read_user_handle,
    verify_fido2_client_data,
    verify_passkey_signature,
)
from dfns_login.verification.public_keys import (
    RSA_BITS,
    RSA_EXPONENT,
    KeyAlgorithm,
    PublicKey,
    PublicKeyError,
    SignatureError,
    load_spki,
    verify_signature,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAssertion:
    """Assertion of a key as on the wire, in base64url. The wire's `algorithm` is ignored: the stored key decides."""

    client_data: str = field(repr=False)
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fido2Assertion:
    """Assertion of a passkey as on the wire, in base64url.

    user_handle: None or empty if the authenticator sent none.
    """

    client_data: str = field(repr=False)
    authenticator_data: str = field(repr=False)
    signature: str = field(repr=False)
    user_handle: str | None = field(default=None, repr=False)

    @property
    def claimed_account_id(self) -> str | None:
        """Account id in the unverified user handle, for looking the credential up."""
        try:
            return read_user_handle(self.user_handle)
        except Fido2Error:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A stored credential. `credential_id` is canonical; `spki` is DER SubjectPublicKeyInfo."""

    credential_id: str
    spki: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPasskey(StoredKey):
    """A stored passkey.

    account_id: the account that it belongs to, which is also its user handle.
    sign_count: the last sign count that the authenticator sent.
    backup_eligible: as it was when the passkey was registered. It never changes (WebAuthn Level 3 §6.1.3).
    """

    account_id: str
    sign_count: int
    backup_eligible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedAssertion:
    """Proof that the credential's private key signed the challenge. Only a verifier makes one."""

    credential_id: str
    public_key: PublicKey
    client_data: VerifiedClientData | Fido2ClientData


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedFido2Assertion(VerifiedAssertion):
    """A verified assertion of a passkey. `state` is to be stored with the credential."""

    state: PasskeyState


@cache
def _decoy_key(algorithm: KeyAlgorithm) -> StoredPasskey:
    """Return a key to verify against if there is no credential, so that the answer takes the same time.

    The private key is discarded.
    """
    match algorithm:
        case KeyAlgorithm.ED25519:
            key: PublicKeyTypes = ed25519.Ed25519PrivateKey.generate().public_key()
        case KeyAlgorithm.RSA:
            key = rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=RSA_BITS.start).public_key()
        case _:
            key = ec.generate_private_key(_CURVES[algorithm]).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return StoredPasskey(credential_id="", account_id="", sign_count=0, backup_eligible=False, spki=spki)


_CURVES: Final = {
    KeyAlgorithm.P256: ec.SECP256R1(),
    KeyAlgorithm.P384: ec.SECP384R1(),
    KeyAlgorithm.SECP256K1: ec.SECP256K1(),
}

_NO_CREDENTIAL: Final = "The account has no such credential."


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAssertionVerifier:
    """Verifies assertions of kind `Key`, `PasswordProtectedKey` and `RecoveryKey`.

    origins: the origins that client data may name.
    """

    origins: tuple[str, ...]

    def verify(
        self,
        assertion: KeyAssertion,
        *,
        stored: StoredKey | None,
        challenge: str,
        absent: KeyAlgorithm = KeyAlgorithm.P256,
    ) -> VerifiedAssertion:
        """Verify that the stored key signed this challenge.

        The signature is verified first, so client data that the key has not signed are never parsed.
        stored: None if the account has no such credential. The work and the answer are the same.
        challenge: the challenge as the client received it.
        absent: the algorithm to verify with if there is no credential.
        Raises: AssertionRefused, with the same message for every failure. The reason is for the log.
        Source: Dfns API, Complete User Login, `credentialAssertion`; modeled on WebAuthn Level 3 §7.2, §14.6.2.
        """
        try:
            client_data = decode_base64url(assertion.client_data)
            signature = decode_base64url(assertion.signature)
            public_key = load_spki((stored or _decoy_key(absent)).spki)
            verify_signature(public_key, signature=signature, message=client_data)
            verified = verify_client_data(
                client_data, expected_type=ClientDataType.ASSERTION, challenge=challenge, origins=self.origins
            )
        except (EncodingError, PublicKeyError, SignatureError, ClientDataError) as error:
            raise _refusal(error, stored=stored) from error
        if stored is None:  # pragma: no cover: its private key was thrown away
            raise AssertionRefused(_NO_CREDENTIAL)
        return VerifiedAssertion(credential_id=stored.credential_id, public_key=public_key, client_data=verified)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fido2AssertionVerifier:
    """Verifies assertions of kind `Fido2`.

    origins: the origins that a browser may name.
    """

    rp_id: str
    origins: tuple[str, ...]

    def verify(
        self,
        assertion: Fido2Assertion,
        *,
        stored: StoredPasskey | None,
        challenge: str,
        absent: KeyAlgorithm = KeyAlgorithm.P256,
    ) -> VerifiedFido2Assertion:
        """Verify that the stored passkey signed this challenge after verifying its user.

        A user handle may be missing. If there is one, it must be the account's.
        stored: None if the account has no such credential. The work and the answer are the same.
        challenge: the challenge as the client received it.
        absent: the algorithm to verify with if there is no credential.
        Raises: AssertionRefused, as `KeyAssertionVerifier` does; SignCountRegressed, with the same message, if only
            the sign count is wrong.
        Source: Dfns API, Complete User Login, `credentialAssertion`; WebAuthn Level 3 §7.2.
        """
        held = stored or _decoy_key(absent)
        try:
            client_data = verify_fido2_client_data(
                decode_base64url(assertion.client_data),
                expected_type=Fido2ClientDataType.ASSERTION,
                challenge=challenge,
                origins=self.origins,
            )
            public_key = load_spki(held.spki)
            state = verify_passkey_signature(
                client_data,
                authenticator_data=decode_base64url(assertion.authenticator_data),
                signature=decode_base64url(assertion.signature),
                public_key=public_key,
                rp_id=self.rp_id,
            )
            user_handle = read_user_handle(assertion.user_handle)
        except (EncodingError, ClientDataError, PublicKeyError, Fido2Error) as error:
            raise _refusal(error, stored=stored) from error
        if stored is None:  # pragma: no cover: its private key was thrown away
            raise AssertionRefused(_NO_CREDENTIAL)
        if user_handle not in (None, stored.account_id):
            raise AssertionRefused("The user handle names another account.")
        if state.backup_eligible != stored.backup_eligible:
            raise AssertionRefused("The backup eligibility is not that of the registered passkey.")
        if (state.sign_count or stored.sign_count) and state.sign_count <= stored.sign_count:
            raise SignCountRegressed(f"The sign count is {state.sign_count}, and was {stored.sign_count}.")
        return VerifiedFido2Assertion(
            credential_id=stored.credential_id, public_key=public_key, client_data=client_data, state=state
        )


def _refusal(error: ValueError, *, stored: StoredKey | None) -> AssertionRefused:
    return AssertionRefused(f"{type(error).__name__}: {error}" if stored else _NO_CREDENTIAL)
