"""Middleware that signs a browser out everywhere in the project when its session ends."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from dfns_login.audit import is_database_outage, log_outage
from dfns_login.browsers import named_session, resolve_browser_session


class BrowserSessionMiddleware:
    """Sign a browser out if its `Session` was revoked, has expired, or was idle for `TOKEN_IDLE`.

    Add it to `MIDDLEWARE` after Django's `AuthenticationMiddleware`. It costs one SELECT per signed-in request.
    Without it, the project's views still notice revoked sessions, whose Django session is deleted, but not idle ones.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # reading the session would add `Vary: Cookie`, so requests without its cookie are left alone
        if settings.SESSION_COOKIE_NAME in request.COOKIES and self._has_ended(request):
            logout(request)
        return self.get_response(request)

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
