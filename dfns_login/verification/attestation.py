"""Attestations: the public key of a new credential, signed with its private key.

Somebody who registers may know what is wrong, so a refusal names the field and the reason.
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
"""Bytes of JSON. A 4096-bit RSA key takes about 2,000."""

_TRANSPORTS: Final = tuple(each.value for each in AuthenticatorTransport)

_NAMED_ALGORITHMS: Final = (None, "RSA-SHA256", "SHA256", "SHA512")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttestation:
    """A new key as on the wire, in base64url."""

    credential_id: str
    client_data: str = field(repr=False)
    attestation_data: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fido2Attestation:
    """A new passkey as on the wire, in base64url.

    transports: as the browser names them. The official signer sends none.
    """

    credential_id: str
    client_data: str = field(repr=False)
    attestation_data: str = field(repr=False)
    transports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedAttestation:
    """A new credential whose client has its private key. Only a verifier makes one.

    credential_id: in its canonical form.
    """

    credential_id: str
    public_key: PublicKey
    client_data: VerifiedClientData | Fido2ClientData


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedFido2Attestation(VerifiedAttestation):
    """A new passkey. `state` and `transports` are to be stored with the credential.

    aaguid: the authenticator's model, as a UUID. It is as reliable as the attestation statement.
    statement_format: `none`, or the format that was verified.
    """

    state: PasskeyState
    aaguid: str
    statement_format: str
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttestationVerifier:
    """Verifies attestations of kind `Key`, `PasswordProtectedKey` and `RecoveryKey`.

    origins: the origins that client data may name.
    algorithms: the kinds of key that may be registered.
    """

    origins: tuple[str, ...]
    algorithms: tuple[KeyAlgorithm, ...]

    def verify(self, attestation: KeyAttestation, *, challenge: str) -> VerifiedAttestation:
        """Verify that a new key signed its own public key, for this challenge.

        challenge: the challenge as the client received it.
        Raises: AttestationRefused, whose details name the field.
        Source: Dfns API, Key credentials, `credentialInfo`; modeled on WebAuthn Level 3 §7.1.
        """
        with _refusal_names("credential_id"):
            credential_id = parse_credential_id(attestation.credential_id)
        with _refusal_names("client_data"):
            client_data = decode_base64url(attestation.client_data)
            verified = verify_client_data(
                client_data,
                expected_type=ClientDataType.ATTESTATION,
                challenge=challenge,
                origins=self.origins,
            )
        with _refusal_names("attestation_data"):
            pem, signature = _read_attestation_data(attestation.attestation_data)
            public_key = parse_public_key(pem, algorithms=self.algorithms)
            verify_signature(public_key, signature=signature, message=_signed_text(client_data, pem=pem))
        return VerifiedAttestation(credential_id=credential_id, public_key=public_key, client_data=verified)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fido2AttestationVerifier:
    """Verifies attestations of kind `Fido2`.

    origins: the origins that a browser may name.
    algorithms: the kinds of key that may be registered. Passkeys support those in `COSE_ALGORITHMS`.
    """

    rp_id: str
    origins: tuple[str, ...]
    algorithms: tuple[KeyAlgorithm, ...]
    policy: AttestationPolicy = field(default_factory=AttestationPolicy)

    def verify(self, attestation: Fido2Attestation, *, challenge: str) -> VerifiedFido2Attestation:
        """Verify that an authenticator made a passkey for this challenge, after verifying its user.

        Unknown transports are left out.
        challenge: the challenge as the client received it.
        Raises: AttestationRefused, whose details name the field.
        Source: Dfns API, Fido2 credentials, `credentialInfo`; WebAuthn Level 3 §7.1.
        """
        with _refusal_names("credential_id"):
            credential_id = parse_credential_id(attestation.credential_id)
        with _refusal_names("client_data"):
            client_data = verify_fido2_client_data(
                decode_base64url(attestation.client_data),
                expected_type=Fido2ClientDataType.ATTESTATION,
                challenge=challenge,
                origins=self.origins,
            )
        with _refusal_names("attestation_data"):
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
    """Return the PEM as it was received, and the signature.

    If an `algorithm` is named, it must be one that the API documents. It has no effect: the key decides.
    """
    members = parse_json_object(decode_base64url(encoded), limit=ATTESTATION_DATA_LIMIT)
    pem, signature = members.get("publicKey"), members.get("signature")
    if not isinstance(pem, str) or not isinstance(signature, str):
        raise EncodingError("It has no publicKey and signature.")
    if members.get("algorithm") not in _NAMED_ALGORITHMS:
        raise EncodingError("Its algorithm is not RSA-SHA256, SHA256 or SHA512.")
    return pem, decode_hex(signature)


def _signed_text(client_data: bytes, *, pem: str) -> bytes:
    """Return the signed text as `JSON.stringify` writes it: these two members, in this order, without white space."""
    members = {"clientDataHash": hashlib.sha256(client_data).hexdigest(), "publicKey": pem}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


@contextmanager
def _refusal_names(name: str) -> Iterator[None]:
    try:
        yield
    except (EncodingError, ClientDataError, Fido2Error, PublicKeyError, SignatureError) as error:
        raise AttestationRefused(f"{name}: {error}", details={name: [str(error)]}) from error
