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
from redis.exceptions import ClusterCrossSlotError, NoPermissionError, NoScriptError, ResponseError
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
    """Counters in the cache that django-ratelimit uses, through a connection pool of our own.

    The cache's own pool has the project's timeouts, but a cache that is down must not delay requests for long.
    """

    pool: redis.ConnectionPool
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
            except ResponseError as error:
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
        # not Redis.execute_command, which takes twice as long
        connection: Any = self.pool.get_connection()
        try:
            connection.send_command(*command)
            return int(connection.read_response())
        except BaseException as error:
            if not isinstance(error, ResponseError):
                connection.disconnect()
            raise
        finally:
            self.pool.release(connection)


@lru_cache(maxsize=1)
def redis_counters() -> RedisCounters | None:
    """Return the counters, shared by all threads of this process, or None if the cache is of another kind."""
    if hasattr(settings, "RATELIMIT_HASH_ALGORITHM"):
        return None  # counters would have other names
    prefix = getattr(settings, "RATELIMIT_CACHE_PREFIX", "rl:")
    cache = caches[getattr(settings, "RATELIMIT_USE_CACHE", "default")]
    found = _pool_and_key_function(cache)
    if found is None:
        return None
    pool, make_key = found
    return RedisCounters(pool=_bounded(pool), make_key=lambda name: make_key(prefix + name))


def counts_in_one_call() -> bool:
    """Whether a request takes one call to the cache, whose duration is limited."""
    return redis_counters() is not None


def _pool_and_key_function(cache: BaseCache) -> tuple[redis.ConnectionPool, Callable[[str], str]] | None:
    """The cache's connection pool for writing, if its counters are plain integers under the keys that it makes."""
    if isinstance(cache, RedisCache) and _is_unchanged(type(cache), RedisCache):
        client: Any = cache._cache.get_client(None, write=True)  # noqa: SLF001  there is no public way
        return client.connection_pool, cache.make_key
    client = getattr(cache, "client", None)
    default = next((each for each in type(client).__mro__ if each.__module__ == "django_redis.client.default"), None)
    if default is not None and _is_unchanged(type(client), default):
        return client.get_client(write=True).connection_pool, client.make_key
    return None


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


def _is_unsupported(error: ResponseError) -> bool:
    """Whether the server or proxy cannot run the script: on a cluster, the counters may be on different nodes."""
    return isinstance(error, ClusterCrossSlotError | NoPermissionError) or "unknown command" in str(error)


def _forget(*, setting: str, **_: object) -> None:
    if setting == "CACHES" or setting.startswith("RATELIMIT_"):
        if redis_counters.cache_info().currsize and (counters := redis_counters()):
            counters.pool.disconnect()
        redis_counters.cache_clear()


setting_changed.connect(_forget, dispatch_uid="dfns_login.limits.redis_counters")
