"""A check of authenticators' CBOR before it is decoded.

py_webauthn decodes with cbor2, which follows tags. With shared references (tags 28 and 29), 250 bytes can stand for a
value that takes hours to encode again, as py_webauthn does. Anybody could send them in an assertion.
"""

from typing import Final

DEPTH: Final = 4
"""Maximum nesting of maps and arrays (CTAP 2.1 §8)."""

_BYTES, _TEXT, _ARRAY, _MAP, _SIMPLE = 2, 3, 4, 5, 7
_FALSE_TRUE_NULL: Final = range(20, 22 + 1)
_ARGUMENT_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}


class CborError(ValueError):
    """Bytes that are not CTAP2 canonical CBOR. The message never quotes them."""


def end_of_item(data: bytes, *, start: int) -> int:
    """Return the index after the data item that begins at `start`.

    Raises: CborError, if the item has indefinite or needlessly long lengths, tags or floating-point numbers.
    Source: CTAP 2.1 §8, CTAP2 canonical CBOR encoding form; WebAuthn Level 3 §2.4.
    """
    end = start
    unread = [1]  # number of remaining items in each open array or map
    while unread:
        if not unread[-1]:
            unread.pop()
            continue
        unread[-1] -= 1
        major, argument, end = _head(data, end)
        if major in {_BYTES, _TEXT}:
            end += argument
        elif major in {_ARRAY, _MAP}:
            unread.append(argument * (2 if major == _MAP else 1))
        if end > len(data) or len(unread) > DEPTH + 1:
            raise CborError("Its CBOR is incomplete or nested too deeply.")
    return end


def _head(data: bytes, start: int) -> tuple[int, int, int]:
    """Return the major type, the argument, and the index after them (RFC 8949 §3)."""
    initial = data[start : start + 1]
    major, argument = divmod(initial[0], 32) if initial else (_SIMPLE, 0)
    if argument < min(_ARGUMENT_SIZES):
        end = start + 1
        sound = major < _SIMPLE - 1 or (major == _SIMPLE and argument in _FALSE_TRUE_NULL)
    else:
        size = _ARGUMENT_SIZES.get(argument, 0)
        end = start + 1 + size
        argument = int.from_bytes(data[start + 1 : end], "big")
        shortest = argument >= (min(_ARGUMENT_SIZES) if size == 1 else 1 << (4 * size))
        sound = major < _SIMPLE - 1 and bool(size) and shortest
    if not sound or end > len(data):
        raise CborError("Its CBOR is incomplete or not canonical.")
    return major, argument, end
