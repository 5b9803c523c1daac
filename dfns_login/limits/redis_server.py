"""The Redis or Valkey server behind the project's cache, with connections that never wait long.

The cache's own connections have the project's timeouts and retries. A server that is down must not delay requests by
more than a second, whatever the project has set.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import redis
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.redis import RedisCache
from django.core.signals import setting_changed
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from dfns_login.limits.bounded import CacheDown, call_cache

CONNECT_SECONDS: Final = 0.3
RESPONSE_SECONDS: Final = 0.5
PAUSE_SECONDS: Final = 1.0
"""After an outage, calls fail at once for this long, so that a request does not wait twice."""
MAX_CONNECTIONS: Final = 10_000
"""One connection per thread is used at most, so the number of threads is the real limit."""

Reply = int | bytes | str | None


@dataclass(slots=True, kw_only=True)
class RedisServer:
    """A server, shared by all threads of the process.

    connections: a pool of our own or, for a cluster, the cache's client.
    make_key: adds the cache's prefix and version to a key.
    """

    connections: redis.ConnectionPool | RedisCluster
    make_key: Callable[[str], str]
    scripts_work: bool = True
    paused_until: float = 0.0

    def call(self, *command: str | int) -> Reply:
        """Send a command and return the reply. Raises: the errors of redis-py, OSError."""
        if time.monotonic() < self.paused_until:
            raise redis.ConnectionError("the server was unreachable a moment ago")
        try:
            return self._call(*command)
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            self.paused_until = time.monotonic() + PAUSE_SECONDS
            raise

    def _call(self, *command: str | int) -> Reply:
        if isinstance(self.connections, RedisCluster):
            reply: Reply = self.connections.execute_command(*command)  # type: ignore[no-untyped-call]
            return reply
        # redis.Redis.execute_command would take twice as long
        connection: Any = self.connections.get_connection()
        try:
            connection.send_command(*command)
            reply = connection.read_response()
        except BaseException as error:
            if not isinstance(error, ResponseError):
                connection.disconnect()
            raise
        else:
            return reply
        finally:
            self.connections.release(connection)


def cache_alias() -> str:
    """Return the alias of the cache that limits use."""
    return str(getattr(settings, "RATELIMIT_USE_CACHE", "default"))


@lru_cache(maxsize=1)
def redis_server() -> RedisServer | None:
    """Return the server behind the cache that limits use, or None if it is a cache of another kind.

    Raises: CacheDown, if the cache's client fails already when it is made, like that of a cluster.
    """
    alias = cache_alias()
    found = call_cache(lambda: _client_and_key_function(caches[alias]), alias=alias)
    if found is None:
        return None
    client, make_key = found
    connections = client if isinstance(client, RedisCluster) else _bounded(client.connection_pool)
    return RedisServer(connections=connections, make_key=make_key)


def waits_are_bounded() -> bool:
    """Whether a call to the cache that limits use takes less than a second, whatever the project has set."""
    try:
        server = redis_server()
    except CacheDown:
        return False
    return server is not None and not isinstance(server.connections, RedisCluster)


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
    seconds = CONNECT_SECONDS / max(len(addresses), 1)  # they are tried one after the other
    bounds = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    return Sentinel(  # type: ignore[no-untyped-call]
        [(each["host"], each["port"]) for each in addresses],
        min_other_sentinels=manager.min_other_sentinels,
        sentinel_kwargs={**manager.sentinel_kwargs, **bounds, "retry": Retry(NoBackoff(), 0)},
    )


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"CACHES", "RATELIMIT_USE_CACHE"}:
        server = redis_server() if redis_server.cache_info().currsize else None
        if server is not None and isinstance(server.connections, redis.ConnectionPool):
            server.connections.disconnect()
        redis_server.cache_clear()


setting_changed.connect(_forget, dispatch_uid="dfns_login.limits.redis_server")
