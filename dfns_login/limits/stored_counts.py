"""Read counts from the cache, for operators.

Nothing is unpickled (docs/security.md). Redis and Valkey return the numbers as they are. Other caches increment by
zero, because their `get` may unpickle what somebody else stored there.
"""

import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, Final

from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import RedisClusterException, ResponseError

from dfns_login.limits.bounded import CacheDown, call_cache, call_in_place
from dfns_login.limits.cache_flaws import CacheFlaw, flaw_of
from dfns_login.limits.redis_counters import is_unsupported
from dfns_login.limits.redis_server import RedisServer, cache_alias, redis_server, waits_are_bounded

PROBE_SECONDS: Final = 60
BATCH: Final = 50
"""How many counts are read in one bounded call. If a call took too long, requests would not be counted for a while."""


def read_counts(keys: Collection[str]) -> Mapping[str, int] | CacheFlaw:
    """Return the counts at these keys of the cache that limits use, or why they are unknown. Zeros may be missing."""
    alias = cache_alias()
    try:
        if flaw := flaw_of(type(caches[alias])):
            return flaw
        server = redis_server()
        if server is None:
            return _read_by_counting(keys, alias=alias)
        read = partial(_read_from_server, server, keys)
        return call_in_place(read) if waits_are_bounded() else call_cache(read, alias=alias)
    except (CacheDown, ImproperlyConfigured, ImportError):
        return CacheFlaw.DOWN


def _read_from_server(server: RedisServer, keys: Collection[str]) -> Mapping[str, int]:
    """Raises: the errors of redis-py, also if the server stores nothing; ValueError, if there is no number."""
    server.call("SET", server.make_key(_probe()), 1, "EX", PROBE_SECONDS)
    names = [server.make_key(key) for key in keys]
    replies: Any
    try:
        replies = server.call("MGET", *names) if names else ()
    except (ResponseError, RedisClusterException) as error:
        if not is_unsupported(error):
            raise
        replies = [server.call("GET", name) for name in names]  # a cluster, whose nodes have different keys
    return {key: int(reply) for key, reply in zip(keys, replies, strict=True) if reply is not None}


def _read_by_counting(keys: Collection[str], *, alias: str) -> Mapping[str, int]:
    """Raises: like `call_cache`, also if the cache does not count."""
    call_cache(partial(_check_counting, alias), alias=alias)
    found, left = dict[str, int](), iter(keys)
    while batch := list(islice(left, BATCH)):
        found |= call_cache(partial(_read_batch, batch, alias), alias=alias)
    return found


def _check_counting(alias: str) -> None:
    """Clients of Memcached and django-redis can hide an outage: they find nothing, and store nothing."""
    cache, probe = caches[alias], _probe()
    cache.add(probe, 0, PROBE_SECONDS)
    if cache.incr(probe) != 1:
        raise ConnectionError("the cache does not count")


def _read_batch(keys: Collection[str], alias: str) -> dict[str, int]:
    cache, found = caches[alias], dict[str, int]()
    for key in keys:
        with suppress(ValueError):  # there is none
            found[key] = int(cache.incr(key, 0))
    return found


def _probe() -> str:
    return f"dfns_login:probe:{secrets.token_hex(8)}"
