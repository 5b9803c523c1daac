"""The servers that tests ask for. What is asked for first is started first, and stops when the run ends."""

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from playwright.sync_api import Browser, sync_playwright

from tests.conformance.browser import chromium
from tests.support.services import PostgreSQL, Valkey
from tests.support.services_plugin import started


def pytest_collection_finish() -> None:
    """What was collected stays until the end: garbage is not looked for among thousands of tests again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """Static files are looked up when one is asked for. In production WhiteNoise reads them all once it starts, and
    each test client starts it anew: half of a request's test went into that. Live projects start as in production.
    """
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """SQLite in a file: in memory, two connections would not wait for each other."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    """No test inherits another one's counted rates."""
    cache.clear()


@pytest.fixture(scope="session")
def valkey() -> Valkey:
    """Valkey that the whole run shares. A test that stops one starts its own: `with Valkey() as valkey`."""
    return started(Valkey)


@pytest.fixture(scope="session")
def postgres() -> PostgreSQL:
    """PostgreSQL that the whole run shares, whatever database the tests run on."""
    return started(PostgreSQL)


@pytest.fixture(scope="session")
def node() -> str:
    """Node, for the official JavaScript clients: that of the virtual environment, else that of the machine."""
    found = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found, "no node: `make test` installs one"
    return found


@pytest.fixture(scope="module")
def browser(node: str) -> Iterator[Browser]:
    """A Chromium. Playwright can be started but once at a time, and while it is, Django's database is out of reach: it
    runs an event loop in this thread. So each module that opens pages has its own, and leaves the database alone.
    """
    with sync_playwright() as playwright, chromium(playwright, node=node) as browser:
        yield browser
