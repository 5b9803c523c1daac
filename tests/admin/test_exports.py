"""Exports: the rows of the list, as text that no spreadsheet computes, recorded before the first line (R-206)."""

import csv
import json
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dfns_login.admin import exports
from dfns_login.admin.exports import cell
from dfns_login.audit_chain import chain_events
from dfns_login.models import AuditEvent, AuditKind, OneTimeCode
from tests.admin.test_nothing_secret import secrets_of
from tests.support.admin_records import ADMIN, AdminRecords, make_code, staff_client

CODES, EVENTS = f"{ADMIN}/onetimecode/export/", f"{ADMIN}/auditevent/export/"


def exported(client: Client, address: str) -> list[dict[str, str]]:
    response = client.post(address)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment; filename=")
    assert "no-store" in response["Cache-Control"]
    return list(csv.DictReader(StringIO(b"".join(response.streaming_content).decode())))  # type: ignore[attr-defined]


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(kind=AuditKind.EXPORTED).order_by("pk"))


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\N{FULLWIDTH EQUALS SIGN}1",
        "\N{NO-BREAK SPACE}@x",
    ],
)
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("separator", [";", "; ", ";\t", "\t", "\n", "\r\n"])
def test_no_part_of_a_cell_is_a_formula_where_semicolons_or_tabs_separate(separator: str) -> None:
    assert cell(f"x{separator}=cmd|' /C calc'!A0{separator}y") == f"x{separator}'=cmd|' /C calc'!A0{separator}y"


@pytest.mark.parametrize("value", ["Mozilla/5.0 (X11; Linux)", "jane@b.co", "1-2", "a=b", "'=1", '"', ""])
def test_other_text_is_unchanged(value: str) -> None:
    assert cell(value) == value


def test_a_hostile_row_is_one_row_of_text(operator: Client, db: None) -> None:
    make_code("=cmd@b.co", "or-x", agent='=HYPERLINK("https://e.example"),"\r\n@x')
    (row,) = exported(operator, CODES)
    assert row["recipient"] == "'=cmd@b.co"
    assert row["agent"] == '\'=HYPERLINK("https://e.example"),"\r\n\'@x'
    assert row["closed_at"] == ""
    assert row["issued_at"].endswith("Z")


def test_an_export_has_the_rows_of_the_list(operator: Client, scene: AdminRecords) -> None:
    query = "?state=consumed&p=2"
    rows = exported(operator, CODES + query)
    assert [int(row["id"]) for row in rows] == list(
        OneTimeCode.objects.filter(closed_as="consumed").order_by("-issued_at", "-pk").values_list("pk", flat=True)
    )
    assert len(exported(operator, f"{EVENTS}?kind=code.sent")) == 1
    assert exported(operator, f"{EVENTS}?organization=or-nowhere") == []
    for odd in ("?requested=yesterday", "?q=%00"):
        assert operator.post(CODES + odd).status_code == 302
    assert operator.post(f"{CODES}?salt__startswith=a").status_code == 400


def test_an_event_has_its_details(operator: Client, scene: AdminRecords) -> None:
    (row,) = exported(operator, f"{EVENTS}?kind=code.sent")
    assert json.loads(row["detail"]) == {"purpose": "login", "code": scene.code.pk}
    assert row["username"] == cell(scene.account.username)


def test_an_export_is_recorded_without_what_was_searched(operator: Client, scene: AdminRecords) -> None:
    organization = scene.account.organization_id
    rows = exported(operator, f"{CODES}?organization={organization}&q=late&state=")
    (event,) = events()
    assert event.organization_id == organization
    assert event.address == "198.51.100.1"
    assert event.detail == {
        "records": "onetimecode",
        "rows": len(rows),
        "filters": ["organization", "q"],
        "operator": operator.session["_auth_user_id"],
    }
    exported(operator, EVENTS)
    assert events()[-1].organization_id is None


def test_an_export_has_no_secret_and_reads_none(operator: Client, scene: AdminRecords) -> None:
    for address in (CODES, EVENTS):
        with CaptureQueriesContext(connection) as statements:
            body = b"".join(operator.post(address).streaming_content)  # type: ignore[attr-defined]
        assert not [each for each in secrets_of(scene) if each in body]
        read = [each["sql"] for each in statements if each["sql"].startswith("SELECT")]
        assert not any(f'"{column}"' in sql for sql in read for column in ("salt", "key_id", "jti", "evidence"))


def test_an_export_is_bounded(operator: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [make_code(f"{n}@b.co", "or-x").pk for n in range(5)]
    monkeypatch.setattr(exports, "ROWS_EXPORTED", 2)
    monkeypatch.setattr(exports, "CHUNK", 1)
    assert len(exported(operator, CODES)) == 2 < len(made)
    assert events()[0].detail["rows"] == 2


def test_statements_do_not_depend_on_the_number_of_rows(operator: Client, db: None) -> None:
    counted: list[Any] = []
    operator.get(f"{ADMIN}/onetimecode/")
    for rows in (2, 20):
        for n in range(rows):
            make_code(f"{rows}{n}@b.co", "or-x")
        with CaptureQueriesContext(connection) as statements:
            exported(operator, CODES)
        counted.append(len(statements))
    assert counted == [8, 8]


def test_who_may_not_view_exports_nothing(scene: AdminRecords) -> None:
    others = staff_client("view_account", "view_auditevent")
    assert others.post(CODES).status_code == 403
    assert len(exported(others, EVENTS)) == 2
    assert Client().post(EVENTS).status_code == 302
    viewer = staff_client("view_onetimecode")
    assert viewer.get(CODES).status_code == 405
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = viewer.cookies
    assert careful.post(CODES).status_code == 403
    assert [each.detail["records"] for each in events()] == ["auditevent"]


def test_the_list_says_how_much_is_exported(operator: Client, db: None) -> None:
    make_code("a@b.co", "or-x")
    assert "Up to 20,000 rows of this list" in operator.get(f"{ADMIN}/onetimecode/").content.decode()


def test_the_list_offers_the_export_of_what_it_shows(operator: Client, db: None) -> None:
    assert "Export CSV" not in operator.get(f"{ADMIN}/onetimecode/", {"state": "open"}).content.decode()
    make_code("a@b.co", "or-x")
    page = operator.get(f"{ADMIN}/onetimecode/", {"state": "open"}).content.decode()
    assert f'action="{CODES}?state=open"' in page
    assert "Export CSV" not in operator.get(f"{ADMIN}/session/").content.decode()


def test_an_export_is_part_of_the_chain(operator: Client, scene: AdminRecords) -> None:
    exported(operator, CODES)
    assert chain_events(now=timezone.now()) == AuditEvent.objects.count()
