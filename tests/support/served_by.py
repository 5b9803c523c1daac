"""Middleware that adds headers with the process id and `ATOMIC_REQUESTS`, so that tests can check them."""

import os
from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse

SERVED_BY = "X-Served-By"
ATOMIC_REQUESTS = "X-Atomic-Requests"


def served_by(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Add the headers."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers[SERVED_BY] = str(os.getpid())
        response.headers[ATOMIC_REQUESTS] = str(connection.settings_dict["ATOMIC_REQUESTS"])
        return response

    return respond
