"""Why counts in the cache may be unknown, and reading them. What shows counts says so instead of showing none."""

import secrets
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import partial
from typing import Final

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured

from dfns_login.limits.bounded import CacheDown, call_cache
from dfns_login.limits.redis_server import cache_alias

PROBE_SECONDS: Final = 60


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


def read_counts(keys: Collection[str]) -> Mapping[str, int] | CacheFlaw:
    """Return the counts at these keys of the cache that limits use, without those that are zero."""
    alias = cache_alias()
    try:
        return flaw_of(type(caches[alias])) or call_cache(partial(_read, keys), alias=alias)
    except (CacheDown, ImproperlyConfigured, ImportError):
        return CacheFlaw.DOWN


def _read(keys: Collection[str]) -> Mapping[str, int]:
    """Raises: ConnectionError, if the cache does not count; and the errors of the cache.

    Clients of Memcached and django-redis can hide an outage: they find nothing, and store nothing.
    """
    cache, probe = caches[cache_alias()], f"dfns_login:probe:{secrets.token_hex(8)}"
    cache.add(probe, 0, PROBE_SECONDS)
    if cache.incr(probe) != 1:
        raise ConnectionError("the cache does not count")
    return {key: int(count) for key, count in cache.get_many(keys).items()}
