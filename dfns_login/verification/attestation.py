"""Attestations: the public key of a new credential, signed by its private key.

Nothing is to be hidden from somebody who registers: a refusal names the field and says what is wrong with it.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from webauthn.helpers.structs import AuthenticatorTransport

from dfns_login.errors import AttestationRefused
from dfns_login.verification.attestation_object import AttestationPolicy, verify_attestation_object
from dfns_login.verification.client_data import (
    ClientDataError,
    ClientDataType,
    VerifiedClientData,
    verify_client_data,
)
from dfns_login.verification.credential_id import parse_credential_id
from dfns_login.verification.encoding import EncodingError, decode_base64url, decode_hex, parse_json_object
from dfns_login.verification.fido2 import (
    Fido2ClientData,
    Fido2ClientDataType,
    Fido2Error,
    PasskeyState,
    verify_fido2_client_data,
)
from dfns_login.verification.public_keys import (
    KeyAlgorithm,
    PublicKey,
    PublicKeyError,
    SignatureError,
    parse_public_key,
    verify_signature,
)

ATTESTATION_DATA_LIMIT: Final = 8 * 1024
"""Bytes of JSON; that of a 4096-bit RSA key has about 2000."""

_TRANSPORTS: Final = tuple(each.value for each in AuthenticatorTransport)

_NAMED_ALGORITHMS: Final = (None, "RSA-SHA256", "SHA256", "SHA512")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttestation:
    """`credentialInfo` of a key as on the wire: base64url each."""

    credential_id: str
    client_data: str = field(repr=False)
    attestation_data: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fido2Attestation:
    """`credentialInfo` of a passkey as on the wire: base64url each.

    transports: as the browser names them; the official signer sends none.
    """

    credential_id: str
    client_data: str = field(repr=False)
    attestation_data: str = field(repr=False)
    transports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedAttestation:
    """A new credential whose holder has its private key. Only a verifier makes one.

    credential_id: canonical text.
    """

    credential_id: str
    public_key: PublicKey
    client_data: VerifiedClientData | Fido2ClientData


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedFido2Attestation(VerifiedAttestation):
    """The same of a passkey.

    state: to be kept with the credential, as are the transports, in the order in which they were given.
    aaguid: make of the authenticator, as a UUID; worth what the statement is worth.
    statement_format: `none`, or the one that was verified.
    """

    state: PasskeyState
    aaguid: str
    statement_format: str
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttestationVerifier:
    """Verifies attestations of kind `Key`, `PasswordProtectedKey` and `RecoveryKey`.

    origins: those that client data may name.
    algorithms: kinds of key that may be registered.
    """

    origins: tuple[str, ...]
    algorithms: tuple[KeyAlgorithm, ...]

    def verify(self, attestation: KeyAttestation, *, challenge: str) -> VerifiedAttestation:
        """Verify that a new key signed itself, for this challenge.

        challenge: the text that the client was given.
        Raises AttestationRefused, whose details name the field.
        Source: Dfns API, Key credentials, `credentialInfo`; WebAuthn Level 3 §7.1, of which this is the like.
        """
        with _refusal_names("credentialInfo.credId"):
            credential_id = parse_credential_id(attestation.credential_id)
        with _refusal_names("credentialInfo.clientData"):
            client_data = decode_base64url(attestation.client_data)
            verified = verify_client_data(
                client_data,
                expected_type=ClientDataType.ATTESTATION,
                challenge=challenge,
                origins=self.origins,
            )
        with _refusal_names("credentialInfo.attestationData"):
            pem, signature = _read_attestation_data(attestation.attestation_data)
            public_key = parse_public_key(pem, algorithms=self.algorithms)
            verify_signature(public_key, signature=signature, message=_signed_text(client_data, pem=pem))
        return VerifiedAttestation(credential_id=credential_id, public_key=public_key, client_data=verified)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fido2AttestationVerifier:
    """Verifies attestations of kind `Fido2`.

    origins: those that a browser may name.
    algorithms: kinds of key that may be registered; a passkey's is one of `COSE_ALGORITHMS`.
    """

    rp_id: str
    origins: tuple[str, ...]
    algorithms: tuple[KeyAlgorithm, ...]
    policy: AttestationPolicy = field(default_factory=AttestationPolicy)

    def verify(self, attestation: Fido2Attestation, *, challenge: str) -> VerifiedFido2Attestation:
        """Verify that an authenticator made a passkey for this challenge, and verified its user.

        challenge: the text that the client was given.
        Transports that are not known are left out.
        Raises AttestationRefused, whose details name the field.
        Source: Dfns API, Fido2 credentials, `credentialInfo`; WebAuthn Level 3 §7.1.
        """
        with _refusal_names("credentialInfo.credId"):
            credential_id = parse_credential_id(attestation.credential_id)
        with _refusal_names("credentialInfo.clientData"):
            client_data = verify_fido2_client_data(
                decode_base64url(attestation.client_data),
                expected_type=Fido2ClientDataType.ATTESTATION,
                challenge=challenge,
                origins=self.origins,
            )
        with _refusal_names("credentialInfo.attestationData"):
            new = verify_attestation_object(
                decode_base64url(attestation.attestation_data),
                credential_id=credential_id,
                client_data=client_data,
                rp_id=self.rp_id,
                policy=self.policy,
                algorithms=self.algorithms,
            )
        return VerifiedFido2Attestation(
            credential_id=credential_id,
            public_key=new.public_key,
            client_data=client_data,
            state=new.state,
            aaguid=new.aaguid,
            statement_format=new.statement_format,
            transports=tuple(each for each in dict.fromkeys(attestation.transports) if each in _TRANSPORTS),
        )


def _read_attestation_data(encoded: str) -> tuple[str, bytes]:
    """PEM as it was received, and the signature.

    A named `algorithm` must be one that the API documents. It is not obeyed: the key decides.
    """
    members = parse_json_object(decode_base64url(encoded), limit=ATTESTATION_DATA_LIMIT)
    pem, signature = members.get("publicKey"), members.get("signature")
    if not isinstance(pem, str) or not isinstance(signature, str):
        msg = "It has no publicKey and signature that are text."
        raise EncodingError(msg)
    if members.get("algorithm") not in _NAMED_ALGORITHMS:
        msg = "Its algorithm is not RSA-SHA256, SHA256 or SHA512."
        raise EncodingError(msg)
    return pem, decode_hex(signature)


def _signed_text(client_data: bytes, *, pem: str) -> bytes:
    """Text that an attestation signs, as `JSON.stringify` writes it: two members, this order, no white space."""
    members = {"clientDataHash": hashlib.sha256(client_data).hexdigest(), "publicKey": pem}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


@contextmanager
def _refusal_names(field_path: str) -> Iterator[None]:
    try:
        yield
    except (EncodingError, ClientDataError, Fido2Error, PublicKeyError, SignatureError) as error:
        msg = f"{field_path}: {error}"
        raise AttestationRefused(msg, details={field_path: [str(error)]}) from error
