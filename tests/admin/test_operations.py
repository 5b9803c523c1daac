"""What an operator does, and what becomes of it (R-14, R-72)."""

from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.test import Client

from dfns_login.admin.operations import CHOSEN_AT_ONCE
from dfns_login.ceremonies.credential_changes import deactivate_credential
from dfns_login.ceremonies.operators import (
    Operator,
    deactivate_account,
    deactivate_organization,
    reactivate_account,
    reactivate_organization,
    revoke_code,
)
from dfns_login.ceremonies.sign_out import end_session
from dfns_login.models import Account, AccountState, AuditEvent, OneTimeCode, Session
from tests.support.admin_records import ADMIN, AdminRecords, act, make_code, make_session, operate, page_of
from tests.support.api_client import call, message, open_login, sign_in
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.factories import SOMEWHERE, issue, make_account, make_credential, make_organization, make_person
from tests.support.mail import deliver_at


def kinds_of(account: Account) -> list[str]:
    return [each.kind for each in account.events.order_by("pk")]


def test_deactivating_ends_sessions_and_voids_codes_at_once(operator: Client, client: Client) -> None:
    jane = make_person(None, "jane@example.co", SoftwareKey.make(kind=Kind.KEY))
    token = sign_in(client, jane)
    code = issue(jane.account.recipient)
    assert call(client, "GET", "/auth/credentials", bearer=token).status_code == 200
    operate(operator, "account", jane.account.pk, "deactivate")
    assert call(client, "GET", "/auth/credentials", bearer=token).status_code == 401
    assert open_login(client, jane.names, loginCode=code).status_code == 403
    assert OneTimeCode.objects.get().closed_as == "revoked"
    operate(operator, "account", jane.account.pk, "reactivate")
    assert call(client, "GET", "/auth/credentials", bearer=token).status_code == 401
    refused = open_login(client, jane.names, loginCode=code)
    assert (refused.status_code, message(refused)) == (403, "Invalid code")
    assert call(client, "GET", "/auth/credentials", bearer=sign_in(client, jane)).status_code == 200


def test_deactivating_is_recorded_with_who_did_it(operator: Client, scene: AdminRecords) -> None:
    operate(operator, "account", scene.account.pk, "deactivate")
    event = AuditEvent.objects.get(kind="account.deactivated")
    assert (event.account, event.address, event.agent) == (scene.account, "198.51.100.1", "operator's browser")
    assert event.detail["operator"] == operator.session["_auth_user_id"]
    assert LogEntry.objects.get().object_id == scene.account.pk


def test_it_is_done_once(operator: Client, scene: AdminRecords) -> None:
    for name in ("deactivate", "deactivate", "reactivate", "reactivate"):
        operate(operator, "account", scene.account.pk, name)
    assert kinds_of(scene.account).count("account.deactivated") == 1
    assert kinds_of(scene.account).count("account.reactivated") == 1


@pytest.mark.parametrize(
    ("state", "keys", "then"),
    [
        (AccountState.INVITED, 0, AccountState.INVITED),
        (AccountState.REGISTERED, 1, AccountState.REGISTERED),
        (AccountState.REGISTERED, 0, AccountState.INVITED),
    ],
)
def test_reactivating_restores_the_account(
    operator: Client, state: AccountState, keys: int, then: AccountState
) -> None:
    account = make_account(make_organization(), state=state)
    for _number in range(keys):
        make_credential(account, SoftwareKey.make(kind=Kind.KEY))
    operate(operator, "account", account.pk, "deactivate")
    operate(operator, "account", account.pk, "reactivate")
    assert Account.objects.get().state == then


def test_reactivating_ends_a_session_that_slipped_in_between(operator: Client, scene: AdminRecords) -> None:
    operate(operator, "account", scene.account.pk, "deactivate")
    late = make_session(scene.account, scene.credential, jti="slipped in")
    operate(operator, "account", scene.account.pk, "reactivate")
    assert Session.objects.get(pk=late.pk).revoked_at is not None


