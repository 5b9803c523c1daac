"""Users over HTTP, for operators with permissions."""

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from dfns_login.models import Account, AccountKind, AccountState, AuditEvent, AuditKind, CodePurpose, OneTimeCode
from dfns_login.signals import account_deleted
from tests.support.api_client import NOT_AUTHORIZED, details, sign_in, told
from tests.support.authenticators import SoftwareKey
from tests.support.factories import issue, make_account, make_credential, make_organization, make_person, make_user
from tests.support.signed_in import SignedIn, signed_in

pytestmark = pytest.mark.django_db


NOT_FOUND = (404, "Not found.")


@pytest.fixture
def nobody(client: Client) -> SignedIn:
    return signed_in(client, make_person())


def allow(who: SignedIn, *actions: str) -> SignedIn:
    user: Any = who.person.account.user
    for action in actions:
        user.user_permissions.add(Permission.objects.get(codename=f"{action}_account"))
    return who


@pytest.fixture
def operator(nobody: SignedIn) -> SignedIn:
    return allow(nobody, "view", "add", "change", "delete")


CALLS = [
    ("GET", "/auth/users", None, "Auth:Users:Read"),
    ("POST", "/auth/users", {"email": "kim@example.co", "kind": "CustomerEmployee"}, "Auth:Users:Create"),
    ("GET", "/auth/users/{}", None, "Auth:Users:Read"),
    ("PUT", "/auth/users/{}/activate", {}, "Auth:Users:Activate"),
    ("PUT", "/auth/users/{}/deactivate", {}, "Auth:Users:Deactivate"),
    ("DELETE", "/auth/users/{}", {}, "Auth:Users:Delete"),
]


def test_a_user_is_invited_listed_deactivated_activated_and_deleted(operator: SignedIn) -> None:
    made = operator.signed("POST", "/auth/users", {"email": "kim@example.co", "kind": "CustomerEmployee"})
    assert made.status_code == 200, made.content
    kim = made.json()
    assert kim["username"] == "kim@example.co"
    assert not kim["isRegistered"]
    listed = operator.call("GET", "/auth/users").json()["items"]
    assert {each["userId"] for each in listed} == {kim["userId"], operator.person.account.pk}
    path = f"/auth/users/{kim['userId']}"
    assert operator.call("GET", path).json() == kim
    assert operator.signed("PUT", f"{path}/deactivate", {}).json()["isActive"] is False
    assert operator.signed("PUT", f"{path}/activate", {}).json()["isActive"] is True
    assert Account.objects.get(pk=kim["userId"]).state == AccountState.INVITED
    assert operator.signed("DELETE", path, {}).status_code == 200
    assert operator.call("GET", path).status_code == 404


def test_users_come_in_pages(operator: SignedIn) -> None:
    for number in range(4):
        make_account(operator.person.account.organization, f"user{number}@example.co")
    seen: list[str] = []
    token = ""
    while True:
        page = operator.call("GET", f"/auth/users?limit=2&paginationToken={token}").json()
        seen += [each["userId"] for each in page["items"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert len(seen) == len(set(seen)) == 5


def test_accounts_of_another_organization_are_not_there(operator: SignedIn) -> None:
    """R-87: even with the same address."""
    other = make_account(make_organization("Other"), operator.person.account.email)
    assert told(operator.call("GET", f"/auth/users/{other.pk}")) == NOT_FOUND
    for method, more in (("DELETE", ""), ("PUT", "/activate"), ("PUT", "/deactivate")):
        assert told(operator.signed(method, f"/auth/users/{other.pk}{more}", {})) == NOT_FOUND
    assert other.pk not in operator.call("GET", "/auth/users").content.decode()
    assert other.pk not in operator.call("GET", "/auth/users?paginationToken=us-").content.decode()
    other.refresh_from_db()
    assert other.state == AccountState.REGISTERED


@pytest.mark.parametrize("user_id", ["us-x", "%00", "us-%00", "%0a", "%e2%80%ae", "x" * 500, "'", "..%2f", "%ff"])
def test_an_unknown_id_is_not_found(operator: SignedIn, user_id: str) -> None:
    assert told(operator.call("GET", f"/auth/users/{user_id}")) == NOT_FOUND


# Permissions


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("view", {"Auth:Users:Read"}),
        ("add", {"Auth:Users:Create"}),
        ("change", {"Auth:Users:Activate", "Auth:Users:Deactivate"}),
        ("delete", {"Auth:Users:Delete"}),
    ],
)
def test_each_permission_allows_only_its_own_calls(nobody: SignedIn, permission: str, allowed: set[str]) -> None:
    allow(nobody, permission)
    here = nobody.person.account.organization
    for number, (method, path, body, operation) in enumerate(CALLS):
        account = make_account(here, f"user{number}@example.co")
        make = nobody.call if method == "GET" else nobody.signed
        answer = make(method, path.format(account.pk), body)
        if operation in allowed:
            assert answer.status_code == 200, (operation, answer.content)
        else:
            who = f"{nobody.person.account.kind} {nobody.person.account.pk}"
            assert told(answer) == (403, f"{who} is not authorized to perform operation ({operation})")


