"""The two encodings that clients wrap things in, read strictly: base64url and JSON.

Python's own readers forgive too much: `urlsafe_b64decode` skips foreign characters and ignores trailing bits,
`bytes.fromhex` skips white space, `json.loads` takes a byte order mark, UTF-16, NaN and a member given twice.
Whatever two readers could read differently is refused here.
"""

import base64
import json
import re
from typing import Final, NoReturn

_BASE64URL: Final = re.compile(r"([A-Za-z0-9_-]*)(={0,2})")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_JSON_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"[ \t\r\n]*(:?)')


class EncodingError(ValueError):
    """Text or bytes that are not in the form they should be. The message quotes nothing of them."""


def encode_base64url(data: bytes) -> str:
    """Write bytes as base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Read a base64url text.

    text: without padding or with the right padding; nothing else, not even white space.
    Raises EncodingError for anything that is not the one encoding of its bytes.
    Source: RFC 4648 §5, and §3.5 for the trailing bits.
    """
    match = _BASE64URL.fullmatch(text)
    if match is None:
        msg = "It is not base64url."
        raise EncodingError(msg)
    digits, padding = match.groups()
    missing = -len(digits) % 4
    if len(digits) % 4 == 1 or (padding and len(padding) != missing):
        msg = "It is not base64url of a right length."
        raise EncodingError(msg)
    data = base64.urlsafe_b64decode(digits + "=" * missing)
    if encode_base64url(data) != digits:
        msg = "It is not base64url with zero trailing bits."
        raise EncodingError(msg)
    return data


def decode_hex(text: str) -> bytes:
    """Read a text of hexadecimal digits, of either case and an even number (RFC 4648 §8).

    Raises EncodingError.
    """
    if _HEX.fullmatch(text) is None:
        msg = "It is not hexadecimal."
        raise EncodingError(msg)
    return bytes.fromhex(text)


def parse_json_object(data: bytes, *, limit: int) -> dict[str, object]:
    """Read the members of the one JSON object that the bytes are.

    data: UTF-8 without a byte order mark, every member name once and written without escapes.
    limit: bytes at most.
    Raises EncodingError; also for NaN and infinities, numbers and depths beyond what Python reads,
    and strings that hold half of a surrogate pair.
    Source: RFC 8259 §4, §8; RFC 7493 (I-JSON) §2.
    """
    if len(data) > limit:
        msg = f"It is longer than {limit} bytes."
        raise EncodingError(msg)
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_members_once, parse_constant=_refuse_constant)
        # Writing it again finds what reading lets pass: half surrogates, and 1e999, which is read as infinity.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        msg = "It is not JSON in UTF-8 with every member once."
        raise EncodingError(msg) from error
    if not isinstance(value, dict):
        msg = "It is not a JSON object."
        raise EncodingError(msg)
    if any(colon and "\\" in name for name, colon in _JSON_STRING.findall(text)):
        msg = "It has a member name with an escape."
        raise EncodingError(msg)
    return value


def _members_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        msg = "a member is given twice"
        raise ValueError(msg)
    return members


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)