def test_many_accounts_are_deactivated_from_the_list(operator: Client, scene: AdminRecords) -> None:
    everybody = list(Account.objects.values_list("pk", flat=True))
    page = operator.post(
        f"{ADMIN}/account/", {"action": "deactivate", "_selected_action": everybody}, follow=True
    ).content.decode()
    assert set(Account.objects.values_list("state", flat=True)) == {"deactivated"}
    assert "2 accounts deactivated." in page
    assert "1 was skipped" in page


def test_a_code_is_revoked_once(operator: Client, scene: AdminRecords) -> None:
    operate(operator, "onetimecode", scene.code.pk, "revoke")
    code = OneTimeCode.objects.get(pk=scene.code.pk)
    assert (code.closed_as, code.salt) == ("revoked", None)
    operate(operator, "onetimecode", scene.code.pk, "revoke")
    act(operator, "onetimecode", "revoke", scene.code.pk)
    event = AuditEvent.objects.get(kind="code.revoked")
    assert (event.account, event.detail["code"]) == (scene.account, scene.code.pk)
    assert OneTimeCode.objects.get(pk=scene.code.pk).closed_at == code.closed_at


def test_a_revoked_code_opens_nothing(operator: Client, client: Client) -> None:
    jane = make_person()
    code = issue(jane.account.recipient)
    act(operator, "onetimecode", "revoke", OneTimeCode.objects.get().pk)
    assert open_login(client, jane.names, loginCode=code).status_code == 403
    deliver_at(datetime.now(UTC))
    assert [code in str(each.body) for each in mail.outbox] == [False]  # the notice about it


def test_the_event_finds_the_account_that_the_worker_did_not_get_to(operator: Client) -> None:
    jane = make_person()
    issue(jane.account.recipient)
    operate(operator, "onetimecode", OneTimeCode.objects.get().pk, "revoke")
    assert kinds_of(jane.account) == ["code.revoked"]


def test_a_strangers_code_is_revoked_without_an_event(operator: Client, scene: AdminRecords) -> None:
    noise = OneTimeCode.objects.get(organization="or-nowhere")
    operate(operator, "onetimecode", noise.pk, "revoke")
    assert OneTimeCode.objects.get(pk=noise.pk).closed_as == "revoked"
    assert not AuditEvent.objects.filter(kind="code.revoked").exists()


def test_no_more_is_done_at_once_than_a_request_can_take(operator: Client, db: None) -> None:
    """Also if the operator chooses everything that a list has, which may be millions of rows."""
    made = [make_code(f"{number}@b.co", "or-x") for number in range(CHOSEN_AT_ONCE + 1)]
    everything = {"action": "revoke", "_selected_action": [made[0].pk], "select_across": "1"}
    page = operator.post(f"{ADMIN}/onetimecode/", everything, follow=True).content.decode()
    assert f"Nothing was done: choose at most {CHOSEN_AT_ONCE} rows at once." in page
    assert not OneTimeCode.objects.filter(closed_as="revoked").exists()
    made[0].delete()
    operator.post(f"{ADMIN}/onetimecode/", {**everything, "_selected_action": [made[1].pk]})
    assert OneTimeCode.objects.filter(closed_as="revoked").count() == CHOSEN_AT_ONCE


def test_closed_codes_among_the_chosen_stay_as_they_are(operator: Client, scene: AdminRecords) -> None:
    closed = dict(OneTimeCode.objects.filter(closed_at__isnull=False).values_list("pk", "closed_as"))
    act(operator, "onetimecode", "revoke", *OneTimeCode.objects.values_list("pk", flat=True))
    assert dict(OneTimeCode.objects.filter(pk__in=closed).values_list("pk", "closed_as")) == closed
    assert [each.recipient for each in OneTimeCode.objects.open()] == ["late"]  # expired, and not swept yet


def test_a_session_is_ended(operator: Client, client: Client) -> None:
    jane = make_person(None, "jane@example.co", SoftwareKey.make(kind=Kind.KEY))
    token = sign_in(client, jane)
    operate(operator, "session", Session.objects.get().pk, "end")
    assert call(client, "GET", "/auth/credentials", bearer=token).status_code == 401
    operate(operator, "session", Session.objects.get().pk, "end")
    assert kinds_of(jane.account).count("session.closed") == 1
    assert jane.account.events.get(kind="session.closed").detail["operator"]


