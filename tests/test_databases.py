"""The whole flow in projects with routers, on two real databases: each kind that Django's documentation describes."""

import secrets
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from dfns_login import tasks
from dfns_login.ceremonies.invitation import Invitation, invite
from dfns_login.models import Account, Session
from tests.support.account_journey import cookie_header, go_on
from tests.support.databases import working_on
from tests.support.factories import SOMEWHERE
from tests.support.mail import send_through
from tests.support.routed import (
    OTHER,
    Everything,
    PrimaryAndReplica,
    ProjectInProcess,
    ReadsElsewhere,
    UsersAndApp,
    routed,
)
from tests.support.servers import PostgreSQL

pytestmark = pytest.mark.slow

OURS = [each._meta.db_table for each in apps.get_app_config("dfns_login").get_models()]


@pytest.fixture(autouse=True)
def mails(settings: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    send_through(settings, "django.core.mail.backends.locmem.EmailBackend")
    settings.SECURE_SSL_REDIRECT = False
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def new_database(postgres: PostgreSQL) -> Any:
    return lambda: postgres.create_database(f"routed_{secrets.token_hex(4)}")


@pytest.fixture
def replica(postgres: PostgreSQL, new_database: Any) -> tuple[str, str]:
    """The addresses of a database as its owner and as a reader who sees users, but none of the app's tables."""
    name = f"reader_{secrets.token_hex(4)}"
    url = new_database()
    with working_on(url):
        call_command("migrate", verbosity=0)
        with connections["default"].cursor() as cursor:
            cursor.execute(f"CREATE ROLE {name} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
            cursor.execute(f"REVOKE SELECT ON {', '.join(OURS)} FROM {name}")  # noqa: S608  our own names
    return url, url.replace("postgres@", f"{name}@")


def run_everything() -> None:
    """Do all that owners, operators and the scheduler can do."""
    project = ProjectInProcess()
    done = go_on(project)
    shown = project.http.get("/account/", headers={"Cookie": cookie_header(done.cookies)})
    assert shown.status_code == 200

    users = get_user_model().objects
    admin = users.create_superuser("admin", "admin@example.co", "hunter2")
    client = Client()
    client.force_login(admin)
    for name in ("account", "credential", "session", "onetimecode", "auditevent", "organization"):
        assert client.get(f"/admin/dfns_login/{name}/").status_code == 200
    account = Account.objects.get(username=done.person.email)
    assert client.get(f"/admin/dfns_login/account/{account.pk}/change/").status_code == 200

    somebody = users.get(username="admin")  # as the router reads it
    invitation = Invitation(organization=account.organization, email="admin@example.co", user=somebody)
    assert invite(invitation, requester=SOMEWHERE, now=timezone.now()).user_id == admin.pk

    tasks.sweep()
    tasks.chain()
    tasks.purge_expired()
    call_command("dfns", "audit", "verify", stdout=StringIO())
    call_command("dfns", "accounts", "--json", stdout=StringIO())
    call_command("dfns", "void", "--organization", account.organization_id, stdout=StringIO())
    assert not Session.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize("router", [Everything, UsersAndApp])
def test_everything_works_in_another_database(router: type, new_database: Any) -> None:
    """R-135."""
    with routed(router, default=new_database(), other=new_database()):
        for alias in ("default", OTHER):
            call_command("migrate", database=alias, verbosity=0)
        assert not set(OURS) & set(connections["default"].introspection.table_names())
        assert [each for each in run_checks(databases=[]) if each.id == "dfns_login.E009"] == []
        run_everything()


@pytest.mark.parametrize("router", [PrimaryAndReplica, ReadsElsewhere])
def test_nothing_is_read_from_a_replica(router: type, replica: tuple[str, str]) -> None:
    """R-135."""
    default, other = replica
    with routed(router, default=default, other=other):
        with connections[OTHER].cursor() as cursor, pytest.raises(Exception, match="permission denied"):
            cursor.execute(f"SELECT 1 FROM {OURS[0]}")  # noqa: S608
        run_everything()
