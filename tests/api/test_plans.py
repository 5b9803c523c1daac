"""The plans that PostgreSQL keeps for the statements of a login, which must hold for every later value."""

import re
from copy import copy
from typing import Any, TypeVar

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, models
from django.test import Client

from dfns_login.models import CodeClosed, Credential, OneTimeCode
from tests.support.api_client import ask_code, sign_in
from tests.support.clock import NOW
from tests.support.factories import issue, make_person

M = TypeVar("M", bound=models.Model)
ROWS = 3000
OURS = "SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%dfns_login_%' AND statement ~ '\\$1'"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="about PostgreSQL's planner"),
]


def copies_of(row: M, **changing: Any) -> list[M]:
    """Return rows like this one, with the values of these functions of their number."""
    made = []
    for number in range(ROWS):
        another = copy(row)
        for name, value in changing.items():
            setattr(another, name, value(number))
        made.append(another)
    return made


def test_a_kept_plan_finds_rows_by_index_among_thousands(client: Client, plentiful: None) -> None:
    """Also codes, although none was open when the table was analyzed."""
    person = make_person(email="kim@example.co")
    for _ in range(4):
        ask_code(client, person.names)
        OneTimeCode.objects.all().close(how=CodeClosed.REVOKED, now=NOW)
        sign_in(client, person, loginCode=issue(person.account.recipient))
    with connection.cursor() as cursor:
        cursor.execute(OURS)
        statements = [text for (text,) in cursor.fetchall()]
        for first, table in (("INSERT", "onetimecode"), ("SELECT", "organization"), ("WITH", "spenttoken")):
            assert [each for each in statements if each.startswith(first) and f"dfns_login_{table}" in each]
        for each in statements:
            cursor.execute(f"EXPLAIN (GENERIC_PLAN) {each}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            if each.startswith("SELECT") and "LEFT JOIN dfns_login_onetimecode" in each:
                assert re.search(r"on dfns_login_onetimecode[^\n]*\n\s+Index Cond: .*recipient", plan), plan
            assert "Seq Scan" not in plan.replace("Seq Scan on dfns_login_organization", ""), f"{each}\n{plan}"


@pytest.fixture
def plentiful() -> None:
    """Thousands of accounts, credentials, and closed codes."""
    person = make_person()
    issue(person.account.recipient, now=NOW)
    OneTimeCode.objects.all().close(how=CodeClosed.REVOKED, now=NOW)
    users = get_user_model()._default_manager
    users.bulk_create([users.model(username=f"user {each}") for each in range(ROWS)])
    names = [f"kim{each}@example.co" for each in range(ROWS)]
    held = list(users.filter(username__startswith="user ").values_list("pk", flat=True))
    accounts = copies_of(person.account, pk=lambda n: f"us-{n}", username=lambda n: names[n], user_id=lambda n: held[n])
    type(person.account)._default_manager.bulk_create(accounts)
    credential = Credential.objects.get()
    spelling = {"credential_id": lambda n: f"kim{n:05}", "canonical_credential_id": lambda n: f"kim{n:05}"}
    Credential.objects.bulk_create(
        copies_of(credential, pk=lambda n: f"cr-{n}", account_id=lambda n: f"us-{n}", **spelling), batch_size=500
    )
    OneTimeCode.objects.bulk_create(
        copies_of(OneTimeCode.objects.get(), pk=lambda _: None, recipient=lambda n: names[n]), batch_size=500
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
