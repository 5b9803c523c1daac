"""Software authenticators that sign with real keys, and can make one fault at a time.

They answer a challenge as an official client does. A fault is a parameter. The answer then differs from an accepted one
in that one thing: if the fault is in the signed data, the signature over them is valid.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.age import PASSPHRASE, age_file, armor, opaque_envelope

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
Members = dict[str, Any]
Wire = dict[str, str]

PYTHON_CLIENT_ORIGIN: Final = "https://app.dfns.io"
"""The origin in the official Python client."""


class Kind(StrEnum):
    """Credential kinds that sign in the same way."""

    KEY = "Key"
    PASSWORD_PROTECTED_KEY = "PasswordProtectedKey"
    RECOVERY_KEY = "RecoveryKey"


class Client(Enum):
    """Clients to imitate, by the members of their client data besides type and challenge."""

    JAVASCRIPT = MappingProxyType[str, object]({})
    PYTHON = MappingProxyType[str, object]({"origin": PYTHON_CLIENT_ORIGIN, "crossOrigin": False})


@dataclass(frozen=True, slots=True)
class Says:
    """Faults in the signed content."""

    change: Callable[[Members], Members]


@dataclass(frozen=True, slots=True)
class Writes:
    """Faults in the encoding of the signed data."""

    write: Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Signs:
    """Faults in the signature."""

    sign: "Callable[[SoftwareKey, bytes], bytes]"


@dataclass(frozen=True, slots=True)
class Sends:
    """Faults in the encoding on the wire, of the client data or of the proof (signature or attestation)."""

    field: str
    change: Callable[[str], str]


def _says(**members: object) -> Says:
    return Says(lambda said: said | members)


def _swaps_type(other: Members) -> Says:
    return Says(lambda said: said | {"type": ".".join(other.get(word, word) for word in said["type"].split("."))})


def _names_origin(change: Callable[[str], object]) -> Says:
    return Says(lambda said: said | {"origin": change(said.get("origin", PYTHON_CLIENT_ORIGIN))})


def _lacks(name: str) -> Says:
    return Says(lambda said: {key: value for key, value in said.items() if key != name})


def _adds(member: str) -> Writes:
    return Writes(lambda text: f"{text[:-1]},{member}}}".encode())


def _flip_bit(signature: bytes) -> bytes:
    return signature[:-1] + bytes([signature[-1] ^ 1])


def _bend_last_digit(encoded: str) -> str:
    """Return different text that a lenient decoder reads as the same bytes."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(encoded) % 4, "no trailing bits to set"
    return encoded[:-1] + digits[digits.index(encoded[-1]) + 1]


