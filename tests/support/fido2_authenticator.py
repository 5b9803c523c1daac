"""The software passkey of `dfns_login.testing`, which here can make one fault at a time.

`authenticators.Fault` changes what the browser says, writes, signs and sends, as for the other kinds. `PasskeyFault`
changes what the authenticator reports.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, Self

from hypothesis import strategies as st
from webauthn.helpers import encode_cbor

from dfns_login.testing import passkeys as sound
from dfns_login.testing.passkeys import AT, BE, BS, DEVICE_BOUND, ED, SYNCED, UP, UV, AuthenticatorData
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.authenticators import Fault, Members, SoftwareKey, Wire
from tests.support.fido2_maker import Maker

__all__ = ["AT", "BE", "BS", "DEVICE_BOUND", "ED", "SYNCED", "UP", "UV", "AuthenticatorData", "Passkey"]

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

ALGORITHMS: Final = (KeyAlgorithm.P256, KeyAlgorithm.RSA, KeyAlgorithm.ED25519)


def unfolding(references: int) -> bytes:
    """Return nested arrays with two references to the same array in each: expanded, 2 to this power."""
    assert references < 24
    doubled = b"".join(b"\xd8\x1c\x82" + 2 * (b"\xd8\x1d" + bytes([each])) for each in range(references))
    return bytes([0x98, references + 1]) + b"\xd8\x1c\x80" + doubled


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


@dataclass(frozen=True, kw_only=True)
class Passkey(sound.Passkey):
    """A passkey that makes the given fault.

    statement, maker: what it attests with. said_cose: replaces the reported key. change: edits the attestation object
    before it is encoded.
    """

    key: SoftwareKey
    account_id: str = ACCOUNT_ID
    origin: str = ORIGIN
    rp_id: str = RP_ID
    fault: AnyFault | None = None
    statement: Statement = Statement.NONE
    maker: Maker | None = None
    said_cose: Mapping[int, object] | bytes | None = None
    change: Callable[[Members], Members] = dict

    @classmethod
    def make(cls, algorithm: KeyAlgorithm = KeyAlgorithm.P256, **given: Any) -> Self:
        return cls(key=SoftwareKey.make(algorithm), **given)

    def report(self, data: AuthenticatorData) -> bytes:
        match self.fault and self.fault.value:
            case Reports(change):
                return super().report(change(data))
            case Packs(change):
                return change(super().report(data))
        return super().report(data)

    def encoded_public_key(self) -> bytes:
        if isinstance(self.said_cose, bytes):
            return self.said_cose
        return encode_cbor(self.cose if self.said_cose is None else self.said_cose)

    def attest(self, signed: bytes, authenticator_data: bytes) -> Members:
        statement_format, members = self._statement(signed, maker=self.maker or Maker.make())
        return self.change({"fmt": statement_format, "attStmt": members, "authData": authenticator_data})

    def answer(self, challenge: str, *, sign_count: int = 1, fault: AnyFault | None = None) -> Wire:
        return sound.Passkey.answer(self.with_fault(fault), challenge, sign_count=sign_count)

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
        attesting = replace(self.with_fault(fault), statement=statement, maker=maker, said_cose=cose, change=change)
        return sound.Passkey.register(attesting, challenge, sign_count=sign_count)

    def factor(self, challenge: str, *, sign_count: int = 1, fault: AnyFault | None = None) -> Members:
        return sound.Passkey.factor(self.with_fault(fault), challenge, sign_count=sign_count)

    def credential(self, challenge: str, *, fault: AnyFault | None = None) -> Members:
        return sound.Passkey.credential(self.with_fault(fault), challenge)

    def with_fault(self, fault: AnyFault | None) -> Self:
        if fault is None:
            return self
        return replace(self, fault=fault, key=self.key.with_fault(_of_client(fault)))

    def _statement(self, signed: bytes, *, maker: Maker) -> tuple[str, Members]:
        match self.statement:
            case Statement.NONE:
                return "none", {}
            case Statement.SELF_SIGNED:
                return "packed", {"alg": self.cose[3], "sig": self.key.prove(signed)}
            case Statement.CERTIFIED:
                certificate = maker.packed_certificate(self.aaguid)
                attesting = maker.key.with_fault(_of_client(self.fault))
                return "packed", {"alg": -7, "sig": attesting.prove(signed), "x5c": [certificate]}
            case Statement.APPLE:
                return "apple", {"x5c": [maker.apple_certificate(self.key.private_key.public_key(), signed=signed)]}
            case Statement.TPM:
                return "tpm", maker.tpm_statement(self.key.private_key.public_key(), signed=signed)


def _of_client(fault: AnyFault | None) -> Fault | None:
    return fault if isinstance(fault, Fault) else None