def test_a_permission_is_read_at_every_call(client: Client) -> None:
    person = make_person()
    who = allow(signed_in(client, person), "view")
    assert who.call("GET", "/auth/users").status_code == 200
    user: Any = person.account.user
    user.user_permissions.clear()
    assert who.call("GET", "/auth/users").status_code == 403


def test_a_call_without_permission_keeps_the_user_action_valid(nobody: SignedIn) -> None:
    body = {"email": "kim@example.co", "kind": "EndUser"}
    action = nobody.user_action("POST", "/auth/users", json.dumps(body))
    assert nobody.call("POST", "/auth/users", body, x_dfns_useraction=action).status_code == 403
    allow(nobody, "add")
    assert nobody.call("POST", "/auth/users", body, x_dfns_useraction=action).status_code == 200


# What the reply says about a user


def test_every_state_is_reported(operator: SignedIn) -> None:
    here = operator.person.account.organization
    invited = make_account(here, "invited@example.co", state=AccountState.INVITED)
    linked = make_account(here, "linked@example.co", state=AccountState.INVITED)
    Account.objects.filter(pk=linked.pk).update(user=make_user("linked"))  # as `dfns invite --user` does
    registered = make_person(here, "registered@example.co", SoftwareKey.make(), SoftwareKey.make()).account
    gone = make_person(here, "gone@example.co", SoftwareKey.make()).account
    never = make_account(here, "never@example.co", state=AccountState.INVITED)
    for each in (gone, never):
        Account.objects.deactivate(account=each)
    states = {
        each["userId"]: (each["isActive"], each["isRegistered"], bool(each["credentialUuid"]))
        for each in operator.call("GET", "/auth/users").json()["items"]
    }
    assert states == {
        operator.person.account.pk: (True, True, True),
        invited.pk: (True, False, False),
        linked.pk: (True, False, False),
        registered.pk: (True, True, True),
        gone.pk: (False, True, True),
        never.pk: (False, False, False),
    }
    first = registered.credentials.order_by("created_at").first()
    assert first is not None
    assert operator.call("GET", f"/auth/users/{registered.pk}").json() == {
        "username": "registered@example.co",
        "name": "registered@example.co",
        "userId": registered.pk,
        "kind": "EndUser",
        "credentialUuid": first.pk,
        "orgId": here.pk,
        "permissions": [],
        "isActive": True,
        "isServiceAccount": False,
        "isRegistered": True,
        "isSSORequired": False,
        "permissionAssignments": [],
    }


