"""The parser of request bodies: small, shallow, strict JSON."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal, DecimalException
from time import monotonic
from typing import Any, Final, NoReturn

from django.http import HttpRequest, UnreadablePostError
from rest_framework.parsers import BaseParser

from dfns_login.api.envelope import WHOLE_BODY
from dfns_login.api.slow_senders import slow_senders
from dfns_login.errors import BodyRefused, BodyTooLarge, ServiceUnavailable
from dfns_login.verification.encoding import JsonError, parse_json
from dfns_login.verification.evidence import NOTHING

BODY_LIMIT: Final = 64 * 1024
"""Bytes. The longest body of an official client has about 25 KiB."""
DEPTH_LIMIT: Final = 8
PAYLOAD_DEPTH_LIMIT: Final = 64
"""Nesting of a signed payload, whose format is up to the project."""
DRAINED: Final = 16 * 1024 * 1024
"""Bytes of a refused body that are read and discarded."""
DRAIN_PATIENCE: Final = timedelta(seconds=5)
CHUNK: Final = 4 * 1024


class StrictJSONParser(BaseParser):
    """Parse the body as a JSON object. Raises: BodyTooLarge, BodyRefused."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        raw = stream.read(BODY_LIMIT + 1)
        if len(raw) > BODY_LIMIT:
            raise BodyTooLarge("body over the limit")
        return parse_body(raw)


def parse_body(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object (RFC 8259).

    Raises: BodyRefused, also for repeated members, deep nesting, and text that databases cannot store.
    """
    value = read_json(raw)
    if not isinstance(value, dict):
        _refuse("It is not a JSON object.")
    _check(value, left=DEPTH_LIMIT)
    return value


def parse_payload(raw: bytes) -> object:
    """Parse the JSON value of a signed body. Return `NOTHING` for an empty body.

    Raises: BodyRefused, as `parse_body` does, and for a number with more digits than a double can hold, which the view
        could read as another number than the one that was signed.
    """
    value = read_json(raw, number=_exact_number) if raw.strip() else NOTHING
    _check(value, left=PAYLOAD_DEPTH_LIMIT)
    return value


def read_json(raw: bytes, *, number: Callable[[str], float] = float) -> Any:
    """Parse strict JSON. Raises: BodyRefused."""
    try:
        return parse_json(raw, number=number)
    except JsonError as error:
        _refuse(str(error))


def drain(request: HttpRequest, *, patience: timedelta = DRAIN_PATIENCE) -> None:
    """Read and discard the rest of a refused body, because a client that is cut off does not read the refusal.

    Stops after `DRAINED` bytes, or when a read ends after `patience`. Reads nothing if no thread could end the reading.
    """
    left, end = DRAINED, monotonic() + patience.total_seconds()
    with suppress(UnreadablePostError, ServiceUnavailable), slow_senders.reading_ends(request, after=patience):
        while left > 0 and monotonic() < end and (chunk := request.read(min(CHUNK, left))):
            left -= len(chunk)


def _check(value: Any, *, left: int) -> None:
    if isinstance(value, str):
        if "\0" in value:
            _refuse("It contains a NUL character.")
        if not value.isascii() and any("\ud800" <= each <= "\udfff" for each in value):
            _refuse("It contains a lone surrogate.")
    elif isinstance(value, (dict, list)):
        if left <= 0:
            _refuse("It is nested too deeply.")
        inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        for each in inner:
            _check(each, left=left - 1)


def _exact_number(text: str) -> float:
    number = float(text)
    try:
        exact = Decimal(text) == Decimal(repr(number))
    except DecimalException:
        exact = False
    if not exact:
        raise JsonError("It has a number with more digits than a double can hold.")
    return number


def _refuse(what: str) -> NoReturn:
    raise BodyRefused(what, details={WHOLE_BODY: [what]}) from None
