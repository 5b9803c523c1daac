"""`dfns doctor` with an empty PostgreSQL database."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import connections
from django.utils import timezone

from dfns_login.doctor.results import Level
from tests.support.doctor import find
from tests.support.servers import PostgreSQL


class Elsewhere:
    """Routes to the empty database."""

    def db_for_write(self, model: type, **_: object) -> str:
        return "empty"


@pytest.fixture
def empty_database(settings, django_db_blocker, postgres: PostgreSQL) -> Iterator[None]:
    """A database without migrations, to which the app is routed."""
    postgres.create_database("doctor")
    connections.databases["empty"] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.postgresql",
        "HOST": str(postgres.folder),
        "PORT": "",
        "USER": "postgres",
        "NAME": "doctor",
        "OPTIONS": {},
    }
    settings.DATABASE_ROUTERS = ["tests.management.test_doctor_elsewhere.Elsewhere"]
    with django_db_blocker.unblock():
        yield
    del connections.databases["empty"]


@pytest.mark.usefixtures("empty_database")
def test_missing_migrations_and_clocks_that_drift_are_found():
    def ahead() -> datetime:
        return timezone.now() + timedelta(seconds=5)

    assert find("database").message.startswith("PostgreSQL ")
    found = find("migrations")
    assert found.level == Level.ERROR
    assert " more." in found.message
    assert find("clock").level == Level.OK
    found = find("clock", clock=ahead)
    assert (found.level, found.message) == (Level.ERROR, "The database's clock is 5.0 seconds behind this host's.")
