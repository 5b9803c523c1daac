"""Error pages for the project's root URLconf, `CSRF_FAILURE_VIEW` and maintenance.

For paths of the API, each answers with the API's error envelope and headers; elsewhere, with a page in the look and
language of the app's pages. Set them as `handler400`, `handler403`, `handler404` and `handler500`.
"""

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from dfns_login.api.envelope import DATABASE_RETRY, plain_error_response, refusal_of
from dfns_login.audit import is_database_outage
from dfns_login.errors import NotFound, NotPermitted, Refusal, ServiceUnavailable, Unexpected
from dfns_login.pages.error_pages import error_page
from dfns_login.paths import mount
from dfns_login.settings import login_settings

MAINTENANCE_RETRY: Final = timedelta(minutes=5)
_API_PATHS: Final = re.compile(r"auth(/|\Z)|login/complete\Z|\.well-known/jwks\.json\Z")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """For `handler400`."""
    return _answer(request, "bad_request", refusal_of(exception))


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For `handler403`."""
    return _answer(request, "permission_denied", NotPermitted(type(exception).__name__))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For `CSRF_FAILURE_VIEW`. Django has logged the reason."""
    return _answer(request, "csrf_failure", NotPermitted(reason))


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For `handler404`."""
    return _answer(request, "page_not_found", NotFound(type(exception).__name__))


def server_error(request: HttpRequest) -> HttpResponse:
    """For `handler500`. Answers with 503 if the database can't be reached. It doesn't use the database itself."""
    error = sys.exc_info()[1]
    if isinstance(error, Exception) and is_database_outage(error):
        return unavailable(request, retry_after=DATABASE_RETRY)
    return _answer(request, "server_error", Unexpected("server error"))


def too_many_requests(request: HttpRequest, *, retry_after: timedelta) -> HttpResponse:
    """For the project's own views that refuse a request because of a rate limit."""
    return error_page(request, "too_many_requests", retry_after=retry_after)


def unavailable(request: HttpRequest, *, retry_after: timedelta) -> HttpResponse:
    """For requests that can't be answered now."""
    refusal = ServiceUnavailable("unavailable", retry_after=retry_after)
    return _answer(request, "unavailable", refusal)


class MaintenanceMiddleware:
    """Answer every request with 503 while `DFNS_LOGIN["MAINTENANCE"]` is set; no database is read.

    Add it to `MIDDLEWARE` below `MonitoringMiddleware` and the middleware that serves static files, above the others.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not login_settings().maintenance:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return unavailable(request, retry_after=MAINTENANCE_RETRY)


def _answer(request: HttpRequest, name: str, refusal: Refusal) -> HttpResponse:
    if not _API_PATHS.match(request.path.removeprefix(mount())):
        return error_page(request, name, retry_after=refusal.retry_after)
    return plain_error_response(refusal)
