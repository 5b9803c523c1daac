"""The box that an account's page begins with: why this person can't sign in, and what to do next (R-208)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dfns_login.admin.rendering import Tone
from dfns_login.admin.verdict import Verdict, verdict
from dfns_login.audit import record_event
from dfns_login.models import (
    Account,
    AuditEvent,
    AuditKind,
    Credential,
    CredentialKind,
    OneTimeCode,
    Organization,
    RecoveryWait,
    Session,
)
from dfns_login.requester import Requester
from tests.support.admin_records import AdminRecords, make_code, page_of, staff_client

NOW = datetime.now(UTC)
HERE = Requester(address="192.0.2.7")


def found(account: Account, *, now: datetime = NOW, without: tuple[type, ...] = ()) -> Verdict:
    fresh = Account.objects.select_related("organization", "user").get(pk=account.pk)
    return verdict(fresh, may_view=lambda model: model not in without, now=now)


def change(account: Account, **fields: Any) -> None:
    Account.objects.filter(pk=account.pk).update(**fields)


def test_nothing_stops_a_registered_person(jane: Account) -> None:
    seen = found(jane)
    assert seen.tone == Tone.GOOD
    assert [str(each.text) for each in seen.reasons] == ["Active credentials: Password-protected key."]


def deactivate_organization(jane: Account) -> None:
    Organization.objects.filter(pk=jane.organization_id).update(active=False)


def deactivate_user(jane: Account) -> None:
    assert jane.user is not None
    type(jane.user)._default_manager.filter(pk=jane.user.pk).update(is_active=False)


def keep_kit_only(jane: Account) -> None:
    jane.credentials.update(kind=CredentialKind.RECOVERY_KEY)


def require_second(jane: Account) -> None:
    Organization.objects.filter(pk=jane.organization_id).update(second_factor="required")


def present(jane: Account, *, age: timedelta) -> None:
    record_event(AuditKind.CODE_PRESENTED, account=jane, requester=HERE, now=NOW - age, purpose="login")


def wait(jane: Account) -> None:
    keep_kit_only(jane)
    RecoveryWait.objects.create(
        credential=jane.credentials.get(),
        begun_at=NOW,
        ready_at=NOW + timedelta(hours=9),
        expires_at=NOW + timedelta(9),
    )


def lock(jane: Account) -> None:
    change(jane, locked_until=NOW + timedelta(hours=1))


def lock_with_passkey(jane: Account) -> None:
    lock(jane)
    jane.credentials.update(kind=CredentialKind.KEY, encrypted_key_at_rest=None)


STOPS = {
    "The owner locked the account until": lock,
    "The organization is deactivated.": deactivate_organization,
    "The account is deactivated.": lambda jane: change(jane, state="deactivated"),
    "They have not registered yet.": lambda jane: change(jane, state="invited"),
    "Their Django user is not active.": deactivate_user,
    "No password, passkey or key is active.": lambda jane: jane.credentials.update(active=False),
    "The organization requires a second factor": require_second,
}


@pytest.mark.parametrize("text", STOPS)
def test_what_stops_a_person_comes_first(jane: Account, text: str) -> None:
    STOPS[text](jane)
    seen = found(jane)
    assert seen.tone == Tone.BAD
    assert str(seen.reasons[0].text).startswith(text)
    assert seen.reasons[0].advice


def test_a_kit_alone_recovers(jane: Account) -> None:
    keep_kit_only(jane)
    assert "on the recovery page" in str(found(jane).reasons[0].advice)
    jane.credentials.update(active=False)
    assert "invite them again" in str(found(jane).reasons[0].advice)


def code(jane: Account, **fields: Any) -> OneTimeCode:
    return make_code(jane.username, jane.organization_id, now=NOW, account=jane, **fields)


HINDERS = {
    "The owner locked the account until": lock_with_passkey,
    "The mail server refused their address": lambda jane: change(jane, email_refused_at=NOW),
    "Queued": code,
    "Failed; will be retried": lambda jane: code(jane, delivery="failed", tries=1),
    "Refused by": lambda jane: code(jane, delivery="refused"),
    "Expired unsent": lambda jane: code(jane, closed_as="expired", delivery="expired unsent"),
    "no guesses left": lambda jane: code(jane, delivery="sent", guesses=10),
    "No recipient": lambda jane: code(jane, delivery="no recipient"),
    "Last sign-in": lambda jane: present(jane, age=timedelta(minutes=3)),
    "copied": lambda jane: record_event(AuditKind.CREDENTIAL_SUSPECTED, account=jane, requester=HERE, now=NOW),
}


@pytest.mark.parametrize("text", HINDERS)
def test_what_hinders_a_person_is_said(jane: Account, text: str) -> None:
    HINDERS[text](jane)
    seen = found(jane)
    assert seen.tone == Tone.WAITING
    assert text in str(seen.reasons[0].text)
    assert seen.reasons[0].advice


INFORMS = {
    "Consumed": lambda jane: code(jane, closed_as="consumed", delivery="sent", guesses=1),
    "Expired": lambda jane: code(jane, closed_as="expired", delivery="sent"),
    "Open": lambda jane: code(jane, delivery="sent"),
    "Queued": lambda jane: code(jane, age=timedelta(seconds=20)),
    "last signed in": lambda jane: record_event(AuditKind.SIGNED_IN, account=jane, requester=HERE, now=NOW),
}


@pytest.mark.parametrize("text", INFORMS)
def test_the_rest_is_no_reason_to_worry(jane: Account, text: str) -> None:
    INFORMS[text](jane)
    seen = found(jane)
    assert seen.tone == Tone.GOOD
    assert text in str(seen.reasons[1].text)


def test_a_sign_in_under_way_or_done_is_no_failed_one(jane: Account) -> None:
    present(jane, age=timedelta(minutes=1))
    assert found(jane).tone == Tone.GOOD
    assert found(jane, now=NOW + timedelta(minutes=2)).tone == Tone.WAITING
    record_event(AuditKind.SIGNED_IN, account=jane, requester=HERE, now=NOW + timedelta(seconds=1))
    assert found(jane, now=NOW + timedelta(minutes=2)).tone == Tone.GOOD


def test_a_waiting_recovery_is_said(jane: Account, settings) -> None:
    settings.DFNS_LOGIN = settings.DFNS_LOGIN | {"RECOVERY_WAIT": timedelta(hours=9)}
    wait(jane)
    assert str(found(jane).reasons[-1].text).startswith("A recovery waits until")
    assert str(found(jane, now=NOW + timedelta(hours=10)).reasons[-1].text).startswith("A recovery has waited")


def test_only_what_may_be_viewed_is_said(jane: Account) -> None:
    jane.credentials.update(active=False)
    code(jane)
    present(jane, age=timedelta(minutes=9))
    for each, texts in ((Credential, 2), (OneTimeCode, 2)):
        assert len(found(jane, without=(each,)).reasons) == texts
    assert found(jane, without=(Credential, OneTimeCode, Session)).tone == Tone.WAITING


@pytest.mark.parametrize("hidden", [Credential, OneTimeCode, AuditEvent])
def test_who_may_not_view_everything_is_not_told_that_nothing_stops_a_person(jane: Account, hidden: type) -> None:
    assert str(found(jane, without=(Session,)).text) == "Nothing stops this person from signing in"
    assert str(found(jane, without=(hidden,)).text) == "Nothing that you may view stops this person from signing in"


def test_four_statements_answer_at_most(jane: Account, settings) -> None:
    settings.DFNS_LOGIN = settings.DFNS_LOGIN | {"RECOVERY_WAIT": timedelta(hours=9)}
    code(jane)
    present(jane, age=timedelta(minutes=9))
    wait(jane)
    read = Account.objects.select_related("organization", "user").get(pk=jane.pk)
    with CaptureQueriesContext(connection) as statements:
        verdict(read, may_view=lambda _: True, now=NOW)
    assert len(statements) == 4


def test_the_page_begins_with_the_verdict(operator: Client, scene: AdminRecords) -> None:
    page = operator.get(page_of("account", scene.account.pk)).content.decode()
    assert page.index("dfns-verdict-title") < page.index("dfns-operations") < page.index("dfns-related")
    assert "<script>alert" not in page
    change(scene.account, locked_until=NOW + timedelta(hours=1))
    assert ">Locked<" in operator.get(page_of("account", scene.account.pk)).content.decode()
    limited = staff_client("view_account").get(page_of("account", scene.account.pk)).content.decode()
    assert "Last code" not in limited
    assert "last signed in" not in limited
