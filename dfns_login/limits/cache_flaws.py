"""Why counts in the cache may be unknown. What shows counts says so instead of showing none."""

from enum import StrEnum

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache


class CacheFlaw(StrEnum):
    """Why the counts in a cache are unknown."""

    NOT_SHARED = "not shared"
    NOT_ATOMIC = "not atomic"
    DOWN = "down"


def flaw_of(backend: type[BaseCache]) -> CacheFlaw | None:
    """Return why caches of this class miscount, even while they work; None if they don't."""
    if issubclass(backend, LocMemCache | DummyCache):
        return CacheFlaw.NOT_SHARED
    # Django's own reads a number and writes it back, and loses what is counted in between
    return CacheFlaw.NOT_ATOMIC if backend.incr is BaseCache.incr else None
