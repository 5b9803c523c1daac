"""Locking an account by the link in a notice, and unlocking it, over HTTP (R-130)."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from dfns_login.audit import record_event
from dfns_login.ceremonies import lockdown
from dfns_login.ceremonies.lockdown import check_unlocks, link_ends, unlock_account
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.operators import Operator, delete_account
from dfns_login.errors import AccountLocked
from dfns_login.models import Account, AuditEvent, AuditKind, CodePurpose, Credential, Notice, Session
from dfns_login.proofs import find_lock_link, lock_token
from dfns_login.proofs.lock_links import LockLink
from tests.support.api_client import complete_login, open_login, post, sign_in
from tests.support.authenticators import Kind, SoftwareKey, base64url, compact_json
from tests.support.clock import DAY, HOUR, SECOND
from tests.support.factories import SOMEWHERE, Person, issue, make_person
from tests.support.mail import deliver_at

pytestmark = pytest.mark.django_db

Outbox = list[EmailMultiAlternatives]
KEY, PROTECTED, RECOVERY = range(3)


@pytest.fixture
def jane() -> Person:
    """Somebody with a key, a password-protected key and a recovery key."""
    kinds = (Kind.KEY, Kind.PASSWORD_PROTECTED_KEY, Kind.RECOVERY_KEY)
    return make_person(None, "jane@example.co", *(SoftwareKey.make(kind=kind) for kind in kinds))


def notice_of(person: Person, kind: AuditKind = AuditKind.CREDENTIAL_CREATED, *, age: timedelta = DAY) -> AuditEvent:
    told = record_event(kind, account=person.account, requester=SOMEWHERE, now=timezone.now() - age)
    notify_owner(told)
    return told


def lock(person: Person, client: Client) -> None:
    assert post_token(client, lock_token(notice_of(person))).status_code == 200


def post_token(client: Client, token: str) -> HttpResponse:
    response: HttpResponse = client.post("/lock/", {"token": token})
    return response


def stored(person: Person) -> Account:
    return Account.objects.get(pk=person.account.pk)


def is_locked(person: Person) -> bool:
    return stored(person).is_locked(now=timezone.now())


def sign_in_by(client: Client, person: Person, number: int) -> HttpResponse:
    """Sign in by one of the person's keys, with a code."""
    challenge = open_login(client, person.names, loginCode=issue(person.account.recipient)).json()
    return complete_login(client, challenge, person.keys[number])


def recover(client: Client, person: Person, kit: SoftwareKey) -> HttpResponse:
    code = issue(person.account.recipient, purpose=CodePurpose.RECOVERY)
    asked = {**person.names, "verificationCode": code, "credentialId": kit.credential_id}
    opened = post(client, "/auth/recover/user/init", asked).json()
    new = {"firstFactorCredential": SoftwareKey.make().credential(opened["challenge"])}
    recovery = {"kind": "RecoveryKey", "credentialAssertion": kit.answer(base64url(compact_json(new).encode()))}
    body = {"recovery": recovery, "newCredentials": new}
    return post(client, "/auth/recover/user", body, bearer=opened["temporaryAuthenticationToken"])


# The link


def test_the_link_in_the_email_locks_the_account_and_ends_every_session(
    client: Client, jane: Person, mailoutbox: Outbox
) -> None:
    token = sign_in(client, jane)
    notice_of(jane, age=SECOND)
    deliver_at(timezone.now())
    found = re.search(r"http://localhost:8000(/lock/\?token=\S+)", str(mailoutbox[0].body))
    assert found is not None
    page = client.get(found[1])
    assert page.status_code == 200
    hidden = re.search(r'name="token" value="([^"]+)"', page.content.decode())
    assert hidden is not None
    done = post_token(client, hidden[1])
    assert (done.status_code, "Your account is locked" in done.content.decode()) == (200, True)
    assert is_locked(jane)
    refused = client.get("/auth/credentials", headers={"authorization": f"Bearer {token}"})
    assert refused.status_code == 401
    event = AuditEvent.objects.get(kind=AuditKind.LOCKED)
    assert event.detail["sessions"] == 1
    deliver_at(timezone.now())
    assert "It was locked with a link that we emailed you" in str(mailoutbox[1].body)
    assert "/lock/" not in str(mailoutbox[1].body)


@pytest.mark.parametrize("method", ["get", "head"])
def test_following_the_link_changes_nothing_however_often(client: Client, jane: Person, method: str) -> None:
    """Link scanners follow links, also several times."""
    session, token = sign_in(client, jane), lock_token(notice_of(jane))
    before = AuditEvent.objects.count()
    for _ in range(3):
        assert getattr(client, method)("/lock/", {"token": token}).status_code == 200
    assert (AuditEvent.objects.count(), Notice.objects.get().link_spent_at) == (before, None)
    assert not is_locked(jane)
    assert client.get("/auth/credentials", headers={"authorization": f"Bearer {session}"}).status_code == 200


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_no_other_method_locks(client: Client, jane: Person, method: str) -> None:
    token = lock_token(notice_of(jane))
    assert getattr(client, method)(f"/lock/?token={token}").status_code == 405
    assert not is_locked(jane)


