"""Count all windows of a request in one call to Redis or Valkey."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import redis
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.redis import RedisCache
from django.core.signals import setting_changed
from django_ratelimit import core
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import (
    ClusterCrossSlotError,
    NoPermissionError,
    NoScriptError,
    RedisClusterException,
    ResponseError,
)
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from dfns_login.limits.windows import LIFETIME_MARGIN, Counter, Exceeded, count_one_by_one

SCRIPT: Final = """
local index = 0
for limit, lifetime in string.gmatch(ARGV[1], '(%d+)/(%d+)') do
  index = index + 1
  local count = redis.call('INCR', KEYS[index])
  if count == 1 then redis.call('EXPIRE', KEYS[index], lifetime) end
  if count > tonumber(limit) then return index end
end
return 0
"""
"""Increments each counter until one is above its limit, and returns that one's position, or 0.

ARGV[1] holds limit/lifetime of each counter, the lifetime in seconds.
"""
SCRIPT_SHA: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
CONNECT_SECONDS: Final = 0.3
RESPONSE_SECONDS: Final = 0.5
MAX_CONNECTIONS: Final = 10_000
"""One connection per thread is used at most, so the number of threads is the real limit."""

logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class RedisCounters:
    """Counters in the cache that django-ratelimit uses.

    server: a connection pool of our own, because the cache's pool has the project's timeouts, and a cache that is down
    must not delay requests for long. For a cluster, the cache's client.
    """

    server: redis.ConnectionPool | RedisCluster
    make_key: Callable[[str], str]
    scripts_work: bool = True

    def count(self, counters: Sequence[Counter]) -> Exceeded | None:
        """Count until a window is used up, and return that window. Raises: the errors of redis-py, OSError."""
        if not counters:
            return None
        now = int(core.time.time())  # the clock of `count_one_by_one`
        ends = [counter.ends_at(now) for counter in counters]
        keys = [self.make_key(each.cache_key(end)) for each, end in zip(counters, ends, strict=True)]
        windows = [counter.window for counter in counters]
        arguments = " ".join(f"{each.limit}/{each.period + LIFETIME_MARGIN}" for each in windows)
        if self.scripts_work:
            try:
                position = self._run(keys, arguments)
            except (ResponseError, RedisClusterException) as error:
                if not _is_unsupported(error):
                    raise
                logger.warning("The cache cannot run scripts (%s). Rates are counted one by one.", type(error).__name__)
                self.scripts_work = False
            else:
                if position == 0:
                    return None
                return Exceeded(window=windows[position - 1], seconds_left=ends[position - 1] - int(core.time.time()))
        return count_one_by_one(counters)

    def _run(self, keys: Sequence[str], arguments: str) -> int:
        try:
            return self._call("EVALSHA", SCRIPT_SHA, len(keys), *keys, arguments)
        except NoScriptError:
            return self._call("EVAL", SCRIPT, len(keys), *keys, arguments)

    def _call(self, *command: str | int) -> int:
        if isinstance(self.server, RedisCluster):
            return int(self.server.execute_command(*command))  # type: ignore[no-untyped-call]
        # redis.Redis.execute_command would take twice as long
        connection: Any = self.server.get_connection()
        try:
            connection.send_command(*command)
            return int(connection.read_response())
        except BaseException as error:
            if not isinstance(error, ResponseError):
                connection.disconnect()
            raise
        finally:
            self.server.release(connection)


@lru_cache(maxsize=1)
def redis_counters() -> RedisCounters | None:
    """Return the counters, shared by all threads of this process, or None if the cache is of another kind."""
    if hasattr(settings, "RATELIMIT_HASH_ALGORITHM"):
        return None  # counters would have other names
    prefix = getattr(settings, "RATELIMIT_CACHE_PREFIX", "rl:")
    cache = caches[getattr(settings, "RATELIMIT_USE_CACHE", "default")]
    found = _client_and_key_function(cache)
    if found is None:
        return None
    client, make_key = found
    server = client if isinstance(client, RedisCluster) else _bounded(client.connection_pool)
    return RedisCounters(server=server, make_key=lambda name: make_key(prefix + name))


def counts_in_one_call() -> bool:
    """Whether a request takes one call to the cache, and waits less than a second for it."""
    counters = redis_counters()
    return counters is not None and not isinstance(counters.server, RedisCluster)


def _client_and_key_function(cache: BaseCache) -> tuple[redis.Redis | RedisCluster, Callable[[str], str]] | None:
    """The cache's client for writing, if its counters are plain integers under the keys that it makes."""
    make_key: Callable[[str], str]
    if isinstance(cache, RedisCache) and _is_unchanged(type(cache), RedisCache):
        client, make_key = cache._cache.get_client(None, write=True), cache.make_key  # noqa: SLF001  no public way
    else:
        theirs = getattr(cache, "client", None)
        bases = [each for each in type(theirs).__mro__ if each.__module__ == "django_redis.client.default"]
        if theirs is None or not bases or not _is_unchanged(type(theirs), bases[0]):
            return None
        client, make_key = theirs.get_client(write=True), theirs.make_key
    return (client, make_key) if isinstance(client, redis.Redis | RedisCluster) else None


def _is_unchanged(cls: type[Any], base: type[Any]) -> bool:
    return cls.add is base.add and cls.incr is base.incr


def _bounded(pool: redis.ConnectionPool) -> redis.ConnectionPool:
    """Return a new pool of the same server that neither waits long nor retries."""
    options = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if name not in {"retry_on_timeout", "retry_on_error", "health_check_interval", "connection_pool"}
    }
    options |= {
        "connection_class": pool.connection_class,
        "max_connections": MAX_CONNECTIONS,
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": min(options.get("socket_connect_timeout") or CONNECT_SECONDS, CONNECT_SECONDS),
        "socket_timeout": min(options.get("socket_timeout") or RESPONSE_SECONDS, RESPONSE_SECONDS),
    }
    if isinstance(pool, SentinelConnectionPool):
        sentinel = _bounded_sentinel(pool.sentinel_manager)
        return SentinelConnectionPool(pool.service_name, sentinel, **options)  # type: ignore[no-untyped-call]
    return redis.ConnectionPool(**options)


def _bounded_sentinel(manager: Sentinel) -> Sentinel:
    addresses = [each.connection_pool.connection_kwargs for each in manager.sentinels]
    bounds = {"socket_timeout": CONNECT_SECONDS, "socket_connect_timeout": CONNECT_SECONDS}
    return Sentinel(  # type: ignore[no-untyped-call]
        [(each["host"], each["port"]) for each in addresses],
        min_other_sentinels=manager.min_other_sentinels,
        sentinel_kwargs={**manager.sentinel_kwargs, **bounds, "retry": Retry(NoBackoff(), 0)},
    )


def _is_unsupported(error: Exception) -> bool:
    """Whether the server or proxy cannot run the script. On a cluster, the counters may be on different nodes."""
    known = isinstance(error, ClusterCrossSlotError | NoPermissionError)
    return known or any(text in str(error) for text in ("unknown command", "same key slot"))


def _forget(*, setting: str, **_: object) -> None:
    if setting == "CACHES" or setting.startswith("RATELIMIT_"):
        counters = redis_counters() if redis_counters.cache_info().currsize else None
        if counters is not None and isinstance(counters.server, redis.ConnectionPool):
            counters.server.disconnect()
        redis_counters.cache_clear()


setting_changed.connect(_forget, dispatch_uid="dfns_login.limits.redis_counters")
