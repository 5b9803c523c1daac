"""The audit trail over HTTP, and the ids of requests (R-128, R-116)."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from dfns_login.audit import record_event
from dfns_login.audit_chain import chain_events
from dfns_login.models import AuditEvent, AuditKind
from tests.support.api_client import call, details, sign_in
from tests.support.authenticators import SoftwareKey
from tests.support.factories import make_account, make_organization, make_person
from tests.support.signed_in import SignedIn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]


@pytest.fixture
def jane(client: Client) -> SignedIn:
    person = make_person(None, "jane@example.co", SoftwareKey.make())
    return SignedIn(client=client, person=person, token=sign_in(client, person))


@pytest.fixture
def operator(jane: SignedIn) -> SignedIn:
    user: Any = jane.person.account.user
    user.user_permissions.add(Permission.objects.get(codename="view_auditevent"))
    return jane


def pages(operator: SignedIn, query: str) -> Iterator[list[dict[str, Any]]]:
    token = ""
    while True:
        answer = operator.call("GET", f"/auth/events?{query}{token}").json()
        yield answer["items"]
        if "nextPageToken" not in answer:
            return
        token = f"&paginationToken={answer['nextPageToken']}"


def test_an_operator_reads_the_events_of_the_organization(operator: SignedIn) -> None:
    account = operator.person.account
    other = make_account(make_organization("Other"), "kim@example.co")
    record_event(AuditKind.INVITED, account=other, requester=None, now=timezone.now())
    chain_events(now=timezone.now())
    (event,) = operator.call("GET", "/auth/events").json()["items"]
    stored = AuditEvent.objects.get(account=account)
    assert event["id"] == stored.pk
    assert (event["kind"], event["userId"], event["orgId"]) == ("session.opened", account.pk, account.organization_id)
    assert (event["detail"], event["evidence"], event["requestId"]) == (stored.detail, None, stored.request_id)
    assert event["position"] == 1
    assert len(event["mac"]) == 64


def test_others_do_not(jane: SignedIn) -> None:
    refused = jane.call("GET", "/auth/events")
    assert refused.status_code == 403
    assert "(Auth:Events:Read)" in refused.json()["error"]["message"]


def test_it_is_paged(operator: SignedIn) -> None:
    account = operator.person.account
    for number in range(4):
        record_event(AuditKind.SIGNED_OUT, account=account, requester=None, now=timezone.now(), session=number)
    found = list(pages(operator, "limit=2"))
    assert [len(page) for page in found] == [2, 2, 1]
    assert [each["id"] for page in found for each in page] == list(
        AuditEvent.objects.order_by("pk").values_list("pk", flat=True)
    )
    assert found[0][1]["position"] is None


def test_it_is_bounded_in_time(operator: SignedIn) -> None:
    (event,) = operator.call("GET", "/auth/events").json()["items"]
    at = AuditEvent.objects.get(pk=event["id"]).at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    found = [operator.call("GET", f"/auth/events?{name}={at}").json()["items"] for name in ("since", "until")]
    assert found == [[event], []]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("paginationToken", "-1"),
        ("paginationToken", str(2**63)),
        ("paginationToken", "x%00"),
        ("since", "noon"),
        ("until", "2026-01-01T00:00:00"),
    ],
)
def test_an_invalid_query_is_refused(operator: SignedIn, name: str, value: str) -> None:
    refused = operator.call("GET", f"/auth/events?{name}={value}")
    assert (refused.status_code, list(details(refused))) == (400, [name])


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
def test_the_earliest_and_latest_times_are_accepted(operator: SignedIn, at: str) -> None:
    assert operator.call("GET", f"/auth/events?since={at}").status_code == 400


def test_a_signed_event_shows_what_was_signed(operator: SignedIn) -> None:
    body = {"credentialUuid": operator.person.account.credentials.get().pk, "credentialName": "Laptop"}
    assert operator.signed("PUT", "/auth/credentials/rename", body).status_code == 200
    signed = next(e for e in operator.call("GET", "/auth/events").json()["items"] if e["kind"] == "action.signed")
    (signature,) = signed["evidence"]["signatures"]
    assert signature["credential_id"] == operator.person.key.credential_id


# ids of requests


def test_a_request_id_is_taken_over(client: Client, jane: SignedIn) -> None:
    answer = client.get("/auth/sessions", headers={"X-Request-ID": "a.B_9-", "Authorization": f"Bearer {jane.token}"})
    assert answer["X-Request-ID"] == "a.B_9-"


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a\tb", "é", "<script>", "a,b"])
def test_any_other_is_replaced(client: Client, sent: str) -> None:
    answer = client.get("/auth/sessions", headers={"X-Request-ID": sent})
    assert answer["X-Request-ID"] != sent
    assert len(answer["X-Request-ID"]) == 32


def test_log_line_event_and_answer_have_the_same_id(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="dfns_login.audit")
    person = make_person(None, "jane@example.co", SoftwareKey.make())
    sign_in(client, person)
    (event,) = AuditEvent.objects.all()
    (record,) = (each for each in caplog.records if getattr(each, "dfns_event", "") == "session.opened")
    assert record.__dict__["dfns_fields"]["request"] == event.request_id
    refused = call(client, "GET", "/auth/sessions")
    assert f"request={refused['X-Request-ID']}" in caplog.text
