"""Recoveries that wait, so that the account's owner can stop them, over HTTP (R-145)."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from dfns_login.ceremonies.credential_changes import deactivate_credential
from dfns_login.ceremonies.operators import (
    Operator,
    deactivate_account,
    deactivate_organization,
    reactivate_account,
    void_organization,
)
from dfns_login.ceremonies.recovery import RecoveryRequest, open_recovery
from dfns_login.ceremonies.recovery_waits import cancel_recovery, waiting_until
from dfns_login.delivery.notice_texts import shown_time
from dfns_login.errors import RecoveryWaits
from dfns_login.models import AuditEvent, AuditKind, CodePurpose, Credential, Notice, RecoveryWait, Session
from dfns_login.proofs import lock_token
from dfns_login.settings.loading import SettingsRefused, login_settings
from tests.support.api_client import call, complete_login, open_login, post, sign_in
from tests.support.authenticators import Kind, Members, SoftwareKey, base64url, compact_json
from tests.support.clock import DAY, HOUR, MINUTE, SECOND
from tests.support.factories import SOMEWHERE, Person, issue, make_credential, make_person
from tests.support.mail import deliver_at

pytestmark = pytest.mark.django_db

OPERATOR = Operator(requester=SOMEWHERE, name="olga")


@pytest.fixture(autouse=True)
def _waiting(settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "RECOVERY_WAIT": DAY}


@pytest.fixture
def jane() -> Person:
    kinds = (Kind.KEY, Kind.PASSWORD_PROTECTED_KEY, Kind.RECOVERY_KEY)
    return make_person(None, "jane@example.co", *(SoftwareKey.make(kind=kind) for kind in kinds))


def begin(client: Client, person: Person, kit: SoftwareKey | None = None) -> HttpResponse:
    code = issue(person.account.recipient, purpose=CodePurpose.RECOVERY)
    kit = kit or person.keys[2]
    return post(
        client,
        "/auth/recover/user/init",
        {**person.names, "verificationCode": code, "credentialId": kit.credential_id},
    )


def finish(client: Client, opened: Members, kit: SoftwareKey) -> HttpResponse:
    new = {"firstFactorCredential": SoftwareKey.make().credential(opened["challenge"])}
    recovery = {"kind": "RecoveryKey", "credentialAssertion": kit.answer(base64url(compact_json(new).encode()))}
    body = {"recovery": recovery, "newCredentials": new}
    return post(client, "/auth/recover/user", body, bearer=opened["temporaryAuthenticationToken"])


def refused_with(response: HttpResponse) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


WAITING = (400, "recovery_waiting")


def pass_time(by: timedelta) -> None:
    """Have the waits begun earlier by this much."""
    for wait in RecoveryWait.objects.all():
        wait.ready_at, wait.expires_at = wait.ready_at - by, wait.expires_at - by
        wait.save()


def test_a_recovery_waits_and_is_then_completed(client: Client, jane: Person) -> None:
    refused = begin(client, jane)
    assert refused_with(refused) == WAITING
    ready_at = RecoveryWait.objects.get().ready_at
    assert f"{ready_at:%Y-%m-%dT%H:%M:%S}Z" in refused.json()["error"]["message"]
    assert abs(int(refused.headers["Retry-After"]) - DAY.total_seconds()) <= 1
    pass_time(DAY - MINUTE)
    assert refused_with(begin(client, jane)) == WAITING
    pass_time(MINUTE)
    opened = begin(client, jane)
    assert opened.status_code == 200
    assert finish(client, opened.json(), jane.keys[2]).status_code == 200
    assert waiting_until(jane.account, now=timezone.now()) is None


def test_nothing_is_released_meanwhile(client: Client, jane: Person) -> None:
    assert list(begin(client, jane).json()) == ["error"]
    assert not AuditEvent.objects.filter(kind=AuditKind.KEY_RELEASED).exists()


def test_without_the_setting_nobody_waits(client: Client, jane: Person, settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "RECOVERY_WAIT": timedelta(0)}
    assert begin(client, jane).status_code == 200
    assert not RecoveryWait.objects.exists()


def test_the_owner_is_told_from_when_on_and_can_lock(
    client: Client, jane: Person, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    begin(client, jane)
    deliver_at(timezone.now())
    text = str(mailoutbox[0].body)
    assert f"from this time on: {shown_time(RecoveryWait.objects.get().ready_at)}" in text
    assert "/lock/?token=" in text


def test_the_link_stops_the_recovery(client: Client, jane: Person) -> None:
    begin(client, jane)
    pass_time(DAY)
    opened = begin(client, jane).json()
    event = AuditEvent.objects.filter(kind=AuditKind.CODE_PRESENTED).order_by("pk").first()
    assert event is not None
    assert client.post("/lock/", {"token": lock_token(event)}).status_code == 200
    assert finish(client, opened, jane.keys[2]).status_code == 401
    assert refused_with(begin(client, jane)) == WAITING


def test_the_link_works_as_long_as_the_recovery_can_be_completed(client: Client, jane: Person) -> None:
    begin(client, jane)
    wait = RecoveryWait.objects.get()
    assert wait.expires_at - wait.begun_at == login_settings().lock_link_lifetime
    pass_time(login_settings().lock_link_lifetime + SECOND)
    assert refused_with(begin(client, jane)) == WAITING
    assert RecoveryWait.objects.get().ready_at > timezone.now() + DAY - MINUTE


@pytest.mark.parametrize("wait", [7 * DAY, -SECOND])
def test_a_wait_that_outlasts_the_link_is_no_setting(settings: Any, wait: timedelta) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "RECOVERY_WAIT": wait}
    with pytest.raises(SettingsRefused, match="RECOVERY_WAIT"):
        login_settings()


def test_beginning_again_does_not_postpone(client: Client, jane: Person) -> None:
    begin(client, jane)
    pass_time(HOUR)
    ready_at = RecoveryWait.objects.get().ready_at
    begin(client, jane)
    assert RecoveryWait.objects.get().ready_at == ready_at


def test_each_recovery_kit_waits_for_itself(client: Client, jane: Person) -> None:
    stolen = SoftwareKey.make(kind=Kind.RECOVERY_KEY)
    make_credential(jane.account, stolen)
    begin(client, jane)
    pass_time(DAY)
    assert refused_with(begin(client, jane, stolen)) == WAITING
    opened = begin(client, jane).json()  # by naming the kit that has waited
    assert refused_with(finish(client, opened, stolen)) == WAITING
    assert finish(client, opened, jane.keys[2]).status_code == 200


def test_a_key_that_does_not_wait_completes_nothing(client: Client, jane: Person) -> None:
    """As if only the recovery of another kit had been begun."""
    begin(client, jane)
    pass_time(DAY)
    opened = begin(client, jane).json()
    unseen = SoftwareKey.make(kind=Kind.RECOVERY_KEY)
    make_credential(jane.account, unseen)
    assert finish(client, opened, unseen).status_code == 401


def test_deactivation_ends_the_wait(client: Client, jane: Person) -> None:
    begin(client, jane)
    pass_time(DAY)
    deactivate_account(jane.account, operator=OPERATOR, now=timezone.now())
    reactivate_account(jane.account, operator=OPERATOR, now=timezone.now())
    assert refused_with(begin(client, jane)) == WAITING


@pytest.mark.parametrize("change", [deactivate_organization, void_organization])
def test_so_does_what_voids_the_organization(client: Client, jane: Person, change: Any) -> None:
    begin(client, jane)
    change(jane.account.organization, operator=OPERATOR, now=timezone.now())
    assert not RecoveryWait.objects.exists()


def test_a_thief_with_a_session_cannot_start_it_anew(client: Client, jane: Person) -> None:
    """Signing out everywhere voids what is under way, but the owner need not wait again."""
    token = sign_in(client, jane)
    begin(client, jane)
    pass_time(DAY)
    opened = begin(client, jane).json()
    ended = call(client, "PUT", "/auth/logout", {"allSessions": True}, bearer=token)
    assert ended.status_code == 200
    assert finish(client, opened, jane.keys[2]).status_code == 401
    opened = begin(client, jane).json()
    assert finish(client, opened, jane.keys[2]).status_code == 200


def test_an_operator_cancels_it(client: Client, jane: Person) -> None:
    begin(client, jane)
    pass_time(DAY)
    opened = begin(client, jane).json()
    now = timezone.now()
    assert waiting_until(jane.account, now=now) is not None
    assert cancel_recovery(jane.account, operator=OPERATOR, now=now)
    assert not cancel_recovery(jane.account, operator=OPERATOR, now=now)
    event = AuditEvent.objects.get(kind=AuditKind.RECOVERY_CANCELLED)
    assert (event.detail, Notice.objects.filter(event=event).count()) == ({"operator": "olga"}, 1)
    assert finish(client, opened, jane.keys[2]).status_code == 401
    assert refused_with(begin(client, jane)) == WAITING


def sign_in_browser(client: Client, person: Person) -> None:
    challenge = open_login(client, person.names).json()
    factor = person.keys[0].factor(challenge["challenge"])
    body = {"challengeIdentifier": challenge["challengeIdentifier"], "firstFactor": factor}
    assert post(client, "/login/complete", body).status_code == 200


def test_a_browser_that_is_signed_in_to_the_account_does_not_wait(client: Client, jane: Person) -> None:
    sign_in_browser(client, jane)
    opened = begin(client, jane)
    assert opened.status_code == 200
    assert refused_with(begin(Client(), jane)) == WAITING
    assert finish(client, opened.json(), jane.keys[2]).status_code == 200


def test_a_browser_that_signed_in_before_waits(client: Client, jane: Person) -> None:
    """A device mark grants nothing."""
    sign_in_browser(client, jane)
    Session.objects.all().revoke(now=timezone.now())
    assert refused_with(begin(client, jane)) == WAITING


def test_a_browser_that_is_signed_out_meanwhile_waits(client: Client, jane: Person) -> None:
    sign_in_browser(client, jane)
    opened = begin(client, jane).json()
    Session.objects.all().revoke(now=timezone.now())
    assert finish(client, opened, jane.keys[2]).status_code == 401


def test_a_session_that_ends_while_the_code_is_presented_does_not_spare_the_wait(client: Client, jane: Person) -> None:
    """R-122: what authorizes is read again in the transaction that releases the key."""
    sign_in_browser(client, jane)
    read_before = Session.objects.select_related("account").get()
    Session.objects.all().revoke(now=timezone.now())
    code = issue(jane.account.recipient, purpose=CodePurpose.RECOVERY)
    asked = RecoveryRequest(
        recipient=jane.account.recipient, credential_id=jane.keys[2].credential_id, verification_code=code
    )
    with pytest.raises(RecoveryWaits):
        open_recovery(asked, requester=SOMEWHERE, now=timezone.now(), signed_in=read_before)


def test_a_recovery_key_that_was_deactivated_waits_again(client: Client, jane: Person) -> None:
    begin(client, jane)
    key = Credential.objects.get(credential_id=jane.keys[2].credential_id)
    assert deactivate_credential(key, requester=SOMEWHERE, now=timezone.now())
    pass_time(by=DAY)
    assert Credential.objects.activate(credential=key, unlocks_from=timezone.now())
    assert refused_with(begin(client, jane)) == WAITING


def test_a_browser_that_is_signed_in_to_another_account_waits(client: Client, jane: Person) -> None:
    kim = make_person(jane.account.organization, "kim@example.co", SoftwareKey.make())
    sign_in_browser(client, kim)
    assert refused_with(begin(client, jane)) == WAITING


def test_a_key_that_is_no_kit_begins_nothing(client: Client, jane: Person) -> None:
    assert begin(client, jane, jane.keys[0]).status_code == 401
    assert not RecoveryWait.objects.exists()


def test_signing_in_goes_on_meanwhile(client: Client, jane: Person) -> None:
    begin(client, jane)
    assert sign_in(client, jane)
    challenge = open_login(client, jane.names).json()
    assert complete_login(client, challenge, jane.keys[0]).status_code == 200
    assert Credential.objects.filter(account=jane.account, active=True).count() == 3
