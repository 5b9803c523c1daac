"""A software passkey that signs with a real key, and can make one fault at a time.

`authenticators.Fault` changes what the browser says, writes, signs and sends, as for the other kinds. `PasskeyFault`
changes what the authenticator reports.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import strategies as st
from webauthn.helpers import encode_cbor

from dfns_login.verification.encoding import decode_base64url
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.authenticators import Fault, Members, SoftwareKey, Wire, base64url, proof, sent, written
from tests.support.fido2_maker import Maker

ORIGIN: Final = "https://login.example"
RP_ID: Final = "login.example"
ACCOUNT_ID: Final = "us-1"

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 99) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=6,
)
"""Values in the CBOR of authenticators."""

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
SYNCED: Final = UP | UV | BE | BS
DEVICE_BOUND: Final = UP | UV

ALGORITHMS: Final = (KeyAlgorithm.P256, KeyAlgorithm.RSA, KeyAlgorithm.ED25519)
_COSE_ALGORITHMS: Final = {KeyAlgorithm.P256: -7, KeyAlgorithm.RSA: -257, KeyAlgorithm.ED25519: -8}


def unfolding(references: int) -> bytes:
    """Return nested arrays with two references to the same array in each: expanded, 2 to this power."""
    assert references < 24
    doubled = b"".join(b"\xd8\x1c\x82" + 2 * (b"\xd8\x1d" + bytes([each])) for each in range(references))
    return bytes([0x98, references + 1]) + b"\xd8\x1c\x80" + doubled


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


@dataclass(frozen=True, slots=True)
class Reports:
    """Faults in what the authenticator reports."""

    change: Callable[[AuthenticatorData], AuthenticatorData]


@dataclass(frozen=True, slots=True)
class Packs:
    """Faults in the encoding of authenticator data."""

    change: Callable[[bytes], bytes]


def _without(flag: int) -> Reports:
    return Reports(lambda said: replace(said, flags=said.flags & ~flag))


def _extended(cbor: bytes) -> Reports:
    return Reports(lambda said: replace(said, flags=said.flags | ED, extensions=cbor))


class PasskeyFault(Enum):
    """One fault in what the authenticator reports. Its signature is valid."""

    RP_FOREIGN = Reports(lambda said: replace(said, rp_id="evil.example"))
    RP_PARENT = Reports(lambda said: replace(said, rp_id=said.rp_id.partition(".")[2]))
    RP_ORIGIN = Reports(lambda said: replace(said, rp_id=f"https://{said.rp_id}"))
    RP_IN_UPPER_CASE = Reports(lambda said: replace(said, rp_id=said.rp_id.upper()))
    USER_NOT_PRESENT = _without(UP)
    USER_NOT_VERIFIED = _without(UV)
    BACKED_UP_NOT_ELIGIBLE = Reports(lambda said: replace(said, flags=(said.flags | BS) & ~BE))
    EXTENSIONS_MISSING = _extended(b"")
    EXTENSIONS_CUT = _extended(b"\xa1\x61")
    EXTENSIONS_INDEFINITE = _extended(b"\xbf\xff")
    EXTENSIONS_NOT_SHORTEST = _extended(b"\xb8\x00")
    EXTENSIONS_TAGGED = _extended(b"\xa1\x61e\xd9\xd9\xf7\x01")
    EXTENSIONS_TWICE = _extended(b"\xa0\xa0")
    EXTENSIONS_DEEP = _extended(b"\x81" * 5 + b"\x80")
    EXTENSIONS_UNFOLD = _extended(unfolding(23))
    NO_BYTES = Packs(lambda _: b"")
    CUT = Packs(lambda packed: packed[:36])
    TRAILING_BYTE = Packs(lambda packed: packed + b"\0")
    TRAILING_CBOR = Packs(lambda packed: packed + b"\xa0")
    TOO_LONG = Packs(lambda packed: packed + bytes(2**20))


class AttestedFault(Enum):
    """One fault in the attested credential data."""

    MISSING = Reports(lambda said: replace(said, flags=said.flags & ~AT, attested=b""))
    NOT_FLAGGED = _without(AT)
    FLAGGED_AND_MISSING = Reports(lambda said: replace(said, attested=b""))
    CUT_IN_AAGUID = Reports(lambda said: replace(said, attested=said.attested[:8]))
    CUT_IN_CREDENTIAL_ID = Reports(lambda said: replace(said, attested=said.attested[:24]))
    CUT_IN_KEY = Reports(lambda said: replace(said, attested=said.attested[:-1]))
    WITHOUT_KEY = Reports(lambda said: replace(said, attested=said.attested[:18] + said.attested[18:50]))
    OTHER_CREDENTIAL_ID = Reports(
        lambda said: replace(said, attested=said.attested[:18] + bytes(32) + said.attested[50:])
    )
    NO_CREDENTIAL_ID = Reports(lambda said: replace(said, attested=said.attested[:16] + bytes(2) + said.attested[50:]))
    CREDENTIAL_ID_LONGER_THAN_ALL = Reports(
        lambda said: replace(said, attested=said.attested[:16] + b"\xff\xff" + said.attested[18:])
    )


AnyFault = Fault | PasskeyFault | AttestedFault


class Statement(Enum):
    """Attestation statements of a passkey."""

    NONE = "none"
    SELF_SIGNED = "packed, signed by the passkey"
    CERTIFIED = "packed, signed by its maker's key"
    APPLE = "apple"
    TPM = "tpm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A passkey and its browser. `flags` are reported with each signature."""

    key: SoftwareKey = field(repr=False)
    account_id: str = ACCOUNT_ID
    origin: str = ORIGIN
    rp_id: str = RP_ID
    flags: int = SYNCED
    aaguid: bytes = bytes(16)

    @classmethod
    def make(cls, algorithm: KeyAlgorithm = KeyAlgorithm.P256, **given: Any) -> Self:
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

    def answer(self, challenge: str, *, sign_count: int = 1, fault: AnyFault | None = None) -> Wire:
        """Answer a challenge: `credentialAssertion`."""
        client_data = self._client_data(challenge, type_="webauthn.get", fault=fault)
        reported = AuthenticatorData(rp_id=self.rp_id, flags=self.flags, sign_count=sign_count)
        authenticator_data = _packed(reported, fault=fault)
        signature = proof(self.key, authenticator_data + _hash(client_data), fault=_of_client(fault))
        return {
            "credId": self.credential_id,
            "clientData": sent(client_data, as_field="clientData", fault=_of_client(fault)),
            "authenticatorData": base64url(authenticator_data),
            "signature": sent(signature, as_field="proof", fault=_of_client(fault)),
            "userHandle": base64url(self.account_id.encode()),
        }

    def register(
        self,
        challenge: str,
        *,
        statement: Statement = Statement.NONE,
        maker: Maker | None = None,
        sign_count: int = 0,
        cose: Mapping[int, object] | bytes | None = None,
        change: Callable[[Members], Members] = dict,
        fault: AnyFault | None = None,
    ) -> Wire:
        """Answer a registration challenge: `credentialInfo`.

        `cose` replaces the reported key. `change` edits the attestation object before it is encoded.
        """
        client_data = self._client_data(challenge, type_="webauthn.create", fault=fault)
        key = cose if isinstance(cose, bytes) else encode_cbor(self.cose if cose is None else cose)
        credential_id = decode_base64url(self.credential_id)
        attested = self.aaguid + len(credential_id).to_bytes(2) + credential_id + key
        reported = AuthenticatorData(rp_id=self.rp_id, flags=self.flags | AT, sign_count=sign_count, attested=attested)
        authenticator_data = _packed(reported, fault=fault)
        signed = authenticator_data + _hash(client_data)
        statement_format, members = self._statement(statement, signed, maker=maker, fault=_of_client(fault))
        attestation_object = change({"fmt": statement_format, "attStmt": members, "authData": authenticator_data})
        return {
            "credId": self.credential_id,
            "clientData": sent(client_data, as_field="clientData", fault=_of_client(fault)),
            "attestationData": sent(encode_cbor(attestation_object), as_field="proof", fault=_of_client(fault)),
        }

    def factor(self, challenge: str, *, sign_count: int = 1, fault: AnyFault | None = None) -> Members:
        """Answer a challenge, as `firstFactor` or `secondFactor` of a login or user action."""
        answer = self.answer(challenge, sign_count=sign_count, fault=fault)
        return {"kind": "Fido2", "credentialAssertion": answer}

    def credential(self, challenge: str, *, fault: AnyFault | None = None) -> Members:
        """Answer a registration challenge, as one credential of its body."""
        return {"credentialKind": "Fido2", "credentialInfo": self.register(challenge, fault=fault)}

    def _client_data(self, challenge: str, *, type_: str, fault: AnyFault | None) -> bytes:
        """Return client data as Chromium writes them when the official signer passes the challenge."""
        said = {
            "type": type_,
            "challenge": base64url(challenge.encode()),
            "origin": self.origin,
            "crossOrigin": False,
            "other_keys_can_be_added_here": "do not compare clientDataJSON against a template.",
        }
        return written(said, fault=_of_client(fault))

    def _statement(
        self, statement: Statement, signed: bytes, *, maker: Maker | None, fault: Fault | None
    ) -> tuple[str, Members]:
        maker = maker or Maker.make()
        match statement:
            case Statement.NONE:
                return "none", {}
            case Statement.SELF_SIGNED:
                return "packed", {"alg": self.cose[3], "sig": proof(self.key, signed, fault=fault)}
            case Statement.CERTIFIED:
                certificate = maker.packed_certificate(self.aaguid)
                return "packed", {"alg": -7, "sig": proof(maker.key, signed, fault=fault), "x5c": [certificate]}
            case Statement.APPLE:
                return "apple", {"x5c": [maker.apple_certificate(self.key.private_key.public_key(), signed=signed)]}
            case Statement.TPM:
                return "tpm", maker.tpm_statement(self.key.private_key.public_key(), signed=signed)


def _packed(reported: AuthenticatorData, *, fault: AnyFault | None) -> bytes:
    if fault and isinstance(fault.value, Reports):
        reported = fault.value.change(reported)
    packed = reported.pack()
    return fault.value.change(packed) if fault and isinstance(fault.value, Packs) else packed


def _of_client(fault: AnyFault | None) -> Fault | None:
    return fault if isinstance(fault, Fault) else None


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
