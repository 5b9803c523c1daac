"""Short-lived values in the cache, such as flags."""

from collections.abc import Callable
from typing import TypeVar

from django.core.cache import caches

from dfns_login.limits.bounded import call_cache, call_in_place
from dfns_login.limits.redis_server import cache_alias, redis_server, waits_are_bounded

T = TypeVar("T")


def set_flag(name: str, *, seconds: int) -> bool:
    """Set a flag, and return whether it was unset before. Raises CacheDown."""

    def set_if_unset() -> bool:
        server = redis_server()
        if server is None:
            return bool(caches[cache_alias()].add(name, 1, seconds))
        return server.call("SET", server.make_key(name), 1, "NX", "EX", seconds) is not None

    return _call(set_if_unset)


def clear_flag(name: str) -> None:
    """Raises CacheDown."""

    def clear() -> None:
        server = redis_server()
        if server is None:
            caches[cache_alias()].delete(name)
        else:
            server.call("DEL", server.make_key(name))

    _call(clear)


def store_number(name: str, number: int, *, seconds: int) -> None:
    """Store a number in the project's default cache. Raises CacheDown."""
    call_cache(lambda: caches["default"].set(name, number, seconds), alias="default")


def _call(call: Callable[[], T]) -> T:
    return call_in_place(call) if waits_are_bounded() else call_cache(call, alias=cache_alias())
