"""Databases and web processes for races. They run on PostgreSQL whatever database the rest of the run has."""

import os
from collections.abc import Iterator

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.support.databases import MigratedDatabases, working_on
from tests.support.live_web import live_web
from tests.support.parallel_requests import PARALLEL, Crew
from tests.support.servers import PostgreSQL, Valkey

SOAK = bool(os.environ.get("SOAK"))
"""`SOAK=1` runs more rounds over more rows, and waits where other runs set a clock forward."""


@pytest.fixture(scope="session")
def rounds() -> int:
    """How often a race is run."""
    return 200 if SOAK else 20


@pytest.fixture(scope="session")
def migrated(postgres: PostgreSQL, django_db_blocker: DjangoDbBlocker) -> MigratedDatabases:
    """Empty, migrated PostgreSQL databases, as many as are wanted."""
    with django_db_blocker.unblock():
        return MigratedDatabases(postgres)


@pytest.fixture(scope="module")
def database_url(migrated: MigratedDatabases, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A PostgreSQL database of this module's own, on which its models work."""
    with django_db_blocker.unblock(), working_on(url := migrated.new()):
        yield url


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[Valkey]:
    """Valkey of this module's own: what its web processes put there, no other test's worker finds."""
    with Valkey() as valkey:
        yield valkey


@pytest.fixture(scope="module")
def web(database_url: str, own_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of two web processes whose limits stop nobody."""
    with live_web(tmp_path_factory.mktemp("web"), database_url=database_url, redis_url=own_valkey.url) as url:
        yield url


@pytest.fixture(scope="module")
def crew(database_url: str) -> Iterator[Crew]:
    """Sixty threads, each with its connection to the database of this module."""
    with Crew(PARALLEL) as crew:
        yield crew
