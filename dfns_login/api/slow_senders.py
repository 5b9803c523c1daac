"""End the reading of bodies that arrive too slowly, behind a server that waits for as long as their senders like.

Gunicorn reads a body without a timeout, and its worker or thread waits meanwhile. A read cannot be interrupted
from the thread that waits in it, so another thread shuts the socket down for reading. The read then ends as if the body
had, and the refusal can still be sent. Gunicorn hands its socket to the application. For other servers, see
`docs/operations.md`.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Final

from django.http import HttpRequest, HttpResponse

from dfns_login.proofs import REQUEST_DEADLINE

TICK_SECONDS: Final = 0.5


class SlowSenders:
    """The sockets of the requests that are being read, and when to stop. Shared by all threads of a process."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    @contextmanager
    def reading_ends(self, request: HttpRequest, *, after: timedelta) -> Iterator[None]:
        """Let no read of this request's body last longer. May be nested: the earlier end holds."""
        connection = request.META.get("gunicorn.socket")
        if connection is None:
            yield
            return
        end = time.monotonic() + after.total_seconds()
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="dfns_login-slow-senders", daemon=True)
                thread.start()  # fails if the process may have no more threads: the next request tries again
                self._thread = thread
            before = self._ends.get(connection)
            self._ends[connection] = min(end, before or end)
        try:
            yield
        finally:
            with self._lock:
                if before is None:
                    del self._ends[connection]
                else:
                    self._ends[connection] = before

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[socket.socket, float] = {}
        self._thread = None

    def _run(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            now = time.monotonic()
            with self._lock:
                for connection, end in self._ends.items():
                    if end < now:
                        with suppress(OSError):
                            # the method of the base class: a TLS socket's own would end its encryption
                            socket.socket.shutdown(connection, socket.SHUT_RD)


slow_senders: Final = SlowSenders()


class SlowSendersMiddleware:
    """Bound the body of every request as the API's own are bounded. Add it to `MIDDLEWARE` before any other.

    Django's CSRF check reads the body of a form before any view runs, so a view could not do this.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with slow_senders.reading_ends(request, after=REQUEST_DEADLINE):
            return self.get_response(request)