def test_a_page_runs_a_fixed_number_of_queries(operator: SignedIn, django_assert_num_queries: Any) -> None:
    here = operator.person.account.organization
    for number in range(10):
        make_credential(make_account(here, f"user{number}@example.co"), SoftwareKey.make())
    operator.call("GET", "/auth/users")
    with django_assert_num_queries(4):  # the session, two of permissions, the page
        assert len(operator.call("GET", "/auth/users").json()["items"]) == 11


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=", "limit"),
        ("limit=1e2", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("kind=Robot", "kind"),
        ("paginationToken=%00", "paginationToken"),
        ("paginationToken=" + "x" * 65, "paginationToken"),
    ],
)
def test_an_invalid_query_parameter_is_named(operator: SignedIn, query: str, field: str) -> None:
    refused = operator.call("GET", f"/auth/users?{query}")
    assert (refused.status_code, list(details(refused))) == (400, [field])


def test_pages_end_and_stay_in_order(operator: SignedIn) -> None:
    for number in range(4):
        make_account(operator.person.account.organization, f"user{number}@example.co")
    everybody = [each["userId"] for each in operator.call("GET", "/auth/users").json()["items"]]
    assert everybody == sorted(everybody)
    for limit in range(1, 7):
        page = operator.call("GET", f"/auth/users?limit={limit}").json()
        assert [each["userId"] for each in page["items"]] == everybody[:limit]
        assert page.get("nextPageToken") == (everybody[limit - 1] if limit < 5 else None)
    assert operator.call("GET", "/auth/users?paginationToken=zzz").json() == {"items": []}


def test_users_of_one_kind_are_listed(operator: SignedIn) -> None:
    employee = make_account(operator.person.account.organization, "kim@example.co")
    Account.objects.filter(pk=employee.pk).update(kind=AccountKind.CUSTOMER_EMPLOYEE)
    listed = operator.call("GET", "/auth/users?kind=CustomerEmployee").json()["items"]
    assert [each["userId"] for each in listed] == [employee.pk]


# Inviting, deactivating and deleting


def test_an_invited_user_is_emailed_a_code(operator: SignedIn) -> None:
    body = {"email": "Kim@example.co", "kind": "CustomerEmployee"}
    for _ in range(2):  # the second time keeps the account and its code
        kim = operator.signed("POST", "/auth/users", body).json()
    account = Account.objects.get(pk=kim["userId"])
    assert (account.email, account.kind, account.organization) == (
        "Kim@example.co",
        "CustomerEmployee",
        operator.person.account.organization,
    )
    row = OneTimeCode.objects.get(purpose=CodePurpose.REGISTRATION)
    assert (row.recipient, row.closed_at) == ("kim@example.co", None)
    assert AuditEvent.objects.filter(kind=AuditKind.INVITED, account=account).count() == 1


def test_a_registered_user_cannot_be_invited(operator: SignedIn) -> None:
    known = operator.person.account
    refused = operator.signed("POST", "/auth/users", {"email": known.email, "kind": "EndUser"})
    assert told(refused) == (401, "User already exists.")
    elsewhere = make_account(make_organization("Other"), "kim@example.co")
    made = operator.signed("POST", "/auth/users", {"email": elsewhere.email, "kind": "EndUser"})
    assert made.status_code == 200
    assert made.json()["userId"] != elsewhere.pk


@pytest.mark.parametrize("email", ["kim", "kim@", "a@b.co, c@d.co", "kim@example.co\r\nBcc: x@y.z", ""])
def test_an_invalid_address_is_refused(operator: SignedIn, email: str) -> None:
    """R-111."""
    refused = operator.signed("POST", "/auth/users", {"email": email, "kind": "EndUser"})
    assert (refused.status_code, list(details(refused))) == (400, ["email"])
    assert Account.objects.count() == 1


