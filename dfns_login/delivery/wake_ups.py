"""Wake-ups are sent by a thread of the process, so that a request never waits for the broker.

One wake-up serves every request that asked before it is sent. The thread pauses after each one: a wake-up for each
request would slow the requests down, because only one thread of a process runs at a time. It keeps one connection to
the broker. If a message fails on it, the thread sends it once more on a new connection: a broker that was restarted has
closed the old one.
"""

import atexit
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from celery import current_app
from kombu.connection import Connection

CONNECT_SECONDS: Final = 1
EXIT_SECONDS: Final = 2.0
"""How long a process waits for its last wake-up before it ends. The sweep replaces a lost one."""
REST_SECONDS: Final = 0.05
"""The least time from one wake-up to the next, so that an email waits no longer than this for the one before."""
PAUSE_SECONDS: Final = 1.0
"""The pause after a failure. Wake-ups that are requested meanwhile are sent afterwards."""
BROKER_OPTIONS: Final[Mapping[str, Any]] = {
    # AMQP: a message that is written to a connection that is gone would be lost without an error.
    "confirm_publish": True,
    "read_timeout": 3,
    "write_timeout": 3,
    # Redis
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
}
"""Options of the thread's connection that the project's `broker_transport_options` replace."""


class WakeUps:
    """Sends wake-ups in the background. send: sends one over a connection, and raises if it failed.

    on_failure: is given the exception. A process that was forked starts a thread of its own.
    """

    def __init__(self, send: Callable[[Connection], object], *, on_failure: Callable[[Exception], object]) -> None:
        self._send, self._on_failure = send, on_failure
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._reset()
        os.register_at_fork(after_in_child=self._reset)
        atexit.register(self.finish)

    def request(self) -> None:
        """Have a wake-up sent soon. Never fails, never waits."""
        if self._requested.is_set():
            return  # the thread has yet to send the one for an earlier request
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="dfns_login-wake-ups", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the process can't start another thread: the next request tries again
                    self._on_failure(error)
                    return
                self._thread = thread
            self._idle.clear()
            self._requested.set()

    def finish(self, *, seconds: float = EXIT_SECONDS) -> bool:
        """Wait until all wake-ups are sent or have failed, without pauses. Returns whether they are."""
        self._hurry.set()
        try:
            return self._idle.wait(seconds)
        finally:
            self._hurry.clear()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._requested, self._idle, self._hurry = threading.Event(), threading.Event(), threading.Event()
        self._idle.set()
        self._thread = self._connection = None

    def _run(self) -> None:
        while True:
            self._requested.wait()
            self._requested.clear()
            sent = self._send_or_report()
            with self._lock:
                if not self._requested.is_set():
                    self._idle.set()
            self._hurry.wait(REST_SECONDS if sent else PAUSE_SECONDS)

    def _send_or_report(self) -> bool:
        try:
            self._send_with_retry()
        except Exception as error:  # noqa: BLE001  brokers raise whatever their client raises
            self._disconnect()
            self._on_failure(error)
            return False
        return True

    def _send_with_retry(self) -> None:
        if self._connection is not None:
            try:
                self._send(self._connection)
            except Exception:  # noqa: BLE001
                self._disconnect()
            else:
                return
        self._connection = broker_connection()
        self._send(self._connection)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.collect(CONNECT_SECONDS)  # type: ignore[no-untyped-call]


def broker_connection() -> Connection:
    """Return a connection to the project's broker that gives up soon. It is opened when it is used."""
    given = current_app.conf.broker_transport_options or {}
    retries = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}  # also another host
    options = {**BROKER_OPTIONS, **given, **retries}
    connection: Connection = current_app.connection_for_write(
        connect_timeout=CONNECT_SECONDS, transport_options=options
    )
    return connection