def test_a_token_in_the_query_of_a_post_does_not_lock(client: Client, jane: Person) -> None:
    assert client.post(f"/lock/?token={lock_token(notice_of(jane))}").status_code == 404
    assert not is_locked(jane)


def test_the_form_needs_the_token_and_no_cookie(jane: Person) -> None:
    """Another site does not know the token. Browsers send `Origin: null`, because the page sends no referrer."""
    strict = Client(enforce_csrf_checks=True)
    assert post_token(strict, "").status_code == 404
    assert not is_locked(jane)
    assert strict.post("/lock/", {"token": lock_token(notice_of(jane))}, headers={"origin": "null"}).status_code == 200
    assert is_locked(jane)


def test_a_link_works_once(client: Client, jane: Person) -> None:
    token = lock_token(notice_of(jane))
    assert [post_token(client, token).status_code for _ in range(2)] == [200, 404]
    assert client.get("/lock/", {"token": token}).status_code == 404
    assert AuditEvent.objects.filter(kind=AuditKind.LOCKED).count() == 1


def test_a_lock_voids_the_links_of_older_emails(client: Client, jane: Person) -> None:
    """Otherwise each old email could lock the account again."""
    old, new = (lock_token(notice_of(jane)) for _ in range(2))
    assert [post_token(client, each).status_code for each in (new, old)] == [200, 404]


def test_a_link_expires(jane: Person, settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "LOCK_LINK_LIFETIME": DAY}
    told = notice_of(jane, age=timedelta(0))
    assert find_lock_link(lock_token(told), now=told.at + DAY - 2 * SECOND) is not None
    assert find_lock_link(lock_token(told), now=told.at + DAY) is None


def test_a_changed_token_does_not_work_and_costs_no_statement(
    client: Client, jane: Person, django_assert_num_queries: Any
) -> None:
    event, second, mac = lock_token(notice_of(jane)).split(".")
    other = notice_of(jane)
    changed = (
        f"{other.pk}.{second}.{mac}",
        f"{event}.{int(second) + 1}.{mac}",
        f"{event}.{second}.{mac[:-2]}AA",
        f"{event}.{second}.",
        f"{'٣'}.{second}.{mac}",
        "",
        "x" * 200,
    )
    with django_assert_num_queries(0):
        assert [find_lock_link(each, now=timezone.now()) for each in changed] == [None] * len(changed)
    assert {post_token(client, each).status_code for each in changed} == {404}
    assert not is_locked(jane)


def test_a_token_does_not_lock_the_account_of_an_event_that_reuses_the_id(jane: Person) -> None:
    """As after restoring an older database."""
    told = notice_of(jane)
    older = AuditEvent(pk=told.pk, kind=told.kind, at=told.at - HOUR)
    assert find_lock_link(lock_token(told), now=timezone.now()) is not None
    assert find_lock_link(lock_token(older), now=timezone.now()) is None


# A locked account


def test_a_locked_account_releases_no_key_and_takes_no_password(client: Client, jane: Person) -> None:
    """R-20: not even the decrypted key signs in."""
    assert sign_in_by(client, jane, PROTECTED).status_code == 200
    lock(jane, client)
    challenge = open_login(client, jane.names, loginCode=issue(jane.account.recipient)).json()
    assert challenge["allowCredentials"]["passwordProtectedKey"] == []
    refused = complete_login(client, challenge, jane.keys[PROTECTED])
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "account_locked")
    assert is_locked(jane)
    assert not Session.objects.filter(revoked_at=None).exists()


def test_everything_opened_before_is_refused(client: Client, jane: Person) -> None:
    login = open_login(client, jane.names).json()
    code = issue(jane.account.recipient)
    lock(jane, client)
    assert complete_login(client, login, jane.key).status_code == 401
    assert open_login(client, jane.names, loginCode=code).status_code == 403
    assert is_locked(jane)


def test_before_a_signature_no_notice_is_sent(client: Client, jane: Person) -> None:
    """The answers to a stranger are those from before."""

    def answers() -> list[Any]:
        opened = open_login(client, jane.names)
        wrong = open_login(client, jane.names, loginCode="0000-0000-0000-0000")
        code = post(client, "/auth/login/code", jane.names)
        recovery = post(client, "/auth/recover/user/code", jane.names)
        stranger = complete_login(client, opened.json(), SoftwareKey.make())
        listed = opened.json()["allowCredentials"]
        return [listed, *((each.status_code, each.json()) for each in (wrong, code, recovery, stranger))]

    before = answers()
    lock(jane, client)
    assert answers() == before


def test_a_second_lock_does_not_extend_the_first(client: Client, jane: Person) -> None:
    """So that somebody who reads the mailbox cannot keep the owner out."""
    lock(jane, client)
    until = stored(jane).locked_until
    lock(jane, client)
    assert stored(jane).locked_until == until
    assert AuditEvent.objects.filter(kind=AuditKind.LOCKED).count() == 2


