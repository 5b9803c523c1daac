"""A manufacturer of authenticators: a certificate authority, and the certificates of attestation statements."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.authenticators import Members, SoftwareKey

Extension = tuple[x509.ExtensionType, bool]
"""With whether it is critical."""

NOT_AN_AUTHORITY: Final[Extension] = (x509.BasicConstraints(ca=False, path_length=None), True)

_AAGUID_EXTENSION: Final = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
_APPLE_NONCE_EXTENSION: Final = x509.ObjectIdentifier("1.2.840.113635.100.8.2")

# Manufacturer (py_webauthn knows those of the TCG's registry), model and version of a TPM.
_TPM_NAME: Final = {"2.23.133.2.1": "id:414D4400", "2.23.133.2.2": "Software", "2.23.133.2.3": "id:01"}
_TPM_CERTIFIES: Final = x509.ObjectIdentifier("2.23.133.8.3")


def aaguid_extension(aaguid: bytes) -> Extension:
    return x509.UnrecognizedExtension(_AAGUID_EXTENSION, b"\x04\x10" + aaguid), False


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """A certificate authority, and one attestation key for all its authenticators."""

    name: str
    authority: ec.EllipticCurvePrivateKey = field(repr=False)
    key: SoftwareKey = field(repr=False)

    @classmethod
    def make(cls) -> Self:
        name = f"Maker {secrets.token_hex(4)}"  # OpenSSL finds an issuer by its name
        return cls(name=name, authority=ec.generate_private_key(ec.SECP256R1()), key=SoftwareKey.make())

    @property
    def root(self) -> str:
        """The authority's certificate, PEM."""
        own = (x509.BasicConstraints(ca=True, path_length=None), True)
        certificate = self._certificate(self.authority.public_key(), _name(self.name), own)
        return certificate.public_bytes(Encoding.PEM).decode()

    def certify(self, public_key: Any, *extensions: Extension, unit: str = "Authenticator Attestation") -> bytes:
        """Certify a key of an authenticator, DER (WebAuthn Level 3 §8.2.1). unit: of the maker's organization."""
        subject = {
            NameOID.COUNTRY_NAME: "AQ",
            NameOID.ORGANIZATION_NAME: self.name,
            NameOID.ORGANIZATIONAL_UNIT_NAME: unit,
            NameOID.COMMON_NAME: "Authenticator",
        }
        name = x509.Name([x509.NameAttribute(oid, text) for oid, text in subject.items()])
        return self._certificate(public_key, name, *extensions).public_bytes(Encoding.DER)

    def packed_certificate(self, aaguid: bytes) -> bytes:
        """Certify the attestation key for an authenticator model (WebAuthn Level 3 §8.2.1)."""
        return self.certify(self.key.private_key.public_key(), NOT_AN_AUTHORITY, aaguid_extension(aaguid))

    def apple_certificate(self, public_key: Any, *, signed: bytes) -> bytes:
        """Certify a passkey for one registration (§8.8)."""
        nonce = b"\x30\x24\xa1\x22\x04\x20" + hashlib.sha256(signed).digest()
        return self.certify(
            public_key, NOT_AN_AUTHORITY, (x509.UnrecognizedExtension(_APPLE_NONCE_EXTENSION, nonce), False)
        )

    def tpm_statement(self, public_key: Any, *, signed: bytes) -> Members:
        """Make the statement of a TPM for a passkey, with a certified attestation key (§8.3)."""
        area = _tpm_public_area(public_key)
        name = b"\x00\x0b" + hashlib.sha256(area).digest()
        # TPMS_ATTEST: magic, type, signer, extra data, clock, firmware, name, qualified name (TPM 2.0 part 2, 10.12.12)
        extra_data = _sized(hashlib.sha256(signed).digest())
        certified = b"\xffTCG\x80\x17" + _sized(b"") + extra_data + bytes(17 + 8) + _sized(name) + _sized(b"")
        certificate = self._certificate(
            self.key.private_key.public_key(),
            x509.Name([]),
            NOT_AN_AUTHORITY,
            (x509.SubjectAlternativeName([x509.DirectoryName(_tpm_name())]), True),
            (x509.ExtendedKeyUsage([_TPM_CERTIFIES]), False),
        )
        return {
            "ver": "2.0",
            "alg": -7,
            "x5c": [certificate.public_bytes(Encoding.DER)],
            "sig": self.key.sign(certified),
            "certInfo": certified,
            "pubArea": area,
        }

    def _certificate(self, public_key: Any, subject: x509.Name, *extensions: Extension) -> x509.Certificate:
        now = datetime.now(tz=UTC)
        builder = (
            x509.CertificateBuilder()
            .issuer_name(_name(self.name))
            .subject_name(subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.authority, SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _tpm_name() -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.ObjectIdentifier(oid), text) for oid, text in _TPM_NAME.items()])


def _tpm_public_area(public_key: Any) -> bytes:
    """TPMT_PUBLIC: type, hash for its name, attributes, policy, parameters, key (TPM 2.0 part 2, 12.2.4)."""
    match public_key:
        case ec.EllipticCurvePublicKey():
            numbers = public_key.public_numbers()
            point = _sized(numbers.x.to_bytes(32)) + _sized(numbers.y.to_bytes(32))
            return b"\x00\x23\x00\x0b" + bytes(4) + _sized(b"") + b"\x00\x10\x00\x10\x00\x03\x00\x10" + point
        case rsa.RSAPublicKey():
            modulus = _sized(public_key.public_numbers().n.to_bytes(256))
            parameters = b"\x00\x10\x00\x10\x08\x00" + bytes(4)
            return b"\x00\x01\x00\x0b" + bytes(4) + _sized(b"") + parameters + modulus
        case _:
            raise TypeError("no TPM holds such a key")


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data
