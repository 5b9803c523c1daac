"""JSON in: small, shallow, UTF-8, each member once. Everything else is refused before anything reads it."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal, DecimalException
from typing import Any, Final, NoReturn

from django.http import HttpRequest, UnreadablePostError
from rest_framework.parsers import BaseParser

from dfns_login.api.envelope import WHOLE_BODY
from dfns_login.errors import BodyRefused, BodyTooLarge
from dfns_login.proofs import NOTHING

BODY_LIMIT: Final = 64 * 1024
"""Bytes. The longest body that a client of ours sends has about 25 KiB."""
DEPTH_LIMIT: Final = 8
PAYLOAD_DEPTH_LIMIT: Final = 64
"""The same for what is signed for, which is a project's own."""
DRAINED: Final = 16 * 1024 * 1024
"""Bytes of a refused body that are read and thrown away."""
CHUNK: Final = 64 * 1024


class StrictJSONParser(BaseParser):
    """Parser of every body. Raises BodyTooLarge and BodyRefused."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        raw = stream.read(BODY_LIMIT + 1)
        if len(raw) > BODY_LIMIT:
            msg = "body over the limit"
            raise BodyTooLarge(msg)
        return parse_body(raw)


def parse_body(raw: bytes) -> dict[str, Any]:
    """The body's JSON object (RFC 8259).

    Raises BodyRefused for anything that is not one, that repeats a member, that
    is nested too deeply, or that holds text which no database takes.
    """
    value = parse_json(raw)
    if not isinstance(value, dict):
        _refuse("It is not a JSON object.")
    _check(value, left=DEPTH_LIMIT)
    return value


def parse_payload(raw: bytes) -> object:
    """The JSON value of a body that is signed for; `NOTHING` where there is no body.

    Raises BodyRefused as `parse_body` does, for what cannot be read in one way only: also a number of more digits
    than a double keeps, which the view may read as another one than was signed.
    """
    value = parse_json(raw, number=_exact_number) if raw.strip() else NOTHING
    _check(value, left=PAYLOAD_DEPTH_LIMIT)
    return value


def parse_json(raw: bytes, *, number: Callable[[str], float] = float) -> Any:
    """A JSON value that can be read in one way only. Raises BodyRefused.

    number: what is made of a number that has a fraction or an exponent.
    """
    try:
        return json.loads(
            raw.decode("utf-8"), object_pairs_hook=_members_once, parse_constant=_no_constant, parse_float=number
        )
    except RecursionError:
        _refuse("It is nested too deeply.")
    except UnicodeDecodeError:
        _refuse("It is not UTF-8.")
    except ValueError as error:
        text = str(error) if isinstance(error, (json.JSONDecodeError, _BodyError)) else "a number is too long"
        _refuse(f"It is not valid JSON: {text}.")


def drain(request: HttpRequest) -> None:
    """Read what is left of a body that is refused: a sender who is cut off reads no refusal."""
    left = DRAINED
    with suppress(UnreadablePostError):
        while left > 0 and (chunk := request.read(min(CHUNK, left))):
            left -= len(chunk)


class _BodyError(ValueError):
    pass


def _check(value: Any, *, left: int) -> None:
    if isinstance(value, str):
        if "\0" in value:
            _refuse("It holds a NUL character.")
        if not value.isascii() and any("\ud800" <= each <= "\udfff" for each in value):
            _refuse("It holds half of a surrogate pair.")
    elif isinstance(value, (dict, list)):
        if left <= 0:
            _refuse("It is nested too deeply.")
        inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        for each in inner:
            _check(each, left=left - 1)


def _members_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        msg = "a member stands in it twice"
        raise _BodyError(msg)
    return members


def _exact_number(text: str) -> float:
    number = float(text)
    try:
        exact = Decimal(text) == Decimal(repr(number))
    except DecimalException:
        exact = False
    if not exact:
        msg = "a number has more digits than are kept"
        raise _BodyError(msg)
    return number


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is no number"
    raise _BodyError(msg)


def _refuse(what: str) -> NoReturn:
    raise BodyRefused(what, details={WHOLE_BODY: [what]}) from None
