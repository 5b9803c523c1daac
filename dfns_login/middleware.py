"""Middleware for the project's `MIDDLEWARE` setting."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from dfns_login.api.slow_senders import RETRY_WITHOUT_THREAD, slow_senders
from dfns_login.audit import log_refusal
from dfns_login.error_handlers import MaintenanceMiddleware, unavailable
from dfns_login.errors import ServiceUnavailable
from dfns_login.monitoring.endpoints import MonitoringMiddleware
from dfns_login.monitoring.request_ids import RequestIDMiddleware
from dfns_login.pages.middleware import BrowserSessionMiddleware
from dfns_login.proofs import REQUEST_DEADLINE

__all__ = [
    "BrowserSessionMiddleware",
    "MaintenanceMiddleware",
    "MonitoringMiddleware",
    "RequestIDMiddleware",
    "SlowSendersMiddleware",
]


class SlowSendersMiddleware:
    """Bound the body of every request as the API's own are bounded. Add it to `MIDDLEWARE` before any other.

    Django's CSRF check reads the body of a form before any view runs, so a view could not do this.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            with slow_senders.reading_ends(request, after=REQUEST_DEADLINE):
                return self.get_response(request)
        except ServiceUnavailable as refusal:
            log_refusal(refusal, where=type(self).__name__, requester=None)
            return unavailable(request, retry_after=RETRY_WITHOUT_THREAD)
