"""Software authenticators that sign with real keys, as an official client and a browser do.

A subclass may override one step (`write`, `prove`, `send`, `report`) to make a faulty answer.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dfns_login.verification.public_keys import KeyAlgorithm

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
Members = dict[str, Any]
"""Members of a JSON object."""
Wire = dict[str, str]

PYTHON_CLIENT_ORIGIN: Final = "https://app.dfns.io"
"""The origin in the official Python client."""


class Kind(StrEnum):
    """Credential kinds that sign in the same way."""

    KEY = "Key"
    PASSWORD_PROTECTED_KEY = "PasswordProtectedKey"  # noqa: S105  a name on the wire
    RECOVERY_KEY = "RecoveryKey"


class Client(Enum):
    """Clients to imitate, by the members of their client data besides type and challenge."""

    JAVASCRIPT = MappingProxyType[str, object]({})
    PYTHON = MappingProxyType[str, object]({"origin": PYTHON_CLIENT_ORIGIN, "crossOrigin": False})


@dataclass(frozen=True, kw_only=True)
class SoftwareKey:
    """A credential and its private key.

    credential_id: base64url. encrypted_private_key: set for the kinds that store one.
    """

    kind: Kind
    client: Client
    credential_id: str
    private_key: PrivateKey = field(repr=False)
    encrypted_private_key: str | None = field(default=None, repr=False)

    @classmethod
    def make(
        cls,
        algorithm: KeyAlgorithm = KeyAlgorithm.P256,
        *,
        kind: Kind = Kind.KEY,
        client: Client = Client.JAVASCRIPT,
    ) -> Self:
        """Make a key. A password-protected one gets an opaque envelope, which takes no time."""
        return cls(
            kind=kind,
            client=client,
            credential_id=base64url(secrets.token_bytes(32)),
            private_key=new_private_key(algorithm),
            encrypted_private_key=opaque_envelope() if kind is Kind.PASSWORD_PROTECTED_KEY else None,
        )

    @property
    def algorithm(self) -> KeyAlgorithm:
        match self.private_key:
            case ec.EllipticCurvePrivateKey():
                return {"secp256r1": KeyAlgorithm.P256, "secp384r1": KeyAlgorithm.P384}.get(
                    self.private_key.curve.name, KeyAlgorithm.SECP256K1
                )
            case ed25519.Ed25519PrivateKey():
                return KeyAlgorithm.ED25519
            case rsa.RSAPrivateKey():
                return KeyAlgorithm.RSA

    @property
    def spki(self) -> bytes:
        return self.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def public_pem(self) -> str:
        """The public key as the browser client writes it: LF, and none after the last line."""
        return public_pem(self.private_key)

    def sign(self, message: bytes) -> bytes:
        match self.private_key:
            case ec.EllipticCurvePrivateKey():
                return self.private_key.sign(message, ec.ECDSA(SHA256()))
            case ed25519.Ed25519PrivateKey():
                return self.private_key.sign(message)
            case rsa.RSAPrivateKey():
                return self.private_key.sign(message, padding.PKCS1v15(), SHA256())

    def write(self, said: Members) -> bytes:
        """Encode client data."""
        return compact_json(said).encode()

    def prove(self, message: bytes) -> bytes:
        """Sign what an answer has to sign."""
        return self.sign(message)

    def send(self, data: bytes, *, as_field: str) -> str:
        """Encode for the wire. as_field: `clientData`, or `proof` for a signature or attestation."""
        del as_field
        return base64url(data)

    def client_data(self, challenge: str, *, type_: str) -> bytes:
        return self.write({"type": type_, "challenge": challenge, **self.client.value})

    def answer(self, challenge: str) -> Wire:
        """Answer a challenge: `credentialAssertion`."""
        client_data = self.client_data(challenge, type_="key.get")
        return {
            "credId": self.credential_id,
            "clientData": self.send(client_data, as_field="clientData"),
            "signature": self.send(self.prove(client_data), as_field="proof"),
        }

    def register(self, challenge: str) -> Wire:
        """Answer a registration challenge: `credentialInfo`."""
        client_data = self.client_data(challenge, type_="key.create")
        signature = self.prove(attested_text(client_data, pem=self.public_pem))
        attestation_data = compact_json({"publicKey": self.public_pem, "signature": signature.hex()}).encode()
        return {
            "credId": self.credential_id,
            "clientData": self.send(client_data, as_field="clientData"),
            "attestationData": self.send(attestation_data, as_field="proof"),
        }

    def factor(self, challenge: str) -> Members:
        """Answer a challenge, as `firstFactor` or `secondFactor` of a login or user action."""
        return {"kind": self.kind.value, "credentialAssertion": self.answer(challenge)}

    def credential(self, challenge: str) -> Members:
        """Answer a registration challenge, as one credential of its body."""
        info = {"credentialKind": self.kind.value, "credentialInfo": self.register(challenge)}
        return info | ({"encryptedPrivateKey": self.encrypted_private_key} if self.encrypted_private_key else {})


def opaque_envelope() -> str:
    """Return an encrypted key as a client with its own format might send it. Nothing decrypts it."""
    return "sealed.v1." + secrets.token_urlsafe(200)


def new_challenge() -> str:
    return base64url(secrets.token_bytes(32))


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def compact_json(value: object) -> str:
    """Write JSON as `JSON.stringify` does."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def attested_text(client_data: bytes, *, pem: str) -> bytes:
    """Return the text that a key signs when it is registered."""
    return compact_json({"clientDataHash": hashlib.sha256(client_data).hexdigest(), "publicKey": pem}).encode()


def public_pem(private_key: PrivateKey) -> str:
    public_key = private_key.public_key()
    return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii").rstrip("\n")


def new_private_key(algorithm: KeyAlgorithm) -> PrivateKey:
    match algorithm:
        case KeyAlgorithm.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyAlgorithm.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyAlgorithm.SECP256K1:
            return ec.generate_private_key(ec.SECP256K1())
        case KeyAlgorithm.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyAlgorithm.RSA:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
