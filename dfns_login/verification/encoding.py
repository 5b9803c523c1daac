"""Strict readers of base64url, hexadecimal and JSON.

Python's readers accept too much. `urlsafe_b64decode` skips foreign characters and
ignores trailing bits, `bytes.fromhex` skips white space, and `json.loads` accepts
UTF-16, NaN and repeated members. These readers refuse every input that two parsers
could read differently.
"""

import base64
import json
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

_BASE64URL: Final = re.compile(r"([A-Za-z0-9_-]*)(={0,2})")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_JSON_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"[ \t\r\n]*(:?)')


class EncodingError(ValueError):
    """Text or bytes in the wrong form. The message never quotes the input."""


class JsonError(EncodingError):
    """Bytes that are not strict JSON."""


def encode_base64url(data: bytes) -> str:
    """Encode bytes as base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Decode base64url text, without padding or with correct padding. White space is refused.

    Raises: EncodingError, for anything but the canonical encoding of the bytes.
    Source: RFC 4648 §5; §3.5 for the trailing bits.
    """
    match = _BASE64URL.fullmatch(text)
    if match is None:
        raise EncodingError("It is not base64url.")
    digits, padding = match.groups()
    missing = -len(digits) % 4
    if len(digits) % 4 == 1 or (padding and len(padding) != missing):
        raise EncodingError("It is not base64url of a valid length.")
    data = base64.urlsafe_b64decode(digits + "=" * missing)
    if encode_base64url(data) != digits:
        raise EncodingError("It is not base64url with zero trailing bits.")
    return data


def decode_hex(text: str) -> bytes:
    """Decode an even number of hexadecimal digits of either case (RFC 4648 §8).

    Raises: EncodingError.
    """
    if _HEX.fullmatch(text) is None:
        raise EncodingError("It is not hexadecimal.")
    return bytes.fromhex(text)


def parse_json(data: bytes, *, number: Callable[[str], float] = float) -> Any:  # noqa: ANN401  a JSON value
    """Parse UTF-8 JSON whose objects repeat no member.

    number: converts numbers with a fraction or an exponent. It may raise JsonError.
    Raises: JsonError, also for a byte order mark, NaN, Infinity, and numbers or nesting beyond Python's limits.
    Source: RFC 8259 §4, §8.
    """
    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique_members, parse_constant=_refuse_constant, parse_float=number
        )
    except JsonError:
        raise
    except RecursionError:
        raise JsonError("It is nested too deeply.") from None
    except UnicodeDecodeError:
        raise JsonError("It is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise JsonError(f"It is not valid JSON: {error}.") from None
    except ValueError:
        raise JsonError("It is not valid JSON: a number is too long.") from None


def parse_json_object(data: bytes, *, limit: int) -> dict[str, object]:
    """Parse a JSON object as `parse_json` does, and refuse what another parser might read differently.

    limit: maximum length in bytes.
    Raises: EncodingError, also for escapes in member names, lone surrogates, and numbers that overflow to infinity.
    Source: RFC 7493 (I-JSON) §2.
    """
    if len(data) > limit:
        raise EncodingError(f"It is longer than {limit} bytes.")
    value = parse_json(data)
    if not isinstance(value, dict):
        raise JsonError("It is not a JSON object.")
    try:
        # Parsing accepts lone surrogates, and reads 1e999 as infinity. Serializing does neither.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise JsonError("It holds a lone surrogate or a number that is too large.") from None
    if any(colon and "\\" in name for name, colon in _JSON_STRING.findall(data.decode("utf-8"))):
        raise JsonError("A member name contains an escape.")
    return value


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JsonError("It is not valid JSON: a member is repeated.")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"It is not valid JSON: {name} is not a number.")
