"""Leases that are renewed while a worker waits for the mail server.

The lease is short, so that the emails of a killed worker are sent soon. It is
renewed from a thread, so that a slow server doesn't make another worker send the
same email.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

from django.db import DatabaseError, connections

from dfns_login.audit import log_outage
from dfns_login.models import OutboxQuerySet, OutboxRow

Clock = Callable[[], datetime]

LEASE: Final = timedelta(seconds=8)
"""How long the rows of a killed worker are held."""
RENEWAL: Final = timedelta(seconds=2)
SEND_LIMIT: Final = timedelta(seconds=30)
"""How long one email may take in all, however slowly the server answers."""


class KeptLease:
    """Context manager that renews the leases of a batch. `on_overtime` ends an email that takes too long."""

    def __init__(
        self,
        queue: OutboxQuerySet[Any],
        rows: Sequence[OutboxRow],
        *,
        clock: Clock,
        on_overtime: Callable[[], None],
    ) -> None:
        self._queue, self._rows, self._clock, self._on_overtime = queue, rows, clock, on_overtime
        self._done = threading.Event()
        self._started = self._clock()
        self._thread = threading.Thread(target=self._run, name="dfns_login-lease", daemon=True)

    def start_email(self) -> None:
        """Restart the time limit for the next email."""
        self._started = self._clock()

    def _run(self) -> None:
        try:
            while not self._done.wait(RENEWAL.total_seconds()):
                if self._clock() - self._started > SEND_LIMIT:
                    self._on_overtime()
                self._renew()
        finally:
            connections.close_all()  # this thread's own

    def _renew(self) -> None:
        try:
            self._queue.renew(self._rows, until=self._clock() + LEASE)
        except DatabaseError as error:
            log_outage("database", error=error)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _raised: object, _trace: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
