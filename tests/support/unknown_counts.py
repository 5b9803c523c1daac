"""Projects whose cache can't tell what was counted, each with the text by which the admin says so."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dfns_login.limits.cache_flaws import CacheFlaw
from dfns_login.limits.stored_counts import read_counts
from tests.support.dead_servers import black_hole, silent_server
from tests.support.remote_cache import ErrorOfAClient, Remote
from tests.support.servers import free_port
from tests.support.timed_requests import wait_until

DJANGO = "django.core.cache.backends"
REDIS = f"{DJANGO}.redis.RedisCache"
NOT_SHARED = "The processes don&#x27;t share the project&#x27;s cache."
NOT_ATOMIC = "The project&#x27;s cache loses counts."
DOWN = "The project&#x27;s cache doesn&#x27;t answer, or doesn&#x27;t count."
WORDS = {
    "memory of the process": NOT_SHARED,
    "no cache": NOT_SHARED,
    "files": NOT_ATOMIC,
    "database": NOT_ATOMIC,
    "server killed": DOWN,
    "server hangs": DOWN,
    "packets vanish": DOWN,
    "client fails": DOWN,
    "client hangs": DOWN,
    "client hides an outage": DOWN,
    "client not installed": DOWN,
}


@contextmanager
def cache_that(flaw: str, settings: Any, folder: Path) -> Iterator[None]:
    """Set a cache with this flaw, a key of `WORDS`. Afterwards, wait until calls to the one before are made again."""
    before = settings.CACHES
    with ExitStack() as stack:
        settings.CACHES = {"default": _cache(flaw, folder, stack)}
        yield
    settings.CACHES = before
    wait_until(lambda: not isinstance(read_counts(()), CacheFlaw))


def _cache(flaw: str, folder: Path, stack: ExitStack) -> dict[str, str]:
    ours = {"BACKEND": f"{Remote.__module__}.Remote"}
    if flaw in {"client fails", "client hangs"}:
        remote = stack.enter_context(Remote.answering())
        if flaw == "client fails":
            remote.error = ErrorOfAClient("x")
        else:
            remote.released.clear()
        return ours
    if flaw in {"server hangs", "packets vanish"}:
        port = free_port()
        stack.enter_context(silent_server(port) if flaw == "server hangs" else black_hole(port))
        return {"BACKEND": REDIS, "LOCATION": f"redis://127.0.0.1:{port}/0"}
    return {
        "memory of the process": {"BACKEND": f"{DJANGO}.locmem.LocMemCache"},
        "no cache": {"BACKEND": f"{DJANGO}.dummy.DummyCache"},
        "files": {"BACKEND": f"{DJANGO}.filebased.FileBasedCache", "LOCATION": str(folder)},
        "database": {"BACKEND": f"{DJANGO}.db.DatabaseCache", "LOCATION": "no_such_table"},
        "server killed": {"BACKEND": REDIS, "LOCATION": f"unix://{folder}/nobody.sock?db=0"},
        "client hides an outage": {"BACKEND": f"{Remote.__module__}.Forgetful"},
        "client not installed": {"BACKEND": "no_such_package.Cache"},
    }[flaw]