class Fault(Enum):
    """One fault."""

    TYPE_OF_OTHER_CEREMONY = _swaps_type({"get": "create", "create": "get"})
    TYPE_OF_OTHER_KIND = _swaps_type({"key": "webauthn", "webauthn": "key"})
    TYPE_IN_UPPER_CASE = Says(lambda said: said | {"type": said["type"].upper()})
    TYPE_IN_ARRAY = Says(lambda said: said | {"type": [said["type"]]})
    TYPE_MISSING = _lacks("type")
    CHALLENGE_OF_ANOTHER = Says(lambda said: said | {"challenge": new_challenge()})
    CHALLENGE_PADDED = Says(lambda said: said | {"challenge": said["challenge"] + "="})
    CHALLENGE_CUT = Says(lambda said: said | {"challenge": said["challenge"][:-1]})
    CHALLENGE_IN_ARRAY = Says(lambda said: said | {"challenge": [said["challenge"]]})
    CHALLENGE_NULL = _says(challenge=None)
    CHALLENGE_EMPTY = _says(challenge="")
    CHALLENGE_MISSING = _lacks("challenge")
    ORIGIN_FOREIGN = _says(origin="https://evil.example")
    ORIGIN_OF_OTHER_SCHEME = _names_origin(lambda origin: origin.replace("https", "http"))
    ORIGIN_WITH_PORT = _names_origin(lambda origin: origin + ":8443")
    ORIGIN_WITH_DEFAULT_PORT = _names_origin(lambda origin: origin + ":443")
    ORIGIN_WITH_SLASH = _names_origin(lambda origin: origin + "/")
    ORIGIN_WITH_SUFFIX = _names_origin(lambda origin: origin + ".evil.example")
    ORIGIN_WITH_USERINFO = _names_origin(lambda origin: origin + "@evil.example")
    ORIGIN_IN_UPPER_CASE = _names_origin(str.upper)
    ORIGIN_CUT = _names_origin(lambda origin: origin[:-1])
    ORIGIN_EMPTY = _says(origin="")
    ORIGIN_NULL = _says(origin=None)
    ORIGIN_OPAQUE = _says(origin="null")
    ORIGIN_IN_ARRAY = _names_origin(lambda origin: [origin])
    CROSS_ORIGIN = _says(crossOrigin=True)
    CROSS_ORIGIN_TEXT = _says(crossOrigin="true")
    CROSS_ORIGIN_NULL = _says(crossOrigin=None)
    CROSS_ORIGIN_ZERO = _says(crossOrigin=0)
    TOP_ORIGIN = _says(topOrigin=PYTHON_CLIENT_ORIGIN)
    TOP_ORIGIN_NULL = _says(topOrigin=None)

    CHALLENGE_TWICE_GOOD_FIRST = _adds('"challenge":"AAAA"')
    CHALLENGE_TWICE_GOOD_LAST = Writes(lambda text: text.replace("{", '{"challenge":"AAAA",', 1).encode())
    CHALLENGE_TWICE_ESCAPED = _adds(r'"\u0063hallenge":"AAAA"')
    MEMBER_TWICE_DEEP = _adds('"more":{"same":1,"same":1}')
    ESCAPED_NAME = Writes(lambda text: text.replace('"type"', r'"\u0074ype"').encode())
    BYTE_ORDER_MARK = Writes(lambda text: text.encode("utf-8-sig"))
    UTF_16 = Writes(lambda text: text.encode("utf-16"))
    UTF_16_WITHOUT_MARK = Writes(lambda text: text.encode("utf-16-le"))
    LATIN_1 = Writes(lambda text: f'{text[:-1]},"more":"é"}}'.encode("latin-1"))
    HALF_SURROGATE = _adds(r'"more":"\ud800"')
    NOT_A_NUMBER = _adds('"more":NaN')
    INFINITE_NUMBER = _adds('"more":1e999')
    HUGE_NUMBER = _adds('"more":' + "9" * 5000)
    ONE_MEGABYTE = _adds('"more":"' + "m" * 2**20 + '"')
    TEN_THOUSAND_DEEP = _adds('"more":' + "[" * 10_000 + "]" * 10_000)
    TRAILING_BYTES = Writes(lambda text: text.encode() + b"{}")
    NOT_AN_OBJECT = Writes(lambda text: f"[{text}]".encode())
    NO_CLIENT_DATA = Writes(lambda _: b"")

    FLIPPED_BIT = Signs(lambda key, message: _flip_bit(key.sign(message)))
    OTHER_KEY = Signs(lambda key, message: SoftwareKey.make(key.algorithm).sign(message))
    OTHER_MESSAGE = Signs(lambda key, message: key.sign(message + b" "))
    SIGNATURE_CUT = Signs(lambda key, message: key.sign(message)[:-1])
    SIGNATURE_LONGER = Signs(lambda key, message: key.sign(message) + b"\0")
    NO_SIGNATURE = Signs(lambda _key, _message: b"")

    CLIENT_DATA_TRAILING_BITS = Sends("clientData", _bend_last_digit)
    CLIENT_DATA_OVERPADDED = Sends("clientData", lambda encoded: encoded + "=" * (-len(encoded) % 4 + 1))
    CLIENT_DATA_WHITE_SPACE = Sends("clientData", lambda encoded: encoded + "\n")
    CLIENT_DATA_LOWER_CASE = Sends("clientData", str.lower)
    CLIENT_DATA_NOT_ASCII = Sends("clientData", lambda encoded: "é" + encoded[1:])
    PROOF_OVERPADDED = Sends("proof", lambda encoded: encoded + "=" * (-len(encoded) % 4 + 1))
    PROOF_WHITE_SPACE = Sends("proof", lambda encoded: f"{encoded[:8]} {encoded[8:]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareKey:
    """A credential and its private key.

    `credential_id` is in base64url. `encrypted_private_key` is set for the kinds that store one.
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
            private_key=_new_private_key(algorithm),
            encrypted_private_key=opaque_envelope() if kind is Kind.PASSWORD_PROTECTED_KEY else None,
        )

    @classmethod
    def with_age_envelope(cls) -> Self:
        """Return a password-protected key that `PASSPHRASE` decrypts. One run shares it, because it is slow to make."""
        private_key, envelope = _age_protected_key()
        return replace(
            cls.make(kind=Kind.PASSWORD_PROTECTED_KEY), private_key=private_key, encrypted_private_key=envelope
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

    def client_data(self, challenge: str, *, type_: str, fault: Fault | None = None) -> bytes:
        return written({"type": type_, "challenge": challenge, **self.client.value}, fault=fault)

    def answer(self, challenge: str, *, fault: Fault | None = None) -> Wire:
        """Answer a challenge: `credentialAssertion`."""
        client_data = self.client_data(challenge, type_="key.get", fault=fault)
        return {
            "credId": self.credential_id,
            "clientData": sent(client_data, as_field="clientData", fault=fault),
            "signature": sent(proof(self, client_data, fault=fault), as_field="proof", fault=fault),
        }

    def register(self, challenge: str, *, fault: Fault | None = None, pem: str | None = None) -> Wire:
        """Answer a registration challenge: `credentialInfo`.

        `pem` replaces the public key that is signed and sent.
        """
        client_data = self.client_data(challenge, type_="key.create", fault=fault)
        pem = self.public_pem if pem is None else pem
        signature = proof(self, attested_text(client_data, pem=pem), fault=fault)
        attestation_data = compact_json({"publicKey": pem, "signature": signature.hex()}).encode()
        return {
            "credId": self.credential_id,
            "clientData": sent(client_data, as_field="clientData", fault=fault),
            "attestationData": sent(attestation_data, as_field="proof", fault=fault),
        }

    def factor(self, challenge: str, *, fault: Fault | None = None) -> Members:
        """Answer a challenge, as `firstFactor` or `secondFactor` of a login or user action."""
        return {"kind": self.kind.value, "credentialAssertion": self.answer(challenge, fault=fault)}

    def credential(self, challenge: str, *, fault: Fault | None = None) -> Members:
        """Answer a registration challenge, as one credential of its body."""
        info = {"credentialKind": self.kind.value, "credentialInfo": self.register(challenge, fault=fault)}
        return info | ({"encryptedPrivateKey": self.encrypted_private_key} if self.encrypted_private_key else {})


def new_challenge() -> str:
    return base64url(secrets.token_bytes(32))


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def compact_json(value: object) -> str:
    """Write JSON as `JSON.stringify` does."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def written(said: Members, *, fault: Fault | None) -> bytes:
    """Encode client data."""
    if fault and isinstance(fault.value, Says):
        said = fault.value.change(said)
    text = compact_json(said)
    return fault.value.write(text) if fault and isinstance(fault.value, Writes) else text.encode()


def proof(key: SoftwareKey, message: bytes, *, fault: Fault | None) -> bytes:
    """Sign."""
    return fault.value.sign(key, message) if fault and isinstance(fault.value, Signs) else key.sign(message)


def sent(data: bytes, *, as_field: str, fault: Fault | None) -> str:
    """Encode for the wire."""
    encoded = base64url(data)
    if fault and isinstance(fault.value, Sends) and fault.value.field == as_field:
        return fault.value.change(encoded)
    return encoded


def attested_text(client_data: bytes, *, pem: str) -> bytes:
    """Return the text that a key signs when it is registered."""
    return compact_json({"clientDataHash": hashlib.sha256(client_data).hexdigest(), "publicKey": pem}).encode()


def public_pem(private_key: PrivateKey) -> str:
    public_key = private_key.public_key()
    return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii").rstrip("\n")


def _new_private_key(algorithm: KeyAlgorithm) -> PrivateKey:
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


@cache
def _age_protected_key() -> tuple[PrivateKey, str]:
    private_key = _new_private_key(KeyAlgorithm.P256)
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private_key, armor(age_file(pem, passphrase=PASSPHRASE))
