"""Attestation objects of new passkeys, verified with py_webauthn.

This module adds what py_webauthn lacks: a policy (py_webauthn accepts any format that has no trust roots), the list of
keys that may be registered, CBOR that is safe to decode, and a check of the AAGUID in the certificate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID
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
"""Bytes. With the certificates of a TPM, it takes about 6,000."""

# `fido-u2f` does not verify users, the `android-safetynet` service has ended, and for `android-key` py_webauthn expects
# the roots within the statement.
_CERTIFIED_FORMATS: Final = ("packed", "tpm", "apple")

_STATEMENT_TYPES: Final = MappingProxyType({"sig": bytes, "alg": int, "ver": str, "certInfo": bytes, "pubArea": bytes})

# id-fido-gen-ce-aaguid, whose value is an OCTET STRING of 16 bytes (WebAuthn Level 3 §8.2.1)
_AAGUID_EXTENSION: Final = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
_OCTET_STRING_OF_16: Final = b"\x04\x10"

_AUTHENTICATOR: Final = "Authenticator Attestation"
_NAMED: Final = (NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
_RSA_WITH_SHA_1: Final = -65535


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationPolicy:
    """The attestation statements that are accepted. The default requires none.

    without_statement: accept the format `none`.
    self_signed: accept `packed` statements signed by the passkey itself, which browsers may send without being asked.
    roots: PEM certificates by format (`packed`, `tpm` or `apple`), one of which must have issued the statement's
        certificates. A format without roots is refused.
    Raises: ValueError, if `roots` names another format or contains something else than a certificate.
    """

    without_statement: bool = True
    self_signed: bool = True
    roots: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if not self.roots.keys() <= set(_CERTIFIED_FORMATS):
            raise ValueError(f"Attestation roots are possible for these formats: {', '.join(_CERTIFIED_FORMATS)}.")
        for pems in self.roots.values():
            for pem in pems:
                x509.load_pem_x509_certificate(pem.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey:
    """A passkey from a verified attestation object.

    aaguid: the authenticator's model, as a UUID. It is as reliable as the attestation statement.
    statement_format: `none`, or the format that was verified.
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
    """Verify that an authenticator made this passkey for this relying party, after verifying its user.

    raw: CBOR.
    credential_id: in its canonical form.
    algorithms: the kinds of key that may be registered. Passkeys support those in `COSE_ALGORITHMS`.
    Raises: Fido2Error, PublicKeyError.
    Source: WebAuthn Level 3 §7.1 steps 13 to 24, §8.
    """
    new = _read(raw)
    if new.attested.credential_id != decode_base64url(credential_id):
        raise Fido2Error("It has another credential id.")
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
            raise Fido2Error(f"It is longer than {ATTESTATION_OBJECT_LIMIT} bytes or has trailing bytes.")
    except CborError as error:
        raise Fido2Error(str(error)) from error
    with library_refuses():
        members = parse_cbor(raw)
    match members:
        case {"fmt": str() as statement_format, "attStmt": dict() as statement, "authData": bytes() as data}:
            check_authenticator_data(data)
        case _:
            raise Fido2Error("It has no fmt, attStmt and authData.")
    with library_refuses():
        attested = parse_authenticator_data(data).attested_credential_data
    if attested is None:
        raise Fido2Error("It contains no credential.")
    return _AttestationObject(statement_format=statement_format, statement=statement, attested=attested)


def _check_policy(new: _AttestationObject, *, policy: AttestationPolicy) -> None:
    if not _is_accepted(new, policy=policy):
        raise Fido2Error("Attestation statements of this kind are not accepted.")
    if any(not isinstance(new.statement.get(name, kind()), kind) for name, kind in _STATEMENT_TYPES.items()):
        raise Fido2Error("Its attestation statement is malformed.")


def _is_accepted(new: _AttestationObject, *, policy: AttestationPolicy) -> bool:
    if new.statement_format == AttestationFormat.NONE.value:
        return policy.without_statement and not new.statement
    if "x5c" not in new.statement:
        return policy.self_signed and new.statement_format == AttestationFormat.PACKED.value
    certificates = new.statement["x5c"]
    # py_webauthn treats an empty list as absent, and the statement as self-signed.
    return (
        isinstance(certificates, list)
        and bool(certificates)
        and all(isinstance(each, bytes) for each in certificates)
        and bool(policy.roots.get(new.statement_format))
    )


def _check_certificate(new: _AttestationObject) -> None:
    """Check that the certificate belongs to an authenticator of this model (§8.2, §8.2.1)."""
    match new.statement:
        case {"x5c": [bytes() as first, *_]}:
            certificate = x509.load_der_x509_certificate(first)
        case _:
            return
    if new.statement_format == AttestationFormat.PACKED.value:
        _check_packed(new, certificate)
    for extension in certificate.extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                raise Fido2Error("Its certificate belongs to a certificate authority.")
            case x509.UnrecognizedExtension(oid=oid, value=value) if oid == _AAGUID_EXTENSION:
                if value != _OCTET_STRING_OF_16 + new.attested.aaguid:
                    raise Fido2Error("Its certificate is for another model of authenticator.")


def _check_packed(new: _AttestationObject, certificate: x509.Certificate) -> None:
    """Check that the certificate was issued for the statements of authenticators (§8.2.1), and not signed with SHA-1.

    Other certificates of a maker, such as those of its web servers, may have the same root.
    """
    subject = certificate.subject
    units = [each.value for each in subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]
    named = all(subject.get_attributes_for_oid(each) for each in _NAMED)
    constrained = any(isinstance(each.value, x509.BasicConstraints) for each in certificate.extensions)
    if _AUTHENTICATOR not in units or not named or not constrained or certificate.version is not x509.Version.v3:
        raise Fido2Error("Its certificate is not that of an authenticator.")
    if new.statement.get("alg") == _RSA_WITH_SHA_1:
        raise Fido2Error("Its signature uses SHA-1.")