# Unlocking


def test_a_key_unlocks_by_signing_in(client: Client, jane: Person, mailoutbox: Outbox) -> None:
    lock(jane, client)
    assert sign_in_by(client, jane, KEY).status_code == 200
    assert not is_locked(jane)
    event = AuditEvent.objects.get(kind=AuditKind.UNLOCKED)
    assert event.detail["kind"] == "Key"
    deliver_at(timezone.now())
    told = [str(each.body) for each in mailoutbox if "was unlocked" in str(each.body)]
    assert len(told) == 1
    assert "/lock/?token=" in told[0]
    assert sign_in_by(client, jane, PROTECTED).status_code == 200


def test_a_second_factor_unlocks_too(client: Client, jane: Person) -> None:
    lock(jane, client)
    challenge = open_login(client, jane.names, loginCode=issue(jane.account.recipient)).json()
    first, second = (jane.keys[number].factor(challenge["challenge"]) for number in (PROTECTED, KEY))
    body = {"challengeIdentifier": challenge["challengeIdentifier"], "firstFactor": first, "secondFactor": second}
    assert post(client, "/auth/login", body).status_code == 200
    assert not is_locked(jane)
    assert AuditEvent.objects.get(kind=AuditKind.UNLOCKED).detail["kind"] == "Key"


def test_the_recovery_kit_unlocks_by_recovering(client: Client, jane: Person) -> None:
    lock(jane, client)
    assert recover(client, jane, jane.keys[RECOVERY]).status_code == 200
    assert not is_locked(jane)
    assert AuditEvent.objects.get(kind=AuditKind.UNLOCKED).detail["kind"] == "RecoveryKey"


@pytest.mark.parametrize("number", [KEY, RECOVERY])
def test_a_credential_added_just_before_does_not_unlock(client: Client, jane: Person, number: int) -> None:
    added = jane.account.credentials.filter(credential_id=jane.keys[number].credential_id)
    added.update(unlocks_from=link_ends(now=timezone.now()))
    lock(jane, client)
    kit = jane.keys[RECOVERY]
    refused = sign_in_by(client, jane, KEY) if number == KEY else recover(client, jane, kit)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "account_locked")
    assert is_locked(jane)
    added.update(unlocks_from=timezone.now())
    accepted = sign_in_by(client, jane, KEY) if number == KEY else recover(client, jane, kit)
    assert accepted.status_code == 200


def test_a_credential_that_was_too_new_at_the_lock_never_unlocks_it(client: Client, jane: Person) -> None:
    """R-130. Otherwise a stranger who added it a week ago waits for an hour and not for a day."""
    now = timezone.now()
    old, added = (
        jane.account.credentials.filter(credential_id=jane.keys[each].credential_id) for each in (RECOVERY, KEY)
    )
    added.update(unlocks_from=now + HOUR)
    lock(jane, client)
    account, later = stored(jane), now + 2 * HOUR
    assert account.is_locked(now=later)
    check_unlocks(account, old, now=later)
    with pytest.raises(AccountLocked):
        check_unlocks(account, added, now=later)
    assert old.get().unlocks_from is None
    assert added.get().unlocks_from == account.locked_until


def test_credentials_unlock_at_once_if_registered_and_later_if_they_came_by_a_recovery(
    client: Client, jane: Person
) -> None:
    assert recover(client, jane, jane.keys[RECOVERY]).status_code == 200
    (new,) = Credential.objects.filter(active=True)
    assert new.unlocks_from is not None
    assert new.unlocks_from - new.created_at == timedelta(days=7)


def test_an_operator_unlocks(client: Client, jane: Person) -> None:
    lock(jane, client)
    operator = Operator(requester=SOMEWHERE, name="olga")
    done = [unlock_account(jane.account, operator=operator, now=timezone.now()) for _ in range(2)]
    assert done == [True, False]
    assert AuditEvent.objects.get(kind=AuditKind.UNLOCKED).detail == {"operator": "olga"}
    assert sign_in_by(client, jane, PROTECTED).status_code == 200


def test_it_unlocks_by_itself(client: Client, jane: Person) -> None:
    """Somebody with nothing but a password is not kept out."""
    lock(jane, client)
    until = stored(jane).locked_until
    assert until is not None
    assert timedelta(0) <= timezone.now() + 24 * HOUR - until < timedelta(minutes=1)
    Account.objects.update(locked_until=timezone.now())
    assert sign_in_by(client, jane, PROTECTED).status_code == 200
    assert not AuditEvent.objects.filter(kind=AuditKind.UNLOCKED).exists()


def test_an_account_that_is_deleted_meanwhile_is_not_locked(
    jane: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_and_delete(token: str, *, now: datetime) -> LockLink | None:
        found = find_lock_link(token, now=now)
        delete_account(jane.account, operator=Operator(requester=SOMEWHERE), now=now)
        return found

    token = lock_token(notice_of(jane))
    monkeypatch.setattr(lockdown, "find_lock_link", find_and_delete)
    assert post_token(client, token).status_code == 404
