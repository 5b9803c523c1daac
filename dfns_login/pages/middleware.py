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
from dfns_login.browsers import forget_browser_session, named_session, note_session, resolve_browser_session
from dfns_login.early_bodies import is_large, read_body_early

_LIVE: Final = "_dfns_login_live"
"""Attribute of the request with the primary key of its live session."""


class BrowserSessionMiddleware:
    """Sign a browser out if its `Session` was revoked, has expired, or was idle for `TOKEN_IDLE`.

    It also notes for the sign-in page which session the browser had, so that the page can say why it ended.

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
            read_body_early(request)  # the view refuses what is missing
            if "\0" in request.COOKIES[settings.SESSION_COOKIE_NAME]:  # PostgreSQL rejects NUL, which Django unquotes
                request.session = type(request.session)()
            self._check(request)
        response = self.get_response(request)
        note_session(request, response, before=getattr(request, _LIVE, None))
        return response

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponse],
        _args: Sequence[Any],
        _arguments: Mapping[str, Any],
    ) -> None:
        """Check again after an upload that does not fit into memory, unless the view reads it itself."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not is_large(request):
            return
        if not getattr(view, "csrf_exempt", False):
            with suppress(UnreadablePostError):
                _ = request.POST
            forget_browser_session(request)
            request.session = type(request.session)(request.session.session_key)
            request.user = cast("Any", SimpleLazyObject(partial(get_user, request)))
            self._check(request)

    def _check(self, request: HttpRequest) -> None:
        named, live = self._sessions(request)
        if named and not live:
            logout(request)
        setattr(request, _LIVE, live)

    def _sessions(self, request: HttpRequest) -> tuple[int | None, int | None]:
        """Return the primary keys of the session that the browser names, and of the same if it is live."""
        try:
            session = resolve_browser_session(request, now=timezone.now())
            return named_session(request), session.pk if session else None
        except (DatabaseError, InterfaceError) as error:
            if not is_database_outage(error):
                raise
            # the view decides how to answer during an outage; until then nobody is signed in
            log_outage("database", error=error)
            request.user = AnonymousUser()
            return None, None
