"""Middleware that signs a browser out everywhere in the project when its session ends."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

from django.conf import settings
from django.contrib.auth import get_user, logout
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from dfns_login.audit import is_database_outage, log_outage
from dfns_login.browsers import forget_browser_session, named_session, resolve_browser_session

MOST_IN_MEMORY: Final = 2_621_440
"""Bytes of a body that are read at once if `DATA_UPLOAD_MAX_MEMORY_SIZE` sets no limit. It is Django's default."""


class BrowserSessionMiddleware:
    """Sign a browser out if its `Session` was revoked, has expired, or was idle for `TOKEN_IDLE`.

    Add it to `MIDDLEWARE` after Django's `AuthenticationMiddleware`. It costs one SELECT per signed-in request.
    Without it, the project's views still notice revoked sessions, whose Django session is deleted, but not idle ones.

    The session is read once the body is there. Otherwise, a browser could hold a form back until after it was signed
    out (R-123).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # reading the session would add `Vary: Cookie`, so requests without its cookie are left alone
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            if not _is_large(request) and "HTTP_TRANSFER_ENCODING" not in request.META:  # Django reads no chunks
                with suppress(UnreadablePostError):  # the view refuses what is missing
                    _ = request.body
            self._check(request)
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponse],
        _args: Sequence[Any],
        _arguments: Mapping[str, Any],
    ) -> None:
        """Check again after an upload that does not fit into memory, unless the view reads it itself."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not _is_large(request):
            return
        if not getattr(view, "csrf_exempt", False):
            with suppress(UnreadablePostError):
                _ = request.POST
            forget_browser_session(request)
            request.session = type(request.session)(request.session.session_key)
            request.user = cast("Any", SimpleLazyObject(partial(get_user, request)))
            self._check(request)

    def _check(self, request: HttpRequest) -> None:
        if self._has_ended(request):
            logout(request)

    def _has_ended(self, request: HttpRequest) -> bool:
        try:
            return named_session(request) is not None and resolve_browser_session(request, now=timezone.now()) is None
        except (DatabaseError, InterfaceError) as error:
            if not is_database_outage(error):
                raise
            # the view decides how to answer during an outage; until then nobody is signed in
            log_outage("database", error=error)
            request.user = AnonymousUser()
            return False


def _is_large(request: HttpRequest) -> bool:
    try:
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return False
    return announced > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or MOST_IN_MEMORY)
