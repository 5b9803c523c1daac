"""Databases besides that of the run, for tests with threads and with commits that other processes see."""

import os
import runpy
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import psycopg
from django.core.management import call_command
from django.db import connections

from tests.support.servers import ROOT, PostgreSQL


@contextmanager
def working_on(database_url: str) -> Iterator[None]:
    """Make this the default database in all threads of this process."""
    everybodys = connections.settings
    before, mine = everybodys["default"], connections["default"]
    everybodys["default"] = connections.configure_settings({"default": project_database(database_url)})["default"]
    del connections["default"]
    try:
        yield
    finally:
        connections["default"].close()
        everybodys["default"] = before
        connections["default"] = mine


def project_database(database_url: str) -> dict[str, Any]:
    """Return the project's database settings for this URL."""
    with mock.patch.dict(os.environ, {"DATABASE_URL": database_url}):
        settings: Mapping[str, Any] = runpy.run_path(str(ROOT / "project" / "settings.py"))
    database: dict[str, Any] = settings["DATABASES"]["default"]
    return database


def migrate(database_url: str) -> None:
    with working_on(database_url):
        call_command("migrate", verbosity=0)


class MigratedDatabases:
    """Migrates one PostgreSQL database, and makes copies of it."""

    def __init__(self, postgres: PostgreSQL) -> None:
        self._postgres = postgres
        self._template = f"migrated_{secrets.token_hex(4)}"
        migrate(postgres.create_database(self._template))

    def new(self) -> str:
        """Make an empty, migrated database, and return its URL."""
        name = f"copy_{secrets.token_hex(4)}"
        with working_on(self._postgres.url("postgres")), connections["default"].cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        return self._postgres.url(name)


def direct(database_url: str) -> psycopg.Connection[Any]:
    """Return a connection of its own to this database on a Unix socket, as its owner."""
    folder, _, database = urlsplit(database_url).path.rpartition("/")
    return psycopg.connect(f"host={folder} user=postgres dbname={database}", autocommit=True)


@contextmanager
def locked(database_url: str, table: str) -> Iterator[psycopg.Connection[Any]]:
    """Keep everybody else from this table until the end of the block."""
    with direct(database_url) as owner, owner.transaction():
        owner.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")  # type: ignore[arg-type]
        yield owner


def end_connections(owner: psycopg.Connection[Any]) -> None:
    """End all other connections to the same database, as a restart does."""
    connections["default"].close()
    owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def someone_waits_for_a_lock(database_url: str) -> bool:
    with direct(database_url) as connection:
        sql = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return connection.execute(sql).fetchone() is not None