def test_deactivating_a_user_ends_everything_at_once(client: Client, operator: SignedIn) -> None:
    """R-14, R-72."""
    kim = make_person(operator.person.account.organization, "kim@example.co", SoftwareKey.make())
    theirs = SignedIn(client=client, person=kim, token=sign_in(client, kim))
    issue(kim.account.recipient)
    path = f"/auth/users/{kim.account.pk}"
    for _ in range(2):
        assert operator.signed("PUT", f"{path}/deactivate", {}).json()["isActive"] is False
    assert told(theirs.call("GET", "/auth/credentials")) == NOT_AUTHORIZED
    assert not OneTimeCode.objects.open().filter(recipient=kim.account.username).exists()
    for _ in range(2):
        assert operator.signed("PUT", f"{path}/activate", {}).json()["isActive"] is True
    assert told(theirs.call("GET", "/auth/credentials")) == NOT_AUTHORIZED
    assert sign_in(client, kim)
    kinds = (AuditKind.DEACTIVATED, AuditKind.REACTIVATED)
    events = AuditEvent.objects.filter(account=kim.account, kind__in=kinds).order_by("pk")
    operator_name = operator.person.account.pk
    assert [(each.kind, each.detail) for each in events] == [(each, {"operator": operator_name}) for each in kinds]


def test_no_log_line_has_an_operators_address(operator: SignedIn, caplog: pytest.LogCaptureFixture) -> None:
    """R-138."""
    caplog.set_level("INFO", logger="dfns_login.audit")
    made = operator.signed("POST", "/auth/users", {"email": "kim@example.co", "kind": "CustomerEmployee"}).json()
    operator.signed("PUT", f"/auth/users/{made['userId']}/deactivate", {})
    assert "account.deactivated" in caplog.text
    assert operator.person.account.username not in caplog.text


def test_deleting_an_account_keeps_its_events_and_its_user(client: Client, operator: SignedIn) -> None:
    kim = make_person(operator.person.account.organization, "kim@example.co", SoftwareKey.make())
    theirs = SignedIn(client=client, person=kim, token=sign_in(client, kim))
    first = kim.account.credentials.get().pk
    deleted = operator.signed("DELETE", f"/auth/users/{kim.account.pk}", {})
    assert deleted.status_code == 200, deleted.content
    assert (deleted.json()["userId"], deleted.json()["isActive"]) == (kim.account.pk, False)
    assert deleted.json()["credentialUuid"] == first
    assert told(theirs.call("GET", "/auth/credentials")) == NOT_AUTHORIZED
    left = AuditEvent.objects.filter(account=kim.account.pk)
    assert {each.kind for each in left} >= {AuditKind.SIGNED_IN, AuditKind.DELETED}
    assert {each.account for each in left.prefetch_related("account")} == {None}
    user: Any = kim.account.user
    assert get_user_model()._default_manager.filter(pk=user.pk).exists()
    assert told(operator.signed("DELETE", f"/auth/users/{kim.account.pk}", {})) == NOT_FOUND


def test_the_deletion_signal_names_the_account(operator: SignedIn, django_capture_on_commit_callbacks: Any) -> None:
    heard: list[Any] = []

    def hear(*, account: Account, **_: object) -> None:
        heard.append((account.pk, account.username))

    kim = make_account(operator.person.account.organization, "kim@example.co")
    account_deleted.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            operator.signed("DELETE", f"/auth/users/{kim.pk}", {})
    finally:
        account_deleted.disconnect(hear)
    assert heard == [(kim.pk, "kim@example.co")]


def test_the_name_of_a_deleted_account_is_free(operator: SignedIn) -> None:
    kim = make_account(operator.person.account.organization, "kim@example.co")
    operator.signed("DELETE", f"/auth/users/{kim.pk}", {})
    again = operator.signed("POST", "/auth/users", {"email": "kim@example.co", "kind": "EndUser"}).json()
    assert again["userId"] != kim.pk
    assert not again["isRegistered"]


@pytest.mark.parametrize(("method", "more"), [("PUT", "/deactivate"), ("DELETE", "")])
def test_an_operator_can_deactivate_their_own_account(operator: SignedIn, method: str, more: str) -> None:
    """The request succeeds, and the token ends at once."""
    answer = operator.signed(method, f"/auth/users/{operator.person.account.pk}{more}", {})
    assert (answer.status_code, answer.json()["isActive"]) == (200, False)
    assert told(operator.call("GET", "/auth/users")) == NOT_AUTHORIZED
    assert told(operator.call("POST", "/auth/action/init", {})) == NOT_AUTHORIZED
