"""Attestation objects: a new passkey, and what its authenticator's maker says of it, given to py_webauthn.

Before py_webauthn come the policy, which it does not have (a format without trust roots is good to it), the keys
that may be registered, and CBOR that does not unfold; after it, the certificate's AAGUID.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from cryptography import x509
from webauthn import verify_registration_response
from webauthn.helpers import parse_authenticator_data, parse_cbor
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationFormat,
    AttestedCredentialData,
    AuthenticatorAttestationResponse,
    CredentialDeviceType,
    RegistrationCredential,
)

from dfns_login.verification.cbor import CborError, end_of_item
from dfns_login.verification.cose import COSE_ALGORITHMS, read_cose_key
from dfns_login.verification.encoding import decode_base64url
from dfns_login.verification.fido2 import (
    Fido2ClientData,
    Fido2Error,
    PasskeyState,
    check_authenticator_data,
    library_refuses,
)
from dfns_login.verification.public_keys import KeyAlgorithm, PublicKey

ATTESTATION_OBJECT_LIMIT: Final = 16 * 1024
"""Bytes; with the certificates of a TPM it has about 6000."""

# Not `fido-u2f`, which verifies no user; nor `android-safetynet`, whose service has ended; nor `android-key`, whose
# roots py_webauthn wants within the statement.
_CERTIFIED_FORMATS: Final = ("packed", "tpm", "apple")

_STATEMENT_TYPES: Final = MappingProxyType({"sig": bytes, "alg": int, "ver": str, "certInfo": bytes, "pubArea": bytes})

# id-fido-gen-ce-aaguid, whose value is an OCTET STRING of 16 bytes (WebAuthn Level 3 §8.2.1)
_AAGUID_EXTENSION: Final = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
_OCTET_STRING_OF_16: Final = b"\x04\x10"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationPolicy:
    """Which attestation statements are good enough. The default asks for none.

    without_statement: whether format `none` is.
    self_signed: whether `packed` is, signed by the passkey itself: a browser that is asked for none may pass it on.
    roots: PEM certificates by format, `packed`, `tpm` or `apple`; to one of them the certificates of such a
    statement must lead. A format that has none here is refused.
    Raises ValueError if roots has another format, or no certificate.
    """

    without_statement: bool = True
    self_signed: bool = True
    roots: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if not self.roots.keys() <= set(_CERTIFIED_FORMATS):
            msg = f"Attestation roots are by format: {', '.join(_CERTIFIED_FORMATS)}."
            raise ValueError(msg)
        for pems in self.roots.values():
            for pem in pems:
                x509.load_pem_x509_certificate(pem.encode())

    @property
    def conveyance(self) -> str:
        """What to ask of a browser: `attestation` of a registration challenge."""
        return "direct" if self.roots else "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey:
    """What an attestation object holds that was verified.

    aaguid: make of the authenticator, as a UUID; worth what the statement is worth.
    statement_format: `none`, or the one that was verified.
    """

    public_key: PublicKey
    state: PasskeyState
    aaguid: str
    statement_format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _AttestationObject:
    """Members of an attestation object (WebAuthn Level 3 §6.5.4)."""

    statement_format: str
    statement: Mapping[str, object] = field(repr=False)
    attested: AttestedCredentialData = field(repr=False)


def verify_attestation_object(
    raw: bytes,
    *,
    credential_id: str,
    client_data: Fido2ClientData,
    rp_id: str,
    policy: AttestationPolicy,
    algorithms: tuple[KeyAlgorithm, ...],
) -> NewPasskey:
    """Verify that an authenticator made this passkey, for this relying party, for a user who was verified.

    raw: CBOR.
    credential_id: canonical text.
    algorithms: kinds of key that may be registered; a passkey has one of `COSE_ALGORITHMS`.
    Raises Fido2Error or PublicKeyError.
    Source: WebAuthn Level 3 §7.1 steps 13 to 24, §8.
    """
    new = _read(raw)
    if new.attested.credential_id != decode_base64url(credential_id):
        msg = "It is for another credential id."
        raise Fido2Error(msg)
    public_key = read_cose_key(new.attested.credential_public_key, algorithms=algorithms)
    _check_policy(new, policy=policy)
    response = AuthenticatorAttestationResponse(client_data_json=client_data.raw, attestation_object=raw)
    with library_refuses():
        verified = verify_registration_response(
            credential=RegistrationCredential(id=credential_id, raw_id=new.attested.credential_id, response=response),
            expected_challenge=client_data.challenge.encode(),
            expected_rp_id=rp_id,
            expected_origin=client_data.origin,
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(COSE_ALGORITHMS[public_key.algorithm])],
            pem_root_certs_bytes_by_fmt={
                AttestationFormat(name): [pem.encode() for pem in pems] for name, pems in policy.roots.items()
            },
        )
        _check_certificate(new)
    return NewPasskey(
        public_key=public_key,
        state=PasskeyState(
            sign_count=verified.sign_count,
            backup_eligible=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
            backed_up=verified.credential_backed_up,
        ),
        aaguid=verified.aaguid,
        statement_format=new.statement_format,
    )


def _read(raw: bytes) -> _AttestationObject:
    try:
        if len(raw) > ATTESTATION_OBJECT_LIMIT or end_of_item(raw, start=0) != len(raw):
            msg = f"It is longer than {ATTESTATION_OBJECT_LIMIT} bytes, or than its CBOR."
            raise Fido2Error(msg)
    except CborError as error:
        raise Fido2Error(str(error)) from error
    with library_refuses():
        members = parse_cbor(raw)
    match members:
        case {"fmt": str() as statement_format, "attStmt": dict() as statement, "authData": bytes() as data}:
            check_authenticator_data(data)
        case _:
            msg = "It has no fmt, attStmt and authData."
            raise Fido2Error(msg)
    with library_refuses():
        attested = parse_authenticator_data(data).attested_credential_data
    if attested is None:
        msg = "It holds no credential."
        raise Fido2Error(msg)
    return _AttestationObject(statement_format=statement_format, statement=statement, attested=attested)


def _check_policy(new: _AttestationObject, *, policy: AttestationPolicy) -> None:
    if not _is_accepted(new, policy=policy):
        msg = "Its attestation statement is not one that is accepted here."
        raise Fido2Error(msg)
    if any(not isinstance(new.statement.get(name, kind()), kind) for name, kind in _STATEMENT_TYPES.items()):
        msg = "Its attestation statement is malformed."
        raise Fido2Error(msg)


def _is_accepted(new: _AttestationObject, *, policy: AttestationPolicy) -> bool:
    if new.statement_format == AttestationFormat.NONE.value:
        return policy.without_statement and not new.statement
    if "x5c" not in new.statement:
        return policy.self_signed and new.statement_format == AttestationFormat.PACKED.value
    certificates = new.statement["x5c"]
    # An empty list is none to py_webauthn, which would take the statement for a self-signed one.
    return (
        isinstance(certificates, list)
        and bool(certificates)
        and all(isinstance(each, bytes) for each in certificates)
        and bool(policy.roots.get(new.statement_format))
    )


def _check_certificate(new: _AttestationObject) -> None:
    """Check that the certificate is an authenticator's, and of the make that it says (§8.2, §8.2.1)."""
    match new.statement:
        case {"x5c": [bytes() as first, *_]}:
            certificate = x509.load_der_x509_certificate(first)
        case _:
            return
    for extension in certificate.extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                msg = "Its certificate is an authority's."
                raise Fido2Error(msg)
            case x509.UnrecognizedExtension(oid=oid, value=value) if oid == _AAGUID_EXTENSION:
                if value != _OCTET_STRING_OF_16 + new.attested.aaguid:
                    msg = "Its certificate is for authenticators of another make."
                    raise Fido2Error(msg)
