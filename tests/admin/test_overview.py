"""The overview: what is counted, who sees it, and that it reads a bounded number of rows (R-207)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from dfns_login.admin.overview import LIMITS, Overview, OverviewQuery, overview, parts
from dfns_login.admin.overview.charts import BarChart, LineChart, Series
from dfns_login.admin.overview.codes import CODE_SERIES
from dfns_login.admin.rendering import seconds
from dfns_login.audit import record_event
from dfns_login.models import Account, AuditKind, CodeClosed, OneTimeCode, Organization
from dfns_login.settings.fields import DEFAULT_RATES
from tests.support.admin_records import ADMIN, AdminRecords, make_code, staff_client
from tests.support.factories import make_account, make_organization

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
PAGE = f"{ADMIN}/"


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Name things in English whatever the last test asked for."""
    with translation.override("en"):
        yield


def shown(*, period: str = "24h", organization: Organization | None = None, now: datetime = NOW) -> Overview:
    found = overview(OverviewQuery(period=period, organization=organization), may_view=lambda _: True, now=now)
    assert found is not None
    return found


def values(chart: BarChart | LineChart) -> dict[str, list[float | None]]:
    return {str(each.name): [*each.values] for each in chart.series}


def sent(wait: float, *, age: timedelta = timedelta(0), organization: str = "or-x", **fields: object) -> None:
    at = NOW - age
    make_code(
        f"{wait}@b.co", organization, age=age, now=NOW, delivery="sent", sent_at=at + timedelta(seconds=wait), **fields
    )


def test_codes_are_counted_by_state_and_hour(db: None) -> None:
    make_code("a@b.co", "or-x", now=NOW, age=timedelta(minutes=40), closed_as="consumed")
    make_code("b@b.co", "or-x", now=NOW, guesses=2, device_guesses=1)
    make_code("c@b.co", "or-x", now=NOW, age=timedelta(hours=24), closed_as="expired", delivery="expired unsent")
    found = shown()
    chart = values(found.charts[0])
    assert chart["Used"][-2:] == [1, 0]
    assert chart["Open"][-1] == 1
    assert chart["Expired"] == [0] * 24  # 12:30 yesterday is more than 24 begun hours ago
    assert [(str(each.name), each.value) for each in found.figures[:3]] == [
        ("Codes requested", "2"),
        ("Email accepted after", "\N{EN DASH}"),
        ("Guesses", "3"),
    ]
    week = shown(period="7d")
    assert sum(value or 0 for value in values(week.charts[0])["Expired"]) == 1
    assert {str(name): count for name, count in week.reasons}["Expired unsent"] == 1


@pytest.mark.parametrize(
    ("waits", "median", "most"), [([3], 3, 3), ([1, 2], 1, 2), ([1, 2, 3], 2, 3), ([*range(1, 101)], 50, 95)]
)
def test_waits_are_ranked(db: None, waits: list[int], median: float, most: float) -> None:
    for wait in waits:
        sent(wait)
    sent(500, age=timedelta(hours=3))
    sent(900, age=timedelta(hours=3), asked_at=NOW)  # requested again after its email
    chart = values(shown().charts[1])
    assert (chart["Half within"][-1], chart["95% within"][-1]) == (median, most)
    assert (chart["Half within"][-4], chart["95% within"][-4]) == (500, 500)


def test_an_organization_is_chosen(operator: Client, db: None) -> None:
    mine, other = make_organization("Mine"), make_organization("Other")
    sent(1, organization=mine.pk)
    sent(2, organization=other.pk)
    for organization in (mine, other, other):
        account = make_account(organization, f"{timezone.now()}@b.co")
        record_event(AuditKind.SIGNED_IN, account=account, requester=None, now=NOW)
    assert [each.value for each in shown(organization=mine).figures][::3] == ["1", "1"]
    assert [each.value for each in shown().figures][::3] == ["2", "3"]
    assert "Overview · Mine" in operator.get(PAGE, {"organization": mine.pk}).content.decode()
    for odd in ("or-nowhere", "\0", "x" * 500):
        assert operator.get(PAGE, {"organization": odd, "period": odd}).status_code == 200


def test_each_permission_shows_its_part(scene: AdminRecords) -> None:
    def page(*permissions: str) -> str:
        return staff_client("view_organization", *permissions).get(PAGE).content.decode()

    accounts = page("view_account")
    assert "dfns-overview" not in accounts
    assert 'name="q"' in accounts
    codes, events = page("view_onetimecode"), page("view_auditevent")
    assert "Codes by hour" in codes
    assert "Sign-ins by hour" not in codes
    assert "Refused requests" not in codes
    assert "Codes by hour" not in events
    assert "Sign-ins by hour" in events
    assert 'name="q"' not in events


