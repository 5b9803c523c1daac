"""Reading a request's body before anything is authenticated or decided (R-123, R-124).

A client can hold its body back for as long as the server waits. Whatever was
checked before would be stale when the body arrives, and so would the time.
"""

from datetime import timedelta
from io import BytesIO
from time import monotonic

from django.http import HttpRequest, UnreadablePostError

from dfns_login.api.envelope import WHOLE_BODY
from dfns_login.api.parsing import BODY_LIMIT
from dfns_login.errors import BodyRefused
from dfns_login.proofs import REQUEST_DEADLINE


def read_body(request: HttpRequest, *, deadline: timedelta = REQUEST_DEADLINE) -> bytes:
    """Read the body into memory, where later readers find it.

    A chunked body (RFC 9112 §7.1) is read like any other. A body that is announced to be
    longer than `BODY_LIMIT` is left unread: every parser of ours refuses it.
    Raises: BodyRefused, if the body arrives after the deadline or has an unknown transfer coding;
    UnreadablePostError, if it is incomplete or its chunks are malformed.
    """
    started = monotonic()
    if _announced_length(request) > BODY_LIMIT:
        return b""
    chunked = _is_chunked(request)
    if chunked and request.META.get("wsgi.input_terminated"):
        request._stream = BytesIO(_chunks(request))  # noqa: SLF001  Django ignores chunked bodies
    body = request.body
    if monotonic() - started > deadline.total_seconds():
        raise BodyRefused("late body", details={WHOLE_BODY: ["It took too long to arrive."]})
    if chunked:
        request.META["CONTENT_LENGTH"] = str(len(body))  # REST framework ignores a body without a length
    return body


def _is_chunked(request: HttpRequest) -> bool:
    """Return whether the last transfer coding is `chunked`. Servers decode no others, so such a body is refused."""
    codings = str(request.META.get("HTTP_TRANSFER_ENCODING", "")).lower().split(",")
    last = codings[-1].strip()
    if last not in {"", "identity", "chunked"}:
        raise BodyRefused("unknown transfer coding", details={WHOLE_BODY: ["Its transfer coding is not supported."]})
    return last == "chunked"


def _chunks(request: HttpRequest) -> bytes:
    try:
        raw: bytes = request.META["wsgi.input"].read(BODY_LIMIT + 1)
    except Exception as error:  # servers have errors of their own for malformed chunks
        raise UnreadablePostError(*error.args) from error
    return raw


def _announced_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
