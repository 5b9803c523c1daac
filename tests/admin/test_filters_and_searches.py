"""How lists are narrowed by filters and searches, and what their columns say."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from dfns_login.admin.rendering import change_url as page_address
from dfns_login.admin.rendering import link_to
from dfns_login.audit import record_event
from dfns_login.models import (
    Account,
    AuditEvent,
    AuditKind,
    CodeClosed,
    CodePurpose,
    DeliveryState,
    OneTimeCode,
    Organization,
    Session,
    SpentToken,
)
from tests.support.admin_records import ADMIN, MODELS, AdminRecords, make_code, make_session, page_of
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.factories import make_account, make_credential, make_organization

pytestmark = pytest.mark.slow  # hundreds of pages of the admin

CODES = f"{ADMIN}/onetimecode/"


def listed(client: Client, **query: str) -> list[int]:
    """Numbers of the codes that the list shows."""
    response = client.get(CODES, query)
    assert response.status_code == 200
    return [row.pk for row in response.context["cl"].result_list]


def codes(**fields: object) -> list[int]:
    return list(OneTimeCode.objects.filter(**fields).order_by("-issued_at", "-pk").values_list("pk", flat=True))


@pytest.mark.parametrize("closed", CodeClosed.values)
def test_codes_are_narrowed_by_how_they_ended(operator: Client, scene: AdminRecords, closed: str) -> None:
    expected = codes(closed_as=closed)
    if closed == "expired":
        expected = sorted([*expected, OneTimeCode.objects.get(recipient="late").pk])
    assert sorted(listed(operator, state=closed)) == sorted(expected)


def test_an_open_code_is_one_that_is_still_good(operator: Client, scene: AdminRecords) -> None:
    assert listed(operator, state="open") == codes(closed_at__isnull=True, expires_at__gt=timezone.now())


@pytest.mark.parametrize("delivery", DeliveryState.values)
def test_codes_are_narrowed_by_delivery(operator: Client, scene: AdminRecords, delivery: str) -> None:
    assert listed(operator, delivery=delivery) == codes(delivery=delivery)


@pytest.mark.parametrize("purpose", CodePurpose.values)
def test_codes_are_narrowed_by_purpose(operator: Client, scene: AdminRecords, purpose: str) -> None:
    assert listed(operator, purpose=purpose) == codes(purpose=purpose)


def test_codes_are_narrowed_by_organization_also_one_that_there_is_not(operator: Client, scene: AdminRecords) -> None:
    for organization in (scene.account.organization_id, "or-nowhere"):
        assert listed(operator, organization=organization) == codes(organization=organization)


def test_filters_and_a_search_hold_together(operator: Client, scene: AdminRecords) -> None:
    found = listed(operator, q=scene.account.username[:5], state="consumed", purpose="login", requested="24h")
    assert found == codes(closed_as="consumed")


def test_each_state_is_said_in_words(operator: Client, scene: AdminRecords) -> None:
    page = operator.get(CODES).content.decode()
    badges = set(re.findall(r"dfns-badge [^>]*>([^<]+)<", page))
    assert {"Open", "Consumed", "Expired", "Superseded", "Revoked"} <= badges
    assert {"Sent", "Sending", "Failed; will be retried", "No recipient", "Abandoned"} <= badges


def test_a_code_whose_guesses_are_spent_says_so(operator: Client, scene: AdminRecords) -> None:
    OneTimeCode.objects.filter(pk=scene.code.pk).update(guesses=10)
    page = operator.get(page_of("onetimecode", scene.code.pk)).content.decode()
    assert "Open, no guesses left" in page
    assert "10 guesses by strangers · 0 guesses left" in page


def test_the_delivery_column_tells_what_happens_next(operator: Client, db: None) -> None:
    now = timezone.now()
    sent = {"delivery": "sent", "sent_at": now, "handled_at": now}
    make_code("again@b.co", "or-x", **sent, asked_at=now + timedelta(seconds=1))
    make_code("broken@b.co", "or-x", **(sent | {"delivery": "failed"}), age=timedelta(hours=1))
    page = operator.get(CODES).content.decode()
    assert "Sent, queued again" in page
    assert "Sent, last try abandoned" in page


def test_a_row_that_has_no_page_is_named_without_a_link(db: None) -> None:
    assert page_address(SpentToken(jti="x")) == ""
    assert link_to(SpentToken(jti="x")) == "spent token"
    assert link_to(None) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("asked", "hours"), [("hour", [0]), ("24h", [0, 3]), ("7d", [0, 3, 48]), ("", [0, 3, 48, 24 * 9])]
)
def test_codes_are_narrowed_by_when_they_were_asked_for(operator: Client, asked: str, hours: list[int]) -> None:
    made = {age: make_code(f"{age}@b.co", "or-x", age=timedelta(hours=age)).pk for age in (0, 3, 48, 24 * 9)}
    assert listed(operator, **({"requested": asked} if asked else {})) == [made[age] for age in hours]


def test_one_day_is_the_operators_own(operator: Client, settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    late = make_code("late@b.co", "or-x", issued_at=datetime(2026, 3, 1, 15, 30, tzinfo=UTC))  # 2 March in Tokyo
    early = make_code("early@b.co", "or-x", issued_at=datetime(2026, 3, 1, 14, 30, tzinfo=UTC))
    assert listed(operator, requested="2026-03-02") == [late.pk]
    assert listed(operator, requested="2026-03-01") == [early.pk]
    page = operator.get(CODES, {"requested": "2026-03-02", "state": "open", "q": "late"}).content.decode()
    assert 'type="date"' in page
    assert 'value="2026-03-02"' in page
    assert '<input type="hidden" name="state" value="open">' in page
    assert '<input type="hidden" name="q" value="late">' in page
    assert "March 2, 2026, 00:30:00" in page


@pytest.mark.parametrize("asked", ["yesterday", "2026-02-30", "0001-01-01", "9999-12-31", "2026-03-01'--", "-1"])
def test_an_invalid_day_is_refused(operator: Client, asked: str) -> None:
    assert operator.get(CODES, {"requested": asked}).status_code == 302


def test_codes_are_found_by_the_beginning_of_the_recipient(operator: Client, db: None) -> None:
    wanted = make_code("jane@example.co", "or-x").pk
    also = make_code("jane@example.co", "or-y").pk
    longer = make_code("jane@example.com", "or-x").pk
    make_code("mary-jane@example.co", "or-x")
    make_code("jan", "or-x")
    assert sorted(listed(operator, q="jane@example.com")) == [longer]
    assert sorted(listed(operator, q=" JANE@Example ")) == sorted([wanted, also, longer])
    assert listed(operator, q="jane_example") == []
    assert listed(operator, q="jane%") == []
    assert listed(operator, q=str(wanted)) == [wanted]


@pytest.mark.parametrize("typed", ["\ud800", "9" * 400, "\N{ZERO WIDTH SPACE}", "'", "x" * 5000, "٣"])
def test_a_search_for_anything_is_answered(operator: Client, scene: AdminRecords, typed: str) -> None:
    for model in MODELS:
        address = f"{ADMIN}/{model}/?q=" + "".join(f"%{byte:02x}" for byte in typed.encode(errors="surrogatepass"))
        assert operator.get(address).status_code == 200


def test_accounts_are_found_by_username_address_and_id(operator: Client, scene: AdminRecords) -> None:
    wanted = Account.objects.create(organization=scene.account.organization, username="jane@b.co", email="Jane@B.co")

    def found(typed: str) -> list[Account]:
        return list(operator.get(f"{ADMIN}/account/", {"q": typed}).context["cl"].result_list)

    for typed in ("jane@b", "JANE@B.CO", "Jane@B", wanted.pk):
        assert found(typed) == [wanted], typed
    assert found("ane@b") == []


@pytest.mark.parametrize("model", ["credential", "session", "auditevent"])
def test_objects_are_found_by_their_account(operator: Client, scene: AdminRecords, model: str) -> None:
    other = make_account(make_organization("Other"), "other@b.co")
    credential = make_credential(other, SoftwareKey.make(kind=Kind.KEY))
    make_session(other, credential, jti="other")
    record_event(AuditKind.SIGNED_IN, account=other, requester=None, now=timezone.now())
    for query in ({"q": "OTHER@b.co"}, {"q": other.pk}, {"account": other.pk}, {"organization": other.organization_id}):
        rows = operator.get(f"{ADMIN}/{model}/", query).context["cl"].result_list
        assert [row.account for row in rows] == [other], query
    assert len(operator.get(f"{ADMIN}/credential/", {"q": credential.pk}).context["cl"].result_list) == 1


def test_no_address_is_in_a_link_from_the_page_of_an_account(operator: Client, scene: AdminRecords) -> None:
    """Access logs and browsers keep what is in a URL."""
    unsent = make_code("jane@b.co", scene.account.organization_id, age=timedelta(0))
    jane = make_account(scene.account.organization, "jane@b.co")
    links = re.findall(r'href="([^"]*)"', operator.get(page_of("account", jane.pk)).content.decode())
    assert not [each for each in links if "jane" in each]
    assert f"{CODES}?account={jane.pk}" in links
    assert listed(operator, account=jane.pk) == [unsent.pk]
    assert listed(operator, account="us-nobody") == []


def test_sessions_are_narrowed_to_the_live_ones(operator: Client, scene: AdminRecords) -> None:
    def found(state: str) -> set[str]:
        rows = operator.get(f"{ADMIN}/session/", {"state": state}).context["cl"].result_list
        return {row.pk for row in rows}

    assert found("live") == {scene.session.pk}
    assert found("over") == set(Session.objects.exclude(pk=scene.session.pk).values_list("pk", flat=True))
    Account.objects.filter(pk=scene.account.pk).update(state="deactivated")
    assert "Blocked" in operator.get(page_of("session", scene.session.pk)).content.decode()


def test_events_and_organizations_are_narrowed(operator: Client, scene: AdminRecords) -> None:
    events = operator.get(f"{ADMIN}/auditevent/", {"kind": "code.sent", "when": "hour"}).context["cl"].result_list
    assert [each.kind for each in events] == ["code.sent"]
    idle = Organization.objects.create(name="Idle", active=False)
    for active, expected in (("no", [idle]), ("yes", [scene.account.organization])):
        rows = operator.get(f"{ADMIN}/organization/", {"active": active}).context["cl"].result_list
        assert list(rows) == expected


def test_an_account_shows_its_last_sign_in(operator: Client, scene: AdminRecords) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    QuerySet(AuditEvent).filter(kind="session.opened").update(at=now)
    assert "March 1, 2026, 12:00:00" in operator.get(f"{ADMIN}/account/").content.decode()
