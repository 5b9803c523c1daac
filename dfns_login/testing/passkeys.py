"""A software passkey with its browser, which signs with a real key."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from webauthn.helpers import encode_cbor

from dfns_login.testing.authenticators import Members, SoftwareKey, Wire, base64url
from dfns_login.verification.encoding import decode_base64url
from dfns_login.verification.public_keys import KeyAlgorithm

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
"""Flags of authenticator data: user present, user verified, backup eligible, backed up, attested, extensions."""
SYNCED: Final = UP | UV | BE | BS
DEVICE_BOUND: Final = UP | UV
_COSE_ALGORITHMS: Final = {KeyAlgorithm.P256: -7, KeyAlgorithm.RSA: -257, KeyAlgorithm.ED25519: -8}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatorData:
    """Authenticator data (WebAuthn Level 3 §6.1)."""

    rp_id: str
    flags: int
    sign_count: int
    attested: bytes = b""
    extensions: bytes = b""

    def pack(self) -> bytes:
        rp_id_hash = hashlib.sha256(self.rp_id.encode()).digest()
        header = rp_id_hash + bytes([self.flags]) + self.sign_count.to_bytes(4, "big")
        return header + self.attested + self.extensions


@dataclass(frozen=True, kw_only=True)
class Passkey:
    """A passkey and its browser.

    account_id: the id of the account that it is registered with. origin: of the page. flags: reported with each
    signature.
    """

    key: SoftwareKey = field(repr=False)
    account_id: str
    origin: str
    rp_id: str
    flags: int = SYNCED
    aaguid: bytes = bytes(16)

    @classmethod
    def make(cls, algorithm: KeyAlgorithm = KeyAlgorithm.P256, **given: Any) -> Self:  # noqa: ANN401  the fields
        return cls(key=SoftwareKey.make(algorithm), **given)

    @property
    def credential_id(self) -> str:
        return self.key.credential_id

    @property
    def spki(self) -> bytes:
        return self.key.spki

    @property
    def cose(self) -> dict[int, object]:
        """COSE_Key (RFC 9053 §7, RFC 8230 §4)."""
        algorithm = _COSE_ALGORITHMS.get(self.key.algorithm, -7)
        match self.key.private_key.public_key():
            case ec.EllipticCurvePublicKey() as key:
                curve = {"secp256r1": 1, "secp384r1": 2, "secp256k1": 8}[key.curve.name]
                numbers, size = key.public_numbers(), key.key_size // 8
                return {1: 2, 3: algorithm, -1: curve, -2: numbers.x.to_bytes(size), -3: numbers.y.to_bytes(size)}
            case ed25519.Ed25519PublicKey() as key:
                return {1: 1, 3: algorithm, -1: 6, -2: key.public_bytes_raw()}
            case rsa.RSAPublicKey() as key:
                n = key.public_numbers().n
                return {1: 3, 3: algorithm, -1: n.to_bytes(key.key_size // 8), -2: b"\x01\x00\x01"}

    def report(self, data: AuthenticatorData) -> bytes:
        """Encode authenticator data."""
        return data.pack()

    def attest(self, signed: bytes, authenticator_data: bytes) -> Members:
        """Return the attestation object: without a statement."""
        del signed
        return {"fmt": "none", "attStmt": {}, "authData": authenticator_data}

    def answer(self, challenge: str, *, sign_count: int = 1) -> Wire:
        """Answer a challenge: `credentialAssertion`."""
        client_data = self._client_data(challenge, type_="webauthn.get")
        authenticator_data = self.report(AuthenticatorData(rp_id=self.rp_id, flags=self.flags, sign_count=sign_count))
        signature = self.key.prove(authenticator_data + hashlib.sha256(client_data).digest())
        return {
            "credId": self.credential_id,
            "clientData": self.key.send(client_data, as_field="clientData"),
            "authenticatorData": base64url(authenticator_data),
            "signature": self.key.send(signature, as_field="proof"),
            "userHandle": base64url(self.account_id.encode()),
        }

    def register(self, challenge: str, *, sign_count: int = 0) -> Wire:
        """Answer a registration challenge: `credentialInfo`."""
        client_data = self._client_data(challenge, type_="webauthn.create")
        credential_id = decode_base64url(self.credential_id)
        attested = self.aaguid + len(credential_id).to_bytes(2) + credential_id + self.encoded_public_key()
        authenticator_data = self.report(
            AuthenticatorData(rp_id=self.rp_id, flags=self.flags | AT, sign_count=sign_count, attested=attested)
        )
        signed = authenticator_data + hashlib.sha256(client_data).digest()
        return {
            "credId": self.credential_id,
            "clientData": self.key.send(client_data, as_field="clientData"),
            "attestationData": self.key.send(encode_cbor(self.attest(signed, authenticator_data)), as_field="proof"),
        }

    def encoded_public_key(self) -> bytes:
        return encode_cbor(self.cose)

    def factor(self, challenge: str, *, sign_count: int = 1) -> Members:
        """Answer a challenge, as `firstFactor` or `secondFactor` of a login or user action."""
        return {"kind": "Fido2", "credentialAssertion": self.answer(challenge, sign_count=sign_count)}

    def credential(self, challenge: str) -> Members:
        """Answer a registration challenge, as one credential of its body."""
        return {"credentialKind": "Fido2", "credentialInfo": self.register(challenge)}

    def _client_data(self, challenge: str, *, type_: str) -> bytes:
        """Return client data as Chromium writes them when the official signer passes the challenge."""
        said = {
            "type": type_,
            "challenge": base64url(challenge.encode()),
            "origin": self.origin,
            "crossOrigin": False,
            "other_keys_can_be_added_here": "do not compare clientDataJSON against a template.",
        }
        return self.key.write(said)
