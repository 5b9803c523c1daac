"""CBOR of authenticators, walked before it is decoded.

cbor2, with which py_webauthn reads, follows tags: by shared references (tags 28 and 29), 250 bytes stand for a
value that takes hours to write out again, as py_webauthn does. Whoever is asked for an assertion could send them.
"""

from typing import Final

DEPTH: Final = 4
"""Maps and arrays within one another (CTAP 2.1 §8)."""

_BYTES, _TEXT, _ARRAY, _MAP, _SIMPLE = 2, 3, 4, 5, 7
_FALSE_TRUE_NULL: Final = range(20, 22 + 1)
_ARGUMENT_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}


class CborError(ValueError):
    """Bytes that are not CBOR as authenticators write it. The message quotes nothing of them."""


def end_of_item(data: bytes, *, start: int) -> int:
    """Walk over one data item and return the index after it.

    The item has definite lengths in their shortest form, and neither tags nor floating-point numbers.
    Raises CborError.
    Source: CTAP 2.1 §8, CTAP2 canonical CBOR encoding form; WebAuthn Level 3 §2.4: others should be rejected.
    """
    end = start
    unread = [1]  # items that are still to come, of each array or map that is open
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
            msg = "Its CBOR is cut short, or too deep."
            raise CborError(msg)
    return end


def _head(data: bytes, start: int) -> tuple[int, int, int]:
    """Major type, argument, and the index after them (RFC 8949 §3)."""
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
        msg = "Its CBOR is cut short, or not in its canonical form."
        raise CborError(msg)
    return major, argument, end
