"""Says which process has answered, and how it handles transactions: a test sees that it met what it asked for."""

import os
from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse

SERVED_BY = "X-Served-By"
ATOMIC_REQUESTS = "X-Atomic-Requests"


def served_by(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that writes both into headers."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers[SERVED_BY] = str(os.getpid())
        response.headers[ATOMIC_REQUESTS] = str(connection.settings_dict["ATOMIC_REQUESTS"])
        return response

    return respond
