"""How many requests were refused, by class and by rate, for operators.

A process counts in memory and adds its counts to the cache's, every few seconds at most: a refusal must stay cheap. So
the newest may be missing, and an outage of the cache loses some. Exact counts are the metrics'
(docs/decisions/0023-metrics.md). No name, address or organization is counted.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from django.core.cache import caches
from django.dispatch import receiver

from dfns_login.errors import RateExceeded, Refusal
from dfns_login.limits.bounded import start_cache_call
from dfns_login.limits.cache_flaws import CacheFlaw, flaw_of
from dfns_login.limits.redis_server import cache_alias
from dfns_login.limits.stored_counts import read_counts
from dfns_login.signals import request_refused

PAUSE: Final = timedelta(seconds=10)
KEPT: Final = timedelta(days=9)
HOUR: Final = "%Y%m%d%H"
DAY: Final = "%Y%m%d"


class Tallies:
    """The counts of this process that the cache does not have yet, by key. pause: between two times of storing them."""

    def __init__(self, *, pause: timedelta) -> None:
        self._pause = pause.total_seconds()
        self._counts: Counter[str] = Counter()
        self._timer: threading.Timer | None = None
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def add(self, name: str, *, now: datetime) -> None:
        """Count. What was counted is stored at once, or in a thread when the pause is over."""
        with self._lock:
            self._counts.update([_key(name, now, HOUR), _key(name, now, DAY)])
            wait = self._next - time.monotonic()
            if wait > 0:
                self._store_in(wait)
                return
        self.store()

    def store(self) -> None:
        """Add what was counted to the counts in the cache, without waiting for it."""
        with self._lock:
            self._timer, self._next = None, time.monotonic() + self._pause
            taken, self._counts = self._counts, Counter()
        start_cache_call(lambda: _store(taken))

    def reset(self) -> None:
        """Forget what was counted, and store the next count at once."""
        if self._timer is not None:
            self._timer.cancel()
        self._forget()

    def _store_in(self, seconds: float) -> None:
        if self._timer is None:
            timer = threading.Timer(seconds, self.store)
            timer.daemon = True
            with suppress(RuntimeError):  # the process can't start another thread: the next refusal tries again
                timer.start()
                self._timer = timer

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._counts, self._next, self._timer = Counter(), 0.0, None


tallies: Final = Tallies(pause=PAUSE)


@receiver(request_refused, dispatch_uid="dfns_login.limits.tallies")
def tally(*, refusal: Refusal, **_: object) -> None:
    """Count the refusal by its class; that of a rate by the rate's name. A cache that miscounts is left alone."""
    if flaw_of(type(caches[cache_alias()])) is None:
        name = refusal.rate if isinstance(refusal, RateExceeded) else type(refusal).__name__
        tallies.add(name, now=datetime.now(UTC))


def refused_since(begin: datetime, names: Collection[str], *, now: datetime) -> Mapping[str, int] | CacheFlaw:
    """Return how many requests were refused under each of these names, or why that is unknown.

    By the hour for up to two days, else by the day (UTC).
    """
    unit, form = (timedelta(hours=1), HOUR) if now - begin <= timedelta(days=2) else (timedelta(days=1), DAY)
    steps = range(1 + int((now - begin) / unit))
    keys = {_key(name, now - unit * step, form): name for name in names for step in steps}
    found = read_counts(keys)
    if isinstance(found, CacheFlaw):
        return found
    total: Counter[str] = Counter()
    for key, count in found.items():
        total[keys[key]] += count
    return total


def _key(name: str, at: datetime, form: str) -> str:
    # in braces: one slot of a cluster has all of them
    return f"dfns_login:{{refused}}:{at.astimezone(UTC).strftime(form)}:{name}"


def _store(counts: Mapping[str, int]) -> None:
    cache = caches[cache_alias()]
    for key, count in counts.items():
        cache.add(key, 0, KEPT.total_seconds())
        cache.incr(key, count)
