"""Markers and the fixtures that every test may use. A server starts when the first test asks for it."""

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

from tests.support.conformance.browser import chromium
from tests.support.firefox import firefox
from tests.support.plugin import started
from tests.support.servers import PostgreSQL, Valkey

collect_ignore = ["support/example"]
"""A project with tests of its own, which `test_public_api.py` runs."""
TESTS = Path(__file__).parent
STATIC = TESTS.parent / "dfns_login" / "static"
SCRIPT = STATIC / "dfns_login" / "dist" / "sign_in.js"
MARKERS_BY_FOLDER = {
    "client": ("node",),
    "concurrency": ("race", "postgres"),
    "conformance": ("conformance", "live"),
    "live": ("live", "database"),
    "outages": ("outage", "live", "postgres"),
}
MARKERS_BY_FIXTURE = {
    "browser": ("browser",),
    "db": ("database",),
    "in_chromium": ("browser",),
    "node": ("node",),
    "postgres": ("postgres",),
    "transactional_db": ("database",),
}


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with what it needs."""
    for item in items:
        for marker in sorted(needs(item)):
            item.add_marker(marker)


def needs(item: pytest.Item) -> set[str]:
    """Return the markers that follow from the test's folder, its fixtures and pytest-django's own marker."""
    folder = item.path.relative_to(TESTS).parts[0]
    fixtures: list[object] = [*getattr(item, "fixturenames", ())]
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        fixtures += item.callspec.params.values()  # some tests choose a fixture by parameter
    found = {*MARKERS_BY_FOLDER.get(folder, ())}
    found.update(*(markers for name, markers in MARKERS_BY_FIXTURE.items() if name in fixtures))
    return found | ({"database"} if item.get_closest_marker("django_db") else set())


def pytest_collection_finish() -> None:
    """Exclude the collected tests from garbage collection: they stay until the end of the run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def fast_settings() -> None:
    """Find static files on demand, and hash passwords cheaply. Live projects start as in production.

    WhiteNoise would list all static files for every test client, which took half of the time of a request.
    """
    settings.WHITENOISE_AUTOREFRESH = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session", autouse=True)
def scripts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Stand in for the pages' scripts if they are not built, so that the checks pass on a machine without Node."""
    if not SCRIPT.exists():
        folder = tmp_path_factory.mktemp("static")
        path = folder / SCRIPT.relative_to(STATIC)
        path.parent.mkdir(parents=True)
        path.touch()
        settings.STATICFILES_DIRS = [*settings.STATICFILES_DIRS, folder]


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
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A Chromium, or with `--browser=firefox` a Firefox. Playwright can be started but once at a time, and while it is,
    Django's database is out of reach: it runs an event loop in this thread. So each module that opens pages has its
    own, and leaves the database alone.
    """
    in_firefox = request.config.getoption("--browser") == "firefox"
    with sync_playwright() as playwright:
        start = firefox(playwright) if in_firefox else chromium(playwright, node=request.getfixturevalue("node"))
        with start as browser:
            yield browser
