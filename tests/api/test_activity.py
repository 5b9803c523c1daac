"""What happened to an account, over HTTP and as events become acts."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from django.test import Client
from django.utils import timezone

from dfns_login.api.fields import wire_time
from dfns_login.audit import record_event
from dfns_login.audit_chain import chain_events
from dfns_login.audit_verification import verify_trail
from dfns_login.ceremonies.activity import SHOWN, make_page
from dfns_login.ceremonies.acts import REACH, Category, fold, stored_requests
from dfns_login.ceremonies.operators import Operator, deactivate_account, reactivate_account
from dfns_login.models import AuditEvent, AuditKind, Credential, Session
from tests.support.api_client import call, details, sign_in
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.clock import HOUR, MINUTE, NOW, SECOND
from tests.support.factories import SOMEWHERE, Person, make_organization, make_person
from tests.support.signed_in import SignedIn, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]

FIREFOX: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"


def activity(client: Client, token: str, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = page(client, token, query)["items"]
    return items


def page(client: Client, token: str, query: str = "") -> dict[str, Any]:
    answer = call(client, "GET", f"/auth/activity{query}", bearer=token)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_a_sign_in_with_a_code_is_one_act_that_names_its_credential(client: Client, jane: Person, kim: Person) -> None:
    """R-180."""
    for other in (make_person(make_organization(), jane.account.email), kim):
        signed_in(client, other)
    client.defaults |= {"HTTP_USER_AGENT": FIREFOX, "REMOTE_ADDR": "192.0.2.9"}
    token = signed_in(client, jane).token
    credential = jane.account.credentials.get()
    assert activity(client, token) == [
        {
            "kind": "session.opened",
            "date": wire_time(AuditEvent.objects.get(account=jane.account, kind=AuditKind.SIGNED_IN).at),
            "address": "192.0.2.9",
            "userAgent": FIREFOX,
            "includes": ["code.presented", "key.released"],
            "credential": {"credentialUuid": credential.pk, "kind": credential.kind, "name": credential.name},
            "byOperator": False,
            "sessions": None,
            "endedUserAgent": "",
            "purpose": "",
            "request": "",
        }
    ]


def test_a_change_is_one_act_with_its_user_action_and_names_its_credential(client: Client, jane: Person) -> None:
    """R-180."""
    mine = signed_in(client, jane)
    uuid = jane.account.credentials.get().pk
    assert mine.signed("PUT", "/auth/credentials/rename", rename(uuid, "Laptop")).status_code == 200
    changed, signed = activity(client, mine.token)
    assert (changed["kind"], signed["kind"]) == ("credential.renamed", "session.opened")
    assert changed["includes"] == ["action.signed", "action.used", "key.released"]
    assert changed["credential"]["name"] == "Laptop"
    chain_events(now=timezone.now())
    assert list(verify_trail(expected=None, now=timezone.now())) == []


def rename(uuid: str, name: str) -> dict[str, str]:
    return {"credentialUuid": uuid, "credentialName": name}


def test_a_signature_that_nothing_used_is_an_act_of_its_own(client: Client, jane: Person) -> None:
    """Nothing that was signed is hidden (R-180)."""
    mine = signed_in(client, jane)
    uuid = jane.account.credentials.get().pk
    mine.user_action("PUT", "/auth/credentials/rename")
    assert mine.signed("PUT", "/auth/credentials/rename", rename(uuid, "Laptop")).status_code == 200
    kinds = [each["kind"] for each in activity(client, mine.token)]
    assert kinds == ["credential.renamed", "action.signed", "session.opened"]


def test_a_confirmed_request_on_something_else_is_named_by_its_path(client: Client, jane: Person) -> None:
    mine = signed_in(client, jane)
    uuid = jane.account.credentials.get().pk
    body = {"credentialUuid": uuid}
    assert mine.signed("PUT", "/auth/credentials/activate", body).status_code == 200  # it was active
    found = activity(client, mine.token)[0]
    assert (found["kind"], found["request"]) == ("action.used", "PUT /auth/credentials/activate")


def test_an_operators_act_is_one_and_says_nothing_of_where_the_operator_was(client: Client, kim: Person) -> None:
    """R-180."""
    sign_in(client, kim)
    operator = Operator(requester=replace(SOMEWHERE, address="203.0.113.7"), name="us-operator")
    assert deactivate_account(kim.account, operator=operator, now=timezone.now())
    assert reactivate_account(kim.account, operator=operator, now=timezone.now())
    found = activity(client, sign_in(client, kim))
    assert [each["kind"] for each in found] == [
        "session.opened",
        "account.reactivated",
        "account.deactivated",
        "session.opened",
    ]
    assert [each["byOperator"] for each in found] == [False, True, True, False]
    assert found[2]["includes"] == ["session.closed"]
    assert "203.0.113.7" not in str(found)
    assert "us-operator" not in str(found)


def test_sign_ins_and_changes_can_be_listed_alone(client: Client, jane: Person) -> None:
    mine = signed_in(client, jane)
    uuid = jane.account.credentials.get().pk
    assert mine.signed("PUT", "/auth/credentials/rename", rename(uuid, "Laptop")).status_code == 200
    for category, kind in (("signIns", "session.opened"), ("changes", "credential.renamed")):
        assert [each["kind"] for each in activity(client, mine.token, f"?category={category}")] == [kind]


@pytest.mark.parametrize(
    "query",
    [
        *[f"limit={each}" for each in ("0", "-1", "101", "9" * 30, "x", "", "1.5", "٣٣٣", "NaN")],
        *[
            f"paginationToken={each}"
            for each in ("-1", "x", "9" * 18, "1.5", "1-", "1-x", "1-1-", "1-" + "9" * 19, "1" + "-1" * 200, "٣-٣")
        ],
        *[f"category={each}" for each in ("", "x", "SIGN_INS")],
    ],
)
def test_an_invalid_query_is_refused(client: Client, token: str, query: str) -> None:
    refused = call(client, "GET", f"/auth/activity?{query}", bearer=token)
    assert (refused.status_code, list(details(refused))) == (400, [query.split("=", maxsplit=1)[0]])


def test_the_limit_is_respected(client: Client, kim: Person) -> None:
    token = sign_in(client, kim)
    for _ in range(SHOWN + 5):
        record_event(AuditKind.ACTION_SIGNED, account=kim.account, requester=SOMEWHERE, now=timezone.now())
    assert len(activity(client, token)) == 20
    for number in (1, 21, SHOWN):
        assert len(activity(client, token, f"?limit={number}")) == number


def test_a_renewed_recovery_kit_is_one_act(client: Client) -> None:
    """R-180."""
    keys = [SoftwareKey.make(kind=kind) for kind in (Kind.PASSWORD_PROTECTED_KEY, Kind.RECOVERY_KEY)]
    mine: SignedIn = signed_in(client, make_person(None, "jane@example.co", *keys))
    old = Credential.objects.get(kind="RecoveryKey")
    new = SoftwareKey.make(kind=Kind.RECOVERY_KEY)
    opened = mine.call("POST", "/auth/credentials/init", {"kind": "RecoveryKey"}).json()
    body = {"challengeIdentifier": opened["challengeIdentifier"], **new.credential(opened["challenge"])}
    assert mine.signed("POST", "/auth/credentials", body).status_code == 200
    assert mine.signed("PUT", "/auth/credentials/deactivate", {"credentialUuid": old.pk}).status_code == 200
    found = activity(client, mine.token)
    assert [each["kind"] for each in found] == ["credential.created", "session.opened"]
    assert "credential.deactivated" in found[0]["includes"]
    assert found[0]["credential"]["credentialUuid"] != old.pk


def test_the_end_of_a_session_names_its_browser(client: Client, kim: Person) -> None:
    """R-180."""
    client.defaults |= {"HTTP_USER_AGENT": FIREFOX}
    first = signed_in(client, kim)
    assert first.complete_action(first.open_action("PUT", "/things")).status_code == 200
    client.defaults |= {"HTTP_USER_AGENT": "curl"}
    token = sign_in(client, kim)
    ended = {"sessionId": str(Session.objects.get(agent=FIREFOX).pk)}
    assert call(client, "PUT", "/auth/sessions/end", ended, bearer=token).status_code == 200
    found = activity(client, token)[:3]
    assert [(each["kind"], each["userAgent"], each["endedUserAgent"]) for each in found] == [
        ("session.closed", "curl", FIREFOX),
        ("session.opened", "curl", ""),
        ("action.signed", FIREFOX, ""),
    ]


# Events become acts


def event(kind: AuditKind, at: datetime, *, address: str = "192.0.2.9", **detail: Any) -> AuditEvent:
    return AuditEvent(kind=kind, at=at, address=address, agent=FIREFOX, request_id="1", detail=detail)


def sign_in_steps(**changed: Any) -> list[AuditEvent]:
    """The events of a sign-in with a code, the newest first."""
    presented = {"address": "192.0.2.9", "purpose": "login", "at": NOW - MINUTE, **changed}
    at = presented.pop("at")
    return [
        event(AuditKind.SIGNED_IN, NOW, with_code=True, session=1),
        event(AuditKind.KEY_RELEASED, at, **presented),
        event(AuditKind.CODE_PRESENTED, at, **presented),
        event(AuditKind.CODE_SENT, NOW - HOUR, address="", purpose="login", code=1),
    ]


def kinds(events: Sequence[AuditEvent], *, category: Category | None = None) -> list[str]:
    acts = fold(stored_requests(events))
    return [act.event.kind for act in acts if category in {None, act.category}]


def without_code(events: list[AuditEvent]) -> list[AuditEvent]:
    del events[0].detail["with_code"]
    return events


APART: Final[dict[str, Callable[[], list[AuditEvent]]]] = {
    "presented elsewhere": lambda: sign_in_steps(address="198.51.100.1"),
    "presented for something else": lambda: sign_in_steps(purpose="recovery"),
    "presented too early": lambda: sign_in_steps(at=NOW - timedelta(minutes=30)),
    "signed in without a code": lambda: without_code(sign_in_steps()),
}


@pytest.mark.parametrize("what", APART)
def test_a_code_that_did_not_lead_to_the_sign_in_is_an_act_of_its_own(what: str) -> None:
    """R-180."""
    assert kinds(sign_in_steps()) == ["session.opened"]
    found = kinds(APART[what]())
    assert found[:2] == ["session.opened", "code.presented"]


def test_a_sign_in_takes_one_code_and_not_a_second_one() -> None:
    """A stranger with the mailbox behind the same address cannot hide behind the owner's sign-in (R-180)."""
    steps = sign_in_steps()
    stranger = [event(each.kind, each.at - MINUTE, **{**each.detail, "code": 2}) for each in steps[1:]]
    assert kinds([*steps[:3], *stranger, steps[3]]) == ["session.opened", "code.presented"]


def test_a_page_reads_no_more_than_its_window_and_goes_on_from_there() -> None:
    """R-180."""
    size, nothing = 3 * REACH, frozenset[int]()
    events = [event(AuditKind.SIGNED_IN, NOW - number * SECOND) for number in range(size)]
    for number, each in enumerate(events):
        each.pk = size - number
    first = make_page(events, taken=nothing, category=Category.CHANGES, limit=3, window=size)
    assert list(first.acts) == []
    assert first.following is not None
    assert first.following.pk < REACH + 5
    assert make_page(events, taken=nothing, category=Category.CHANGES, limit=3).following is None


def test_a_change_takes_one_user_action_and_not_a_second_one() -> None:
    """R-180."""
    detail = {"session": 1, "path": "/auth/credentials", "method": "POST"}
    events = [
        event(AuditKind.ACTION_USED, NOW, **detail),
        event(AuditKind.ACTION_USED, NOW - SECOND, **detail),
        event(AuditKind.CREDENTIAL_RENAMED, NOW - 2 * SECOND, credential="a"),
    ]
    assert kinds(events) == ["action.used", "credential.renamed"]
