"""Bodies of requests to the project's own views, which are read before the session is (R-123)."""

from typing import Final

from django.conf import settings
from django.http import HttpRequest, RawPostDataException, UnreadablePostError

MOST_IN_MEMORY: Final = 2_621_440
"""Bytes of a body that are read at once if `DATA_UPLOAD_MAX_MEMORY_SIZE` sets no limit. It is Django's default."""


def read_body_early(request: HttpRequest) -> bool:
    """Read the body into memory, where later readers find it; false if it is incomplete.

    A client could otherwise hold it back until its session has ended. A body that does not fit into memory is left to
    the view, and so is one that is being read already. Django does not read chunked bodies.
    """
    if is_large(request) or "HTTP_TRANSFER_ENCODING" in request.META:
        return True
    try:
        _ = request.body
    except UnreadablePostError:
        return False
    except RawPostDataException:
        return True
    return True


def is_large(request: HttpRequest) -> bool:
    """Whether the body is announced to be longer than what Django keeps in memory."""
    try:
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return False
    return announced > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or MOST_IN_MEMORY)
