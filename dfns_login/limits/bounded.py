"""Calls to a cache of any kind that end within a second and fail with one exception.

Each client of a cache has exceptions and timeouts of its own, and some wait forever for a server that hangs. So calls
are made in threads of this module, and the caller stops waiting when the time is up.
"""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured

ANSWER_SECONDS: Final = 0.8
PAUSE_SECONDS: Final = 1.0
"""After a call that took too long, calls fail at once for this long, so that a request does not wait twice."""
MAX_THREADS: Final = 32
"""The most calls that are under way, or stuck, in a process."""
WITHOUT_SERVER: Final = (LocMemCache, DummyCache, FileBasedCache, DatabaseCache)
"""Backends that never wait for a server of their own. The database's connection belongs to the caller's thread."""

T = TypeVar("T")


class CacheDown(Exception):
    """The cache failed, or did not answer in time. reason: the exception of its client."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(type(reason).__name__)
        self.reason = reason


def call_cache(call: Callable[[], T], *, alias: str) -> T:
    """Make a call to the cache with this alias, and return its result within a second.

    Raises: CacheDown, whatever the cache's client raises. ImproperlyConfigured and ImportError, if there is no client.
    """
    return call_in_place(lambda: call() if isinstance(caches[alias], WITHOUT_SERVER) else _calls.run(call))


def start_cache_call(call: Callable[[], object]) -> None:
    """Make a call to a cache with a server, without waiting for it. A failure is not reported."""
    with suppress(CacheDown):
        call_in_place(lambda: _calls.start(call))


def call_in_place(call: Callable[[], T]) -> T:
    """Make a call that itself ends within a second. Raises: like `call_cache`."""
    try:
        return call()
    except (ImproperlyConfigured, ImportError, CacheDown):
        raise
    except Exception as error:
        raise CacheDown(error) from error


class BoundedCalls:
    """Makes calls in threads of its own, which are daemons: a process can end while some are stuck.

    A process that was forked starts threads of its own.
    """

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._threads = 0
        self._paused_until = 0.0

    def run(self, call: Callable[[], T]) -> T:
        """Return what the call returns. Raises: what the call raises; TimeoutError, after `ANSWER_SECONDS`."""
        if time.monotonic() < self._paused_until:
            raise TimeoutError("the cache did not answer a moment ago")
        result: Future[T] = Future()
        if not self._idle.acquire(blocking=False):
            self._start_thread()
        self._calls.put((call, result))
        try:
            return result.result(timeout=ANSWER_SECONDS)
        except TimeoutError:
            if result.cancel() or not result.done():
                self._paused_until = time.monotonic() + PAUSE_SECONDS
            raise

    def start(self, call: Callable[[], Any]) -> None:
        """Have a thread make the call. Raises: TimeoutError, if a call took too long a moment ago."""
        if time.monotonic() < self._paused_until:
            raise TimeoutError("the cache did not answer a moment ago")
        if not self._idle.acquire(blocking=False):
            self._start_thread()
        self._calls.put((call, Future()))

    def _start_thread(self) -> None:
        with self._lock:
            if self._threads < MAX_THREADS:
                # fails if the process can't start another thread: the next call tries again
                threading.Thread(target=self._serve, name="dfns_login-cache", daemon=True).start()
                self._threads += 1

    def _serve(self) -> None:
        while True:
            call, result = self._calls.get()
            if result.set_running_or_notify_cancel():
                try:
                    result.set_result(call())
                except BaseException as error:  # noqa: BLE001  the thread that waits for the result raises it
                    result.set_exception(error)
            self._idle.release()


_calls: Final = BoundedCalls()
