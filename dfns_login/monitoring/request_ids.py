"""Middleware that gives every response, and every log line of its request, the id of the request."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from dfns_login.requester import current_request_id, request_id


class RequestIDMiddleware:
    """Take the id over from `X-Request-ID` or make one, and return it in the same header.

    Put it first in `MIDDLEWARE`. Without it, only responses of the API have the header, and only log lines of the app
    have the id.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = current_request_id.set(request_id(request))
        try:
            response = self.get_response(request)
        finally:
            current_request_id.reset(token)
        response.headers["X-Request-ID"] = request_id(request)
        return response
