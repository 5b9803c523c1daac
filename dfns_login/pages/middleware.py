"""For the project's own views: a browser's sign-in is over for them too in the moment that it ends."""

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from dfns_login.audit import log_outage
from dfns_login.browsers import named_session, resolve_browser_session


class BrowserSessionMiddleware:
    """Signs a browser out whose `Session` was ended, has expired, or was not used for `TOKEN_IDLE`.

    For `MIDDLEWARE`, behind Django's `AuthenticationMiddleware`. Costs a signed-in request one SELECT. Without it,
    sessions that are revoked end all the same, for their Django session is deleted; those that idle do not.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # whoever brings no cookie is not asked further: an answer that looked at a session varies by its cookie
        if settings.SESSION_COOKIE_NAME in request.COOKIES and self._has_ended(request):
            logout(request)
        return self.get_response(request)

    def _has_ended(self, request: HttpRequest) -> bool:
        try:
            return named_session(request) is not None and resolve_browser_session(request, now=timezone.now()) is None
        except (OperationalError, InterfaceError) as error:
            # the view answers for the outage, as it does to anybody; who cannot be looked up is nobody
            log_outage("database", error=error)
            request.user = AnonymousUser()
            return False
