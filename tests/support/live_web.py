"""Two web processes with threads enough for every request of a race."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.servers import Site, Web

SETTINGS = "tests.support.race_settings"


class WideWeb(Web):
    """Web processes that serve more than sixty requests at the same time."""

    threads = 40


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
