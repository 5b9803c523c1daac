"""Assertions: proof that whoever signs in holds a credential's private key.

One verifier class for what signs alike. Each returns a VerifiedAssertion, which the steps that trust it require.
"""

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
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
from dfns_login.verification.public_keys import PublicKey, PublicKeyError, SignatureError, load_spki, verify_signature


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAssertion:
    """Assertion of a key as on the wire.

    client_data, signature: base64url. The wire's `algorithm` has no place here: the stored key decides.
    """

    client_data: str = field(repr=False)
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fido2Assertion:
    """Assertion of a passkey as on the wire: base64url each.

    user_handle: None or empty where the authenticator gave none.
    """

    client_data: str = field(repr=False)
    authenticator_data: str = field(repr=False)
    signature: str = field(repr=False)
    user_handle: str | None = field(default=None, repr=False)

    @property
    def claimed_account_id(self) -> str | None:
        """Id of the account that the passkey says it is of, to look it up by; nothing is verified yet."""
        try:
            return read_user_handle(self.user_handle)
        except Fido2Error:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """What the relying party holds of the credential that is said to sign.

    credential_id: canonical text.
    spki: DER, as it was stored.
    """

    credential_id: str
    spki: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPasskey(StoredKey):
    """The same of a passkey.

    account_id: of the account whose credential it is; its user handle.
    sign_count: what the authenticator gave last.
    """

    account_id: str
    sign_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedAssertion:
    """Proof that the holder of this credential answered the challenge. Only a verifier makes one."""

    credential_id: str
    public_key: PublicKey
    client_data: VerifiedClientData | Fido2ClientData


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedFido2Assertion(VerifiedAssertion):
    """The same of a passkey. state: to be kept with the credential."""

    state: PasskeyState


# Stands in for a credential that is not there, so that its absence takes the same time. Nobody has its private key.
_NOBODYS_KEY: Final = StoredPasskey(
    credential_id="",
    account_id="",
    sign_count=0,
    spki=ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
)

_NO_CREDENTIAL: Final = "The account has no such credential."


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
            raise _refusal(error, stored=stored) from error
        if stored is None:  # pragma: no cover: only whoever had nobody's private key would get here
            raise AssertionRefused(_NO_CREDENTIAL)
        return VerifiedAssertion(credential_id=stored.credential_id, public_key=public_key, client_data=verified)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fido2AssertionVerifier:
    """Verifies assertions of kind `Fido2`.

    origins: those that a browser may name.
    """

    rp_id: str
    origins: tuple[str, ...]

    def verify(
        self, assertion: Fido2Assertion, *, stored: StoredPasskey | None, challenge: str
    ) -> VerifiedFido2Assertion:
        """Verify that the stored passkey made this assertion, for this challenge, and that its user was verified.

        stored: None if the account has no such credential; the work is the same, and so is the answer.
        challenge: the text that the client was given.
        A user handle may be missing; one that is there names the account.
        Raises AssertionRefused, as `KeyAssertionVerifier` does; or SignCountRegressed, the same to whoever asked, if
        all else holds.
        Source: Dfns API, Complete User Login, `credentialAssertion`; WebAuthn Level 3 §7.2.
        """
        held = stored or _NOBODYS_KEY
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
        except (EncodingError, PublicKeyError, Fido2Error) as error:
            raise _refusal(error, stored=stored) from error
        if stored is None:  # pragma: no cover: only whoever had nobody's private key would get here
            raise AssertionRefused(_NO_CREDENTIAL)
        if user_handle not in (None, stored.account_id):
            reason = "The user handle is that of another account."
            raise AssertionRefused(reason)
        if (state.sign_count or stored.sign_count) and state.sign_count <= stored.sign_count:
            reason = f"The sign count is {state.sign_count}, and was {stored.sign_count}."
            raise SignCountRegressed(reason)
        return VerifiedFido2Assertion(
            credential_id=stored.credential_id, public_key=public_key, client_data=client_data, state=state
        )

    def verify_discoverable(
        self, assertion: Fido2Assertion, *, stored: StoredPasskey | None, challenge: str
    ) -> VerifiedFido2Assertion:
        """Verify the same where nobody had said who signs in: a user handle must name the account.

        Source: WebAuthn Level 3 §7.2 step 6.
        """
        if not assertion.user_handle:
            reason = "There is no user handle."
            raise AssertionRefused(reason)
        return self.verify(assertion, stored=stored, challenge=challenge)


def _refusal(error: ValueError, *, stored: StoredKey | None) -> AssertionRefused:
    return AssertionRefused(f"{type(error).__name__}: {error}" if stored else _NO_CREDENTIAL)
