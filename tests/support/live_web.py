"""The project's web processes as races want them: two, and wide enough that nobody waits outside."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.services import Site, Web

SETTINGS = "tests.support.race_settings"


class WideWeb(Web):
    """Web processes with so many threads that sixty requests are served at the same time."""

    threads = 40


def settings_environment(**wanted: Any) -> dict[str, str]:
    """Environment in which live servers run with these settings of `tests/support/race_settings.py`."""
    return {"DJANGO_SETTINGS_MODULE": SETTINGS, "TEST_SETTINGS": json.dumps(wanted)}


@contextmanager
def live_web(
    folder: Path, *, database_url: str, redis_url: str, broker_url: str | None = None, **wanted: Any
) -> Iterator[str]:
    """Two web processes over a migrated database. Gives their address."""
    environment = settings_environment(**wanted) | ({"CELERY_BROKER_URL": broker_url} if broker_url else {})
    site = Site(folder, database_url=database_url, redis_url=redis_url, environment=environment)
    with WideWeb(folder, site.environment, port=int(site.url.rpartition(":")[2])):
        yield site.url
