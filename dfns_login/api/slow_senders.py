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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Final

from django.http import HttpRequest

from dfns_login.errors import ServiceUnavailable

TICK_SECONDS: Final = 0.5
RETRY_WITHOUT_THREAD: Final = timedelta(seconds=5)


class SlowSenders:
    """The sockets of the requests that are being read, and when to stop. Shared by all threads of a process."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    @contextmanager
    def reading_ends(self, request: HttpRequest, *, after: timedelta) -> Iterator[None]:
        """Let no read of this request's body last longer. May be nested: the earlier end holds.

        Raises: ServiceUnavailable, if there is a body and the process can't start another thread. The body is not read
        without a bound, because a few senders would then hold all of the server's threads for as long as they like.
        """
        connection = request.META.get("gunicorn.socket")
        if connection is None or not _has_body(request):
            yield
            return
        end = time.monotonic() + after.total_seconds()
        with self._lock:
            self._start_thread()
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

    def _start_thread(self) -> None:
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._run, name="dfns_login-slow-senders", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the next request tries again
            raise ServiceUnavailable("no thread to bound the body", retry_after=RETRY_WITHOUT_THREAD) from error
        self._thread = thread

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


def _has_body(request: HttpRequest) -> bool:
    return request.META.get("CONTENT_LENGTH") not in {None, "", "0"} or "HTTP_TRANSFER_ENCODING" in request.META


slow_senders: Final = SlowSenders()
