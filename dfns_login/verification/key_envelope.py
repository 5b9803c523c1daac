"""Encrypted private keys, looked at from the outside.

The server never opens one. It refuses what it can see to be unsafe to keep: a key in clear, and an age file that is
incomplete or whose passphrase is too cheap to guess. No message quotes anything of what was sent.
"""

import base64
import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from dfns_login.errors import AttestationRefused
from dfns_login.verification.clear_keys import holds_clear_private_key, readings
from dfns_login.verification.encoding import EncodingError, decode_base64url

ENVELOPE_LIMIT: Final = 8 * 1024
"""Bytes of UTF-8."""

OPAQUE_FLOOR: Final = 100
"""Bytes of UTF-8; less than that is no encrypted key with its salt, nonce and tag."""

WORK_FACTORS: Final = range(17, 20 + 1)
"""scrypt's log2 N: below, guessing is cheap; above, clients refuse or run out of memory."""

_ARMOR_BEGIN: Final = "-----BEGIN AGE ENCRYPTED FILE-----"
_ARMOR_END: Final = "-----END AGE ENCRYPTED FILE-----"
_AGE_MAGIC: Final = b"age-encryption.org/"
_AGE_VERSION: Final = b"age-encryption.org/v1\n"
_AGE_TRACES: Final = (_AGE_MAGIC, _ARMOR_BEGIN.encode())
_SCRYPT_STANZA: Final = re.compile(
    r"-> scrypt (?P<salt>[A-Za-z0-9+/]{22}) (?P<work_factor>[1-9][0-9]*)\n(?P<body>[A-Za-z0-9+/]{43})\n"
    r"--- (?P<mac>[A-Za-z0-9+/]{43})\n"
)
_SHORTEST_PAYLOAD: Final = 16 + 16
"""Bytes: the nonce, and the tag of the one chunk."""


class EnvelopeForm(StrEnum):
    """How a private key is wrapped."""

    AGE = "age"
    OPAQUE = "opaque"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEnvelope:
    """An encrypted private key that may be stored. Only `check_key_envelope` makes one.

    text: as it was received; it is given back so.
    """

    form: EnvelopeForm
    text: str = field(repr=False)


class _EnvelopeError(ValueError):
    """What is wrong, in words for whoever sent it."""


def check_key_envelope(text: str) -> KeyEnvelope:
    """Check that an encrypted private key may be stored.

    text: `encryptedPrivateKey` as on the wire: an age passphrase file, armored or in base64, or base64url; or opaque
    text that a client brings.
    Raises AttestationRefused, whose details name `encryptedPrivateKey`.
    Source: C2SP age, "The scrypt recipient type" and "ASCII armor"; Dfns API, PasswordProtectedKey credentials.
    """
    try:
        form = _form_of(text)
    except _EnvelopeError as error:
        reason = f"encryptedPrivateKey: {error}"
        raise AttestationRefused(reason, details={"encryptedPrivateKey": [str(error)]}) from error
    return KeyEnvelope(form=form, text=text)


def _form_of(text: str) -> EnvelopeForm:
    seen = list(readings(_plain_text(text)))
    if any(holds_clear_private_key(each) for each in seen):
        msg = "The private key is in clear: encrypt it before it is sent."
        raise _EnvelopeError(msg)
    if not any(trace in each for each in seen for trace in _AGE_TRACES):
        return EnvelopeForm.OPAQUE
    _check_age_file(_age_bytes(text))
    return EnvelopeForm.AGE


def _plain_text(text: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:  # which carries the text
        msg = "It is not Unicode text."
        raise _EnvelopeError(msg) from None
    if not OPAQUE_FLOOR <= len(data) <= ENVELOPE_LIMIT:
        msg = f"It has not {OPAQUE_FLOOR} to {ENVELOPE_LIMIT} bytes."
        raise _EnvelopeError(msg)
    if any(unicodedata.category(character) == "Cc" and character not in "\t\r\n" for character in text):
        msg = "It has control characters."
        raise _EnvelopeError(msg)
    return data


def _age_bytes(text: str) -> bytes:
    """Read the age file that a text with traces of one must be, the whole of it."""
    stripped = text.strip(" \t\r\n")
    if stripped.startswith(_ARMOR_BEGIN):
        return _dearmor(stripped.replace("\r\n", "\n"))
    try:
        data = decode_base64url(stripped.replace("+", "-").replace("/", "_"))
    except EncodingError:
        data = b""
    if not data.startswith(_AGE_MAGIC):
        msg = "It holds an age file that is not the whole of it, in armor or in base64."
        raise _EnvelopeError(msg)
    return data


def _dearmor(armored: str) -> bytes:
    """Strict PEM: canonical base64 in lines of 64, nothing around it (RFC 7468 §3, figure 3)."""
    lines = armored.split("\n")
    try:
        data = base64.b64decode("".join(lines[1:-1]), validate=True)
    except ValueError as error:
        msg = "Its age armor is not base64."
        raise _EnvelopeError(msg) from error
    body = base64.b64encode(data).decode("ascii")
    wrapped = [body[start : start + 64] for start in range(0, len(body), 64)]
    if lines != [_ARMOR_BEGIN, *wrapped, _ARMOR_END]:
        msg = "Its age armor is not strict."
        raise _EnvelopeError(msg)
    return data


def _check_age_file(data: bytes) -> None:
    """Check that the bytes are a whole age file, for one passphrase, of a sound work factor."""
    if not data.startswith(_AGE_VERSION):
        msg = "It is an age file of an unknown version."
        raise _EnvelopeError(msg)
    # Latin-1 gives each byte of the payload a character; the expression admits only ASCII before it.
    rest = data.removeprefix(_AGE_VERSION).decode("latin-1")
    header, _, _ = rest.partition("\n--- ")
    stanzas = [line for line in header.split("\n") if line.startswith("-> ")]
    if len(stanzas) != 1 or not stanzas[0].startswith("-> scrypt "):
        msg = "It is an age file without exactly one scrypt stanza."
        raise _EnvelopeError(msg)
    match = _SCRYPT_STANZA.match(rest)
    if match is None or not all(_is_canonical(match[name]) for name in ("salt", "body", "mac")):
        msg = "It is an age file whose header is not canonical."
        raise _EnvelopeError(msg)
    if match["work_factor"] not in map(str, WORK_FACTORS):
        msg = f"Its scrypt work factor is not {WORK_FACTORS.start} to {WORK_FACTORS.stop - 1}."
        raise _EnvelopeError(msg)
    if len(rest) - match.end() < _SHORTEST_PAYLOAD:
        msg = "It is an age file that is cut short."
        raise _EnvelopeError(msg)


def _is_canonical(digits: str) -> bool:
    """Whether unpadded standard base64 has zero trailing bits (RFC 4648 §3.5)."""
    padded = digits + "=" * (-len(digits) % 4)
    return base64.b64encode(base64.b64decode(padded)).decode("ascii") == padded