@contextmanager
def unregistered(*models: type[Model]) -> Iterator[None]:
    pages = {model: type(admin.site.get_model_admin(model)) for model in models}
    for model in models:
        admin.site.unregister(model)
    try:
        yield
    finally:
        for model, page in pages.items():
            admin.site.register(model, page)


def test_the_admin_decides_who_may_view(scene: AdminRecords) -> None:
    """Permission to change includes permission to view. A project can unregister pages, or have its own decide."""
    client = staff_client("change_onetimecode", "change_auditevent", "change_account", "add_account")
    everything = client.get(PAGE).content.decode()
    assert all(text in everything for text in ("Codes by hour", "Sign-ins by hour", 'name="q"'))
    with unregistered(OneTimeCode, Account):
        body = client.get(PAGE).content.decode()
        empty_list = client.get(f"{ADMIN}/auditevent/?q=nobody")
    assert "Codes by hour" not in body
    assert 'name="q"' not in body
    assert "Sign-ins by hour" in body
    assert empty_list.status_code == 200


def test_a_project_may_have_several_admins_of_the_same_name(operator: Client, db: None) -> None:
    others = [admin.AdminSite() for _ in range(20)]
    assert {each.name for each in others} == {admin.site.name}
    assert "Codes by hour" in operator.get(PAGE).content.decode()


def test_the_charts_are_svg_with_a_title_and_a_table(operator: Client, scene: AdminRecords) -> None:
    body = operator.get(PAGE).content.decode()
    drawn = re.findall(r"<svg viewBox.*?</svg>", body, re.DOTALL)
    assert len(drawn) >= 2
    for svg in drawn:
        root = ET.fromstring(svg)  # noqa: S314  ours
        ids = {each.get("id") for each in root}
        assert set(str(root.get("aria-labelledby")).split()) <= ids
        numbers = [each.get(name) for each in root.iter() for name in ("x", "y", "width", "height") if each.get(name)]
        assert all(0 <= float(str(number)) <= 720 for number in numbers)
    assert " style=" not in body
    assert '<th scope="col">Used</th>' in body


@pytest.mark.parametrize("language", ["fr", "ar"])
def test_numbers_in_svg_are_never_localized(operator: Client, scene: AdminRecords, language: str) -> None:
    body = operator.get(PAGE, headers={"accept-language": language}).content.decode()
    assert 'lang="' + language in body
    for svg in re.findall(r"<svg viewBox.*?</svg>", body, re.DOTALL):
        assert not re.search(r' (?:x|y|width|height|cx|cy|x1|y1)="[^"]*[^0-9.\-"]', svg)


def test_an_empty_site_has_figures_without_fragments(operator: Client, db: None) -> None:
    found = shown()
    assert [(each.value, each.detail) for each in found.figures[:2]] == [("0", ""), ("\N{EN DASH}", "")]
    assert "\N{EN DASH} used" not in operator.get(PAGE).content.decode()


def test_nothing_is_zero_seconds() -> None:
    assert [seconds(each) for each in (0, 0.04, 3, 12, 240)] == ["0 s", "0.0 s", "3.0 s", "12 s", "4 min"]


def test_the_end_of_an_axis_can_be_halved() -> None:
    def limit(value: float) -> float:
        series = [Series(name="", tone="good", values=[value])]
        return LineChart(slug="x", title="", summary="", series=series, labels=["x"]).limit

    assert [limit(each) for each in (0, 1, 2, 3, 9, 11, 41, 1000, 1001)] == [2, 2, 2, 4, 10, 20, 100, 2000, 2000]


def test_the_overview_reads_a_bounded_number_of_rows(
    operator: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minutes in range(5):
        make_code(f"{minutes}@b.co", "or-x", age=timedelta(hours=minutes), delivery="sent", sent_at=timezone.now())
    monkeypatch.setattr(parts, "WINDOW", 3)
    monkeypatch.setattr(parts, "RANKED", 2)
    body = operator.get(PAGE).content.decode()
    assert "too many rows" in body
    assert "Of the newest 2 codes." in body
    with CaptureQueriesContext(connection) as statements:
        found = shown(now=timezone.now())
    assert len(statements) == 7
    assert found.figures[0].value == "3"
    for each in statements:
        assert re.search(r'"(issued_at|at)" >= ', each["sql"]), each["sql"]


def test_every_rate_and_every_end_of_a_code_has_words() -> None:
    """The verdict and the overview look them up."""
    assert LIMITS.keys() == DEFAULT_RATES.keys()
    assert {state for state, *_ in CODE_SERIES} == {"", *CodeClosed.values}
