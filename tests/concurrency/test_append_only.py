"""The SQL in docs/operations.md makes PostgreSQL keep the audit trail append-only (R-128)."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import ProgrammingError, connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from dfns_login.audit import record_event
from dfns_login.audit_chain import chain_events, purge_chained
from dfns_login.models import AuditEvent, AuditKind
from tests.support.clock import NOW
from tests.support.databases import MigratedDatabases, working_on
from tests.support.factories import make_account, make_organization

DOCS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


@pytest.fixture(scope="module", autouse=True)
def _documented(migrated: MigratedDatabases, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    (sql,) = re.findall(r"```plpgsql\n(CREATE FUNCTION dfns_login_append_only.*?)```", DOCS.read_text(), re.DOTALL)
    with django_db_blocker.unblock(), working_on(migrated.new()):
        with connection.cursor() as cursor:
            cursor.execute("CREATE ROLE web")
            cursor.execute(sql)
        record_event(AuditKind.SIGNED_IN, account=make_account(make_organization()), requester=None, now=NOW)
        chain_events(now=NOW)
        yield
        with connection.cursor() as cursor:
            cursor.execute("DROP OWNED BY web; DROP ROLE web")


def run(sql: str, *, role: str = "") -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        if role:
            cursor.execute(f"SET LOCAL ROLE {role}")
        cursor.execute(sql)


@pytest.mark.parametrize(
    "sql",
    ["UPDATE dfns_login_auditevent SET address = ''", "TRUNCATE dfns_login_auditevent CASCADE"],
    ids=["update", "truncate"],
)
def test_even_the_owner_changes_no_event(sql: str) -> None:
    with pytest.raises(ProgrammingError, match="never changed"):
        run(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE dfns_login_auditevent SET address = ''",
        "DELETE FROM dfns_login_auditevent",
        "INSERT INTO dfns_login_auditlink SELECT 9, 9, mac, chained_at FROM dfns_login_auditlink",
        "DELETE FROM dfns_login_auditlink",
        "UPDATE dfns_login_auditcheckpoint SET position = 9",
    ],
)
def test_the_web_role_changes_nothing(sql: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        run(sql, role="web")


def test_the_web_role_adds_events_and_the_worker_purges() -> None:
    account = AuditEvent.objects.prefetch_related("account").first().account  # type: ignore[union-attr]
    assert account is not None
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL ROLE web")
        record_event(AuditKind.SIGNED_OUT, account=account, requester=None, now=NOW)
    chain_events(now=NOW)
    assert purge_chained(until=NOW + timedelta(days=1)) == 2