def test_deactivating_a_credential_ends_its_challenges_and_sessions(operator: Client, client: Client) -> None:
    jane = make_person(None, "jane@example.co", SoftwareKey.make(kind=Kind.KEY))
    token = sign_in(client, jane)
    code = issue(jane.account.recipient)
    operate(operator, "credential", jane.account.credentials.get().pk, "deactivate")
    assert call(client, "GET", "/auth/credentials", bearer=token).status_code == 401
    assert Session.objects.get().revoked_at is not None
    assert open_login(client, jane.names, loginCode=code).status_code == 403
    assert open_login(client, jane.names).json()["allowCredentials"]["key"] == []
    act(operator, "credential", "deactivate", jane.account.credentials.get().pk)
    assert kinds_of(jane.account).count("credential.deactivated") == 1


def test_a_deactivated_organization_refuses_sign_ins_and_restores_nothing(operator: Client, client: Client) -> None:
    jane = make_person(None, "jane@example.co", SoftwareKey.make(kind=Kind.KEY))
    other = make_person(None, "other@example.co", SoftwareKey.make(kind=Kind.KEY))
    token, others_token = sign_in(client, jane), sign_in(client, other)
    code = issue(jane.account.recipient)
    operate(operator, "organization", jane.account.organization_id, "deactivate")
    assert call(client, "GET", "/auth/credentials", bearer=token).status_code == 401
    assert call(client, "GET", "/auth/credentials", bearer=others_token).status_code == 200
    act(operator, "organization", "reactivate", jane.account.organization_id, other.account.organization_id)
    assert call(client, "GET", "/auth/credentials", bearer=token).status_code == 401
    assert open_login(client, jane.names, loginCode=code).status_code == 403
    assert sign_in(client, jane)


# inviting


def test_an_operation_done_meanwhile_is_not_repeated(scene: AdminRecords) -> None:
    """Each operation is decided by one UPDATE, whatever its caller has read before."""
    by = {"operator": Operator(requester=SOMEWHERE), "now": datetime.now(UTC)}
    organization = scene.account.organization
    done = [
        [revoke_code(scene.code, **by) for _again in range(2)],
        [end_session(scene.session, requester=SOMEWHERE, now=by["now"]) for _again in range(2)],
        [deactivate_credential(scene.credential, requester=SOMEWHERE, now=by["now"]) for _again in range(2)],
        [deactivate_account(scene.account, **by) for _again in range(2)],
        [reactivate_account(scene.account, **by) for _again in range(2)],
        [deactivate_organization(organization, **by) for _again in range(2)],
        [reactivate_organization(organization, **by) for _again in range(2)],
    ]
    assert done == [[True, False]] * 7
    assert "operator" not in AuditEvent.objects.get(kind="account.deactivated").detail


def test_a_button_is_shown_where_it_applies(operator: Client, scene: AdminRecords) -> None:
    invited = Account.objects.get(state=AccountState.INVITED)
    gone = Account.objects.get(state=AccountState.DEACTIVATED)
    shown = {
        page_of("account", invited.pk): {"invite_again", "deactivate"},
        page_of("account", scene.account.pk): {"deactivate"},
        page_of("account", gone.pk): {"reactivate"},
        page_of("onetimecode", scene.code.pk): {"revoke"},
        page_of("onetimecode", OneTimeCode.objects.filter(closed_as="consumed")[0].pk): set(),
        page_of("session", scene.session.pk): {"end"},
        **{page_of("session", Session.objects.get(jti=each).pk): set() for each in ("ended", "idle", "expired")},
    }
    for page, names in shown.items():
        body = operator.get(page).content.decode()
        assert {
            each
            for each in ("invite_again", "deactivate", "reactivate", "revoke", "end")
            if f"/operate/{each}/" in body
        } == names
