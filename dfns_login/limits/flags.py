"""Short-lived flags in the cache that limits use."""

from django.core.cache import caches

from dfns_login.limits.redis_server import cache_alias, redis_server


def set_flag(name: str, *, seconds: int) -> bool:
    """Set a flag, and return whether it was unset before.

    Raises: the errors of the cache.
    """
    server = redis_server()
    if server is None:
        return bool(caches[cache_alias()].add(name, 1, seconds))
    return server.call("SET", server.make_key(name), 1, "NX", "EX", seconds) is not None


def clear_flag(name: str) -> None:
    """Raises: the errors of the cache."""
    server = redis_server()
    if server is None:
        caches[cache_alias()].delete(name)
    else:
        server.call("DEL", server.make_key(name))
