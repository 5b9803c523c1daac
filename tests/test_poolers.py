"""Prepared statements behind PgBouncer in transaction mode: `make programs`."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django.db import ProgrammingError, connections
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from dfns_login.doctor.probes import PROBES
from dfns_login.doctor.results import Level
from dfns_login.models import Caller, LoginRecord
from dfns_login.usernames import Recipient
from tests.support.databases import working_on
from tests.support.pgbouncer import PgBouncer
from tests.support.servers import PostgreSQL

NOBODY = Recipient(organization="or-none", username="nobody@example.co")
OFF = {"DATABASE_PREPARED_STATEMENTS": "0"}
Working = Callable[..., object]


@pytest.fixture
def database(postgres: PostgreSQL, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The name of a migrated database."""
    name = f"pooled_{secrets.token_hex(4)}"
    with django_db_blocker.unblock(), working_on(postgres.create_database(name)):
        call_command("migrate", verbosity=0)
        yield name


@pytest.fixture
def bouncer(postgres: PostgreSQL) -> Iterator[PgBouncer]:
    with PgBouncer(postgres) as started:
        yield started


def read_often() -> None:
    """Read what a login reads, as often as it takes to prepare the statement."""
    for _ in range(4):
        LoginRecord.read(NOBODY, caller=Caller.STRANGER)


@contextmanager
def two_clients(url: str) -> Iterator[None]:
    """Have one client prepare the statement, and go on with another one."""
    with working_on(url):
        read_often()
        with working_on(url):
            yield


def problems() -> set[str]:
    return {str(each.id) for each in run_checks(tags=[Tags.database], databases=["default"])}


def test_without_a_pooler_each_connection_has_its_own(postgres: PostgreSQL, database: str) -> None:
    with two_clients(postgres.url(database)):
        read_often()
        assert problems() == set()
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT statement FROM pg_prepared_statements")
            assert any("dfns_login_organization" in text for (text,) in cursor.fetchall())


@pytest.mark.programs
def test_a_pgbouncer_that_does_not_support_them_is_reported(bouncer: PgBouncer, database: str) -> None:
    with working_on(bouncer.url(database)):
        assert problems() == {"dfns_login.W010"}
    with working_on(bouncer.url(database)):
        with pytest.raises(ProgrammingError, match="already exists"):
            read_often()
        assert problems() == {"dfns_login.W010"}


@pytest.mark.programs
def test_without_them_it_works(bouncer: PgBouncer, database: str) -> None:
    with mock.patch.dict("os.environ", OFF), two_clients(bouncer.url(database)):
        read_often()
        assert problems() == set()


@pytest.mark.programs
@pytest.mark.parametrize(
    ("options", "unfit"),
    [
        ("DISABLE_SERVER_SIDE_CURSORS=true", ""),
        ("", "DISABLE_SERVER_SIDE_CURSORS=False"),
        ("DISABLE_SERVER_SIDE_CURSORS=true&pool=true", "pool"),
        ("DISABLE_SERVER_SIDE_CURSORS=true&assume_role=postgres", "assume_role"),
    ],
)
def test_the_doctor_reports_what_transaction_mode_breaks(
    bouncer: PgBouncer, database: str, options: str, unfit: str
) -> None:
    with mock.patch.dict("os.environ", OFF), working_on(f"{bouncer.url(database)}?{options}"):
        found = {each.name: each for each in PROBES["database"](timezone.now)}["pooler"]
    assert found.level == (Level.WARNING if unfit else Level.OK)
    assert not unfit or found.message.endswith(f"DATABASES has {unfit}.")


def test_without_a_pooler_the_doctor_reports_none(postgres: PostgreSQL, database: str) -> None:
    with working_on(postgres.url(database)):
        assert "pooler" not in {each.name for each in PROBES["database"](timezone.now)}
