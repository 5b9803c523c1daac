"""The checks behind `/readyz` and `/metrics`. Each waits for a second at most, and runs every few seconds at most."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar

from celery import current_app
from django.db import InternalError, connections, models, router
from django.utils import timezone

from dfns_login.limits import clear_flag
from dfns_login.models import CodePurpose, Notice, OneTimeCode, OutboxQuerySet

FRESH_SECONDS: Final = 5.0
"""How long a result is reused."""
WAIT_SECONDS: Final = 1.0
"""A service that takes longer is down."""
DUE_COUNTED: Final = 1000
PROBE_FLAG: Final = "dfns_login:probe"
"""Cache key that is deleted, and never set."""

T = TypeVar("T")


class Probe(Generic[T]):
    """Checks something in a thread, and keeps the result for a while.

    There is at most one such thread, so a service that hangs blocks only that one.
    """

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._started = 0.0
        self._result: T | None = None

    def start(self) -> None:
        """Check again, unless the last result is fresh or still awaited."""
        with self._lock:
            if self._thread is not None and (
                self._thread.is_alive() or time.monotonic() < self._started + FRESH_SECONDS
            ):
                return
            thread = threading.Thread(target=self._run, name="dfns_login-probe", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the process can't start another thread: the next call tries again
                self._thread = None
                return
            self._thread, self._started = thread, time.monotonic()

    def result(self) -> T | None:
        """Return what was found at most a few seconds ago, or None if the service fails or hangs."""
        self.start()
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, self._started + WAIT_SECONDS - time.monotonic()))
        return None if thread is None or thread.is_alive() else self._result

    def forget(self) -> None:
        """Check again at the next call."""
        self._started = -FRESH_SECONDS

    def _run(self) -> None:
        try:
            self._result = self._look()
        except Exception:  # noqa: BLE001  any library may be behind a service
            self._result = None
        finally:
            connections.close_all()  # this thread's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Emails that are due. email: a purpose of codes, or `notice`. due: at most `DUE_COUNTED`."""

    email: str
    due: int
    oldest: timedelta


def _database() -> bool:
    connection = connections[router.db_for_write(OneTimeCode)]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT current_setting('transaction_read_only')")
            if cursor.fetchone() == ("on",):
                raise InternalError("read-only")
        else:
            cursor.execute("SELECT 1")
    return True


def _cache() -> bool:
    clear_flag(PROBE_FLAG)
    return True


def _broker() -> bool:
    with current_app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=WAIT_SECONDS)
    return True


def _queues() -> list[Queue]:
    """Read each queue in one statement, which reads no more rows of an index than it counts."""
    now = timezone.now()
    codes = OneTimeCode.objects.due(now=now)
    emailed = [each for each in CodePurpose if each != CodePurpose.CREDENTIAL]
    due: dict[str, OutboxQuerySet[Any]] = {each.value: codes.filter(purpose=each) for each in emailed}
    queues = []
    for email, rows in (due | {"notice": Notice.objects.due(now=now)}).items():
        some = rows.filter(next_try_at__lte=now).order_by("next_try_at")[:DUE_COUNTED]
        found = some.aggregate(due=models.Count("pk"), since=models.Min("next_try_at"))
        oldest = max(now - found["since"], timedelta(0)) if found["due"] else timedelta(0)
        queues.append(Queue(email=email, due=found["due"], oldest=oldest))
    return queues


PARTS: Final[Mapping[str, Probe[bool]]] = {
    "database": Probe(_database),
    "cache": Probe(_cache),
    "broker": Probe(_broker),
}
QUEUES: Final = Probe(_queues)
