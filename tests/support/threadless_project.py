"""Send requests to the project in a process that may start no more threads, and another one when it may again.

Prints a JSON list with status, `Retry-After`, content type and body of each response.
"""

import json
import socket
import sys
from collections.abc import Iterator

import django
from django.conf import settings
from django.test import Client
from django.test.utils import override_settings, setup_test_environment

from tests.support.scarce_threads import no_more_threads

Answer = tuple[int, str | None, str, str]


def answers(connection: socket.socket) -> Iterator[Answer]:
    with_middleware = settings.MIDDLEWARE
    without = [each for each in with_middleware if not each.endswith(".SlowSendersMiddleware")]
    with no_more_threads():
        for middleware in (with_middleware, without):
            with override_settings(MIDDLEWARE=middleware):
                yield post("/auth/login/code", connection)
        yield post("/admin/login/", connection)
        yield answer(Client(), "GET", "/", connection)
    yield post("/auth/login/code", connection)


def post(path: str, connection: socket.socket) -> Answer:
    return answer(Client(raise_request_exception=False), "POST", path, connection)


def answer(client: Client, method: str, path: str, connection: socket.socket) -> Answer:
    body = "{}" if method == "POST" else ""
    response = client.generic(method, path, body, "application/json", **{"gunicorn.socket": connection})
    headers = response.headers
    return response.status_code, headers.get("Retry-After"), headers["Content-Type"], response.content.decode()


if __name__ == "__main__":
    django.setup()
    setup_test_environment()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sys.stdout.write(json.dumps([*answers(ours)]))
