"""The project behind the servers that the documentation names, and with threads enough for a race."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

from tests.support.servers import Site, Web

SETTINGS = "tests.support.race_settings"


class WideWeb(Web):
    """Web processes that serve more than sixty requests at the same time."""

    threads = 40


class SyncWeb(Web):
    """Gunicorn with one request at a time in each of four processes."""

    processes: ClassVar[int] = 4

    def command(self) -> list[str]:
        given = [each for each in super().command() if not each.startswith(("--worker-class", "--threads"))]
        return [*given, "--worker-class=sync"]


class ThreadedWeb(Web):
    """Gunicorn as the project starts it: two processes with eight threads each."""


class AsyncWeb(Web):
    """Uvicorn with one process, which starts a thread for each request."""

    processes: ClassVar[int] = 1

    def command(self) -> list[str]:
        return [sys.executable, "-m", "uvicorn", "project.asgi:application", "--host=127.0.0.1", f"--port={self._port}"]


SERVERS: Final[dict[str, type[Web]]] = {"sync": SyncWeb, "gthread": ThreadedWeb, "uvicorn": AsyncWeb}


def settings_environment(**wanted: Any) -> dict[str, str]:
    """Return the environment for `tests/support/race_settings.py` with these settings."""
    return {"DJANGO_SETTINGS_MODULE": SETTINGS, "TEST_SETTINGS": json.dumps(wanted)}


@contextmanager
def live_web(
    folder: Path, *, database_url: str, redis_url: str, broker_url: str | None = None, **wanted: Any
) -> Iterator[str]:
    """Start two web processes on a migrated database, and yield their address."""
    environment = settings_environment(**wanted) | ({"CELERY_BROKER_URL": broker_url} if broker_url else {})
    site = Site(folder, database_url=database_url, redis_url=redis_url, environment=environment)
    with WideWeb(folder, site.environment, port=int(site.url.rpartition(":")[2])):
        yield site.url
