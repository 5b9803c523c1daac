"""Checks of encrypted private keys, which the server never decrypts.

What is visibly unsafe to store is refused: an unencrypted private key, and an age file that is incomplete or whose work
factor makes guessing cheap. No message quotes what was sent.
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
"""Bytes of UTF-8. An encrypted key with its salt, nonce and tag is longer."""

WORK_FACTORS: Final = range(17, 20 + 1)
"""scrypt's log2 N. With less, guessing is cheap; with more, clients refuse or run out of memory."""

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
"""Bytes: a nonce, and the tag of a single chunk."""


class EnvelopeForm(StrEnum):
    """Format of an encrypted private key."""

    AGE = "age"
    OPAQUE = "opaque"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEnvelope:
    """An encrypted private key that may be stored, as it was received. Only `check_key_envelope` makes one."""

    form: EnvelopeForm
    text: str = field(repr=False)


class _EnvelopeError(ValueError):
    """A reason for refusal, worded for the client."""


def check_key_envelope(text: str) -> KeyEnvelope:
    """Check that an encrypted private key may be stored.

    text: an age passphrase file, armored or in base64 or base64url; or opaque text in a client's own format.
    Raises: AttestationRefused, whose details name `encrypted_private_key`.
    Source: C2SP age, "The scrypt recipient type" and "ASCII armor"; Dfns API, PasswordProtectedKey credentials.
    """
    try:
        form = _form_of(text)
    except _EnvelopeError as error:
        raise AttestationRefused(
            f"encrypted_private_key: {error}", details={"encrypted_private_key": [str(error)]}
        ) from error
    return KeyEnvelope(form=form, text=text)


def _form_of(text: str) -> EnvelopeForm:
    seen = list(readings(_plain_text(text)))
    if any(holds_clear_private_key(each) for each in seen):
        raise _EnvelopeError("The private key is not encrypted. Encrypt it before you send it.")
    if not any(trace in each for each in seen for trace in _AGE_TRACES):
        return EnvelopeForm.OPAQUE
    _check_age_file(_age_bytes(text))
    return EnvelopeForm.AGE


def _plain_text(text: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:  # its message would quote the text
        raise _EnvelopeError("It is not Unicode text.") from None
    if not OPAQUE_FLOOR <= len(data) <= ENVELOPE_LIMIT:
        raise _EnvelopeError(f"It is not {OPAQUE_FLOOR} to {ENVELOPE_LIMIT} bytes long.")
    if any(unicodedata.category(character) == "Cc" and character not in "\t\r\n" for character in text):
        raise _EnvelopeError("It contains control characters.")
    return data


def _age_bytes(text: str) -> bytes:
    """Return the bytes of the age file that the whole text must be."""
    stripped = text.strip(" \t\r\n")
    if stripped.startswith(_ARMOR_BEGIN):
        return _dearmor(stripped.replace("\r\n", "\n"))
    try:
        data = decode_base64url(stripped.replace("+", "-").replace("/", "_"))
    except EncodingError:
        data = b""
    if not data.startswith(_AGE_MAGIC):
        raise _EnvelopeError("It contains more than an age file in armor or in base64.")
    return data


def _dearmor(armored: str) -> bytes:
    """Decode strict PEM: canonical base64 in lines of 64 and nothing around it (RFC 7468 §3, figure 3)."""
    lines = armored.split("\n")
    try:
        data = base64.b64decode("".join(lines[1:-1]), validate=True)
    except ValueError as error:
        raise _EnvelopeError("Its age armor is not base64.") from error
    body = base64.b64encode(data).decode("ascii")
    wrapped = [body[start : start + 64] for start in range(0, len(body), 64)]
    if lines != [_ARMOR_BEGIN, *wrapped, _ARMOR_END]:
        raise _EnvelopeError("Its age armor is not strict PEM.")
    return data


def _check_age_file(data: bytes) -> None:
    """Check that the bytes are a complete age file for one passphrase, with an accepted work factor."""
    if not data.startswith(_AGE_VERSION):
        raise _EnvelopeError("It is an age file of an unsupported version.")
    # Latin-1 maps each byte of the payload to one character. The expression admits only ASCII before it.
    rest = data.removeprefix(_AGE_VERSION).decode("latin-1")
    header, _, _ = rest.partition("\n--- ")
    stanzas = [line for line in header.split("\n") if line.startswith("-> ")]
    if len(stanzas) != 1 or not stanzas[0].startswith("-> scrypt "):
        raise _EnvelopeError("It is an age file that does not have exactly one scrypt stanza.")
    match = _SCRYPT_STANZA.match(rest)
    if match is None or not all(_is_canonical(match[name]) for name in ("salt", "body", "mac")):
        raise _EnvelopeError("It is an age file whose header is not canonical.")
    if match["work_factor"] not in map(str, WORK_FACTORS):
        raise _EnvelopeError(f"Its scrypt work factor is not between {WORK_FACTORS.start} and {WORK_FACTORS.stop - 1}.")
    if len(rest) - match.end() < _SHORTEST_PAYLOAD:
        raise _EnvelopeError("It is an age file that is incomplete.")


def _is_canonical(digits: str) -> bool:
    """Whether unpadded standard base64 has zero trailing bits (RFC 4648 §3.5)."""
    padded = digits + "=" * (-len(digits) % 4)
    return base64.b64encode(base64.b64decode(padded)).decode("ascii") == padded
