"""What lists show, how they are narrowed, and that none reads a whole table."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfns_login.admin.codes import OneTimeCodeAdmin
from dfns_login.audit import record_event
from dfns_login.models import (
    Account,
    AuditEvent,
    AuditKind,
    Credential,
    OneTimeCode,
    Organization,
)
from tests.admin.test_filters_and_searches import listed
from tests.support.admin_records import ADMIN, MODELS, AdminRecords, make_code, make_session, page_of
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.factories import make_account, make_credential, make_organization

pytestmark = pytest.mark.slow  # hundreds of pages of the admin

CODES = f"{ADMIN}/onetimecode/"


@pytest.mark.parametrize("model", MODELS)
def test_a_list_costs_the_same_for_few_and_for_many_rows(operator: Client, model: str) -> None:
    counted = []
    operator.get(f"{ADMIN}/{model}/")  # Django remembers content types
    for rows in (5, 45):
        fill_more(rows)
        with CaptureQueriesContext(connection) as statements:
            response = operator.get(f"{ADMIN}/{model}/")
        assert len(response.context["cl"].result_list) >= rows
        counted.append(len(statements))
    assert counted[0] == counted[1]
    assert counted[0] <= 9


def fill_more(rows: int) -> None:
    """So many more rows of every kind, each of an organization of its own."""
    present = Organization.objects.count()
    for number in range(present, present + rows):
        organization = make_organization(f"Organization {number}")
        account = make_account(organization, f"user{number}@b.co")
        credential = make_credential(account, SoftwareKey.make(kind=Kind.KEY))
        make_session(account, credential, jti=f"session {number}")
        make_code(account.username, organization.pk, account=account)
        record_event(AuditKind.SIGNED_IN, account=account, requester=None, now=timezone.now())


def test_the_page_of_an_account_costs_the_same_for_few_and_for_many_rows(operator: Client, scene: AdminRecords) -> None:
    counted = []
    operator.get(page_of("account", scene.account.pk))  # Django remembers content types
    for rows in (5, 50):
        for number in range(rows):
            make_session(scene.account, scene.credential, jti=f"{rows} {number}")
            make_code(
                scene.account.username, scene.account.organization_id, closed_as="consumed", account=scene.account
            )
            record_event(AuditKind.SIGNED_IN, account=scene.account, requester=None, now=timezone.now())
        with CaptureQueriesContext(connection) as statements:
            operator.get(page_of("account", scene.account.pk))
        counted.append(len(statements))
    assert counted[0] == counted[1]


# states


# dates


# searches


# bounds


def test_a_list_looks_at_the_newest_rows_and_says_so(
    operator: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [make_code(f"{n}@b.co", "or-x", age=timedelta(hours=n)).pk for n in range(1, 6)]
    oldest = OneTimeCode.objects.filter(pk=made[-1])
    oldest.update(delivery="sent")
    monkeypatch.setattr(OneTimeCodeAdmin, "window", 3, raising=False)
    response = operator.get(CODES)
    assert [row.pk for row in response.context["cl"].result_list] == made[:3]
    assert "the newest 3 rows" in response.content.decode()
    assert listed(operator, delivery="sent") == []
    # what an index answers goes before the window
    assert listed(operator, q="5@b.co", delivery="sent") == [made[-1]]
    day = timezone.localdate(oldest.get().issued_at).isoformat()
    assert "the newest" not in operator.get(CODES, {"q": "5@b.co"}).content.decode()
    assert made[-1] in listed(operator, requested=day, q="5@")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?state=open",
        "?state=expired",
        "?delivery=failed",
        "?purpose=recovery",
        "?organization=or-x",
        "?q=jane",
        "?requested=7d",
        "?o=1",
        "?all=",
    ],
)
def test_no_statement_of_the_list_of_codes_is_unbounded(
    operator: Client, scene: AdminRecords, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """Beyond the window every statement names the oldest row that it looks at, or stops at a limit."""
    monkeypatch.setattr(OneTimeCodeAdmin, "window", 2, raising=False)
    with CaptureQueriesContext(connection) as statements:
        response = operator.get(f"{CODES}{query}", follow=True)
    assert response.status_code == 200
    read = [each["sql"] for each in statements.captured_queries if 'FROM "dfns_login_onetimecode"' in each["sql"]]
    assert read
    for sql in read:
        assert "DISTINCT" not in sql
        bounded = re.search(r'"issued_at" >= ', sql) or re.search(r'"recipient" >= |"recipient"::text LIKE', sql)
        assert bounded or re.search(r"LIMIT \d+", sql), sql
        assert '"issued_at" >= ' in sql or "COUNT" not in sql or "recipient" in query or "q=" in query, sql


def test_a_credential_shows_its_key_to_compare(operator: Client, scene: AdminRecords) -> None:
    page = operator.get(page_of("credential", scene.credential.pk)).content.decode()
    assert "-----BEGIN PUBLIC KEY-----" in page
    assert "SHA-256" in page
    Credential.objects.update(public_key=b"\xff\x00 no key")
    assert "can&#x27;t be read" in operator.get(page_of("credential", scene.credential.pk)).content.decode()


def test_the_pages_load_nothing_from_elsewhere_and_carry_no_style_or_script_of_ours(
    operator: Client, scene: AdminRecords
) -> None:
    for page in scene.pages():
        body = operator.get(page).content.decode()
        assert not re.search(r'(src|href)="(https?:)?//', body), page
        assert " style=" not in body, page
        assert " onclick=" not in body, page


def test_an_event_shows_what_was_signed(operator: Client, scene: AdminRecords) -> None:
    """R-128. A row that was altered says so, and its text is escaped."""
    event = AuditEvent.objects.filter(account=scene.account).first()
    assert event is not None
    QuerySet(AuditEvent).filter(pk=event.pk).update(evidence={"signatures": ["<script>"]})
    page = operator.get(page_of("auditevent", event.pk)).content.decode()
    assert "Signature not valid" in page
    assert "&lt;script&gt;" in page
    assert "<script>&quot;" not in page


def test_an_event_of_a_deleted_account_is_shown(operator: Client, scene: AdminRecords) -> None:
    pk = scene.account.pk
    Account.objects.filter(pk=pk).delete()
    listed = operator.get(f"{ADMIN}/auditevent/", {"q": pk}).content.decode()
    assert pk in listed
    event = AuditEvent.objects.filter(account=pk).first()
    assert event is not None
    assert operator.get(page_of("auditevent", event.pk)).status_code == 200
