"""Start the servers of the run, and set a production-like environment, before Django reads its settings.

`pytest --db=postgres` runs on PostgreSQL instead of SQLite, and `--browser=firefox` opens the pages in Firefox.
`REDIS_URL` and `DATABASE_URL` name other servers to use.
"""

import atexit
import json
import os
from collections.abc import Generator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from tests.support.servers import PostgreSQL, Valkey

SERVERS = ExitStack()
atexit.register(SERVERS.close)  # also if pytest fails early
STARTED: dict[type, Any] = {}
S = TypeVar("S", Valkey, PostgreSQL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--db", choices=("sqlite", "postgres"), default="sqlite", help="Database that the tests run on.")
    parser.addoption("--browser", choices=("chromium", "firefox"), default="chromium", help="Browser that opens pages.")


@pytest.hookimpl(wrapper=True)  # wrappers run before pytest-django's hook, which reads the settings
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    from dfns_login.key_rings import new_rings  # noqa: PLC0415  not while plugins load: coverage is measured from here on

    environment = os.environ
    if "REDIS_URL" not in environment:
        environment["REDIS_URL"] = started(Valkey).url
    if "DATABASE_URL" not in environment:
        on_postgres = early_config.known_args_namespace.db == "postgres"
        environment["DATABASE_URL"] = started(PostgreSQL).url("dfns") if on_postgres else "sqlite://:memory:"
    environment.setdefault("PUBLIC_URL", "http://localhost:8000")
    environment.setdefault("ALLOWED_HOSTS", "localhost,testserver")
    environment.setdefault("SECURE_SSL_REDIRECT", "0")
    environment.setdefault("EMAIL_URL", "consolemail://")
    environment.setdefault("DEFAULT_FROM_EMAIL", "login@example.com")
    environment.setdefault("SECRET_KEY", "for-tests-only-and-long-enough-for-the-deployment-check-0123456789")
    environment.setdefault("DFNS_LOGIN_KEYS", json.dumps(new_rings(now=datetime.now(UTC))))
    return (yield)


def started(kind: type[S]) -> S:
    """Return the server of this kind that the whole run shares."""
    if kind not in STARTED:
        STARTED[kind] = SERVERS.enter_context(kind())
    return STARTED[kind]
