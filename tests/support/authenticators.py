"""The software authenticators of `dfns_login.testing`, which here can make one fault at a time.

A fault is a parameter. The answer then differs from an accepted one in that one thing: if the fault is in the signed
data, the signature over them is valid.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Self

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dfns_login.testing import authenticators as sound
from dfns_login.testing.authenticators import (
    PYTHON_CLIENT_ORIGIN,
    Client,
    Kind,
    Members,
    PrivateKey,
    Wire,
    attested_text,
    base64url,
    compact_json,
    new_challenge,
    new_private_key,
    opaque_envelope,
    public_pem,
)
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.age import PASSPHRASE, age_file, armor

__all__ = [
    "PASSPHRASE",
    "PYTHON_CLIENT_ORIGIN",
    "Client",
    "Fault",
    "Kind",
    "Members",
    "PrivateKey",
    "SoftwareKey",
    "Wire",
    "age_file",
    "armor",
    "attested_text",
    "base64url",
    "compact_json",
    "new_challenge",
    "opaque_envelope",
    "public_pem",
]


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


@dataclass(frozen=True, kw_only=True)
class SoftwareKey(sound.SoftwareKey):
    """A key that makes the given fault. said_pem: replaces the public key that is signed and sent on registration."""

    fault: Fault | None = None
    said_pem: str | None = None

    @classmethod
    def with_age_envelope(cls) -> Self:
        """Return a password-protected key that `PASSPHRASE` decrypts. One run shares it, because it is slow to make."""
        private_key, envelope = _age_protected_key()
        return replace(
            cls.make(kind=Kind.PASSWORD_PROTECTED_KEY), private_key=private_key, encrypted_private_key=envelope
        )

    @property
    def public_pem(self) -> str:
        return super().public_pem if self.said_pem is None else self.said_pem

    def write(self, said: Members) -> bytes:
        match self.fault and self.fault.value:
            case Says(change):
                return super().write(change(said))
            case Writes(write):
                return write(compact_json(said))
        return super().write(said)

    def prove(self, message: bytes) -> bytes:
        match self.fault and self.fault.value:
            case Signs(sign):
                return sign(self, message)
        return super().prove(message)

    def send(self, data: bytes, *, as_field: str) -> str:
        encoded = super().send(data, as_field=as_field)
        match self.fault and self.fault.value:
            case Sends(field, change) if field == as_field:
                return change(encoded)
        return encoded

    def client_data(self, challenge: str, *, type_: str, fault: Fault | None = None) -> bytes:
        return sound.SoftwareKey.client_data(self.with_fault(fault), challenge, type_=type_)

    def answer(self, challenge: str, *, fault: Fault | None = None) -> Wire:
        return sound.SoftwareKey.answer(self.with_fault(fault), challenge)

    def register(self, challenge: str, *, fault: Fault | None = None, pem: str | None = None) -> Wire:
        faulty = self.with_fault(fault)
        return sound.SoftwareKey.register(faulty if pem is None else replace(faulty, said_pem=pem), challenge)

    def factor(self, challenge: str, *, fault: Fault | None = None) -> Members:
        return sound.SoftwareKey.factor(self.with_fault(fault), challenge)

    def credential(self, challenge: str, *, fault: Fault | None = None) -> Members:
        return sound.SoftwareKey.credential(self.with_fault(fault), challenge)

    def with_fault(self, fault: Fault | None) -> Self:
        return self if fault is None else replace(self, fault=fault)


@cache
def _age_protected_key() -> tuple[PrivateKey, str]:
    private_key = new_private_key(KeyAlgorithm.P256)
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private_key, armor(age_file(pem, passphrase=PASSPHRASE))
