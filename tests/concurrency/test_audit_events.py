"""An event and the change that it tells of are stored together or not at all (R-128)."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any, Final

import pytest
from django.core.mail.backends.locmem import EmailBackend
from django.db import InterfaceError, OperationalError, connection, connections, transaction

from dfns_login.audit import record_event
from dfns_login.audit_chain import chain_events, lock_checkpoint
from dfns_login.audit_verification import verify_trail
from dfns_login.ceremonies.invitation import Invitation, create_organization, invite
from dfns_login.ceremonies.login import LoginRequest, open_login
from dfns_login.ceremonies.operators import delete_account, revoke_code, void_organization
from dfns_login.ceremonies.recovery import RecoveryRequest, open_recovery
from dfns_login.ceremonies.registration import open_registration
from dfns_login.ceremonies.sign_out import end_session
from dfns_login.models import Account, AccountState, AuditEvent, AuditKind, AuditLink, CodePurpose, OneTimeCode
from tests.concurrency import test_voiding as acts
from tests.concurrency.test_voiding import NOW, OPERATOR, Scene, Use
from tests.support.factories import SOMEWHERE, issue, make_account
from tests.support.mail import deliver_at, send_through

TABLES: Final = (
    *("account", "auditcheckpoint", "auditevent", "auditlink", "credential", "notice"),
    *("onetimecode", "organization", "session", "spenttoken"),
)
BREAK: Final = """
CREATE FUNCTION end_connection() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); RETURN NEW; END $$;
CREATE TRIGGER end_connection BEFORE INSERT ON dfns_login_auditevent FOR EACH ROW EXECUTE FUNCTION end_connection()
"""

_postgres = acts._postgres  # noqa: SLF001  the fixtures of the other module
scene = acts.scene


def in_transaction(make: Callable[[Scene], Use]) -> Callable[[Scene], Use]:
    """For acts that require their caller's transaction."""

    def made(scene: Scene) -> Use:
        use = make(scene)

        def act() -> None:
            with transaction.atomic():
                use()

        return act

    made.__name__ = make.__name__
    return made


def presenting_a_login_code(scene: Scene) -> Use:
    recipient = scene.account.recipient
    code = issue(recipient, now=NOW)
    asked = LoginRequest(organization=recipient.organization, recipient=recipient, login_code=code)
    return lambda: open_login(asked, requester=SOMEWHERE, now=NOW)


def presenting_a_registration_code(scene: Scene) -> Use:
    lee = make_account(scene.account.organization, "lee@example.co", state=AccountState.INVITED)
    code = issue(lee.recipient, purpose=CodePurpose.REGISTRATION, now=NOW)
    return lambda: open_registration(lee.recipient, code, requester=SOMEWHERE, now=NOW)


def presenting_a_recovery_code(scene: Scene) -> Use:
    recipient, key = scene.account.recipient, scene.person.keys[2]
    code = issue(recipient, purpose=CodePurpose.RECOVERY, now=NOW)
    asked = RecoveryRequest(recipient=recipient, credential_id=key.credential_id, verification_code=code)
    return lambda: open_recovery(asked, requester=SOMEWHERE, now=NOW)


def releasing_a_key_for_an_action(scene: Scene) -> Use:
    session = scene.read(scene.session)
    return lambda: acts.open_action(session, acts.REQUEST, requester=SOMEWHERE, now=NOW)


def showing_a_code(scene: Scene) -> Use:
    expires_at = NOW + timedelta(seconds=50)
    return lambda: acts.show_code(scene.account, expires_at=expires_at, requester=SOMEWHERE, now=NOW)


def signing_out(scene: Scene) -> Use:
    return lambda: end_session(scene.read(scene.session), requester=SOMEWHERE, now=NOW)


def deleting(scene: Scene) -> Use:
    return lambda: delete_account(scene.account, operator=OPERATOR, now=NOW)


def revoking_a_code(scene: Scene) -> Use:
    issue(scene.account.recipient, now=NOW)
    return lambda: revoke_code(OneTimeCode.objects.open().get(), operator=OPERATOR, now=NOW)


def inviting(scene: Scene) -> Use:
    invitation = Invitation(organization=scene.account.organization, email="kim@example.co")
    return lambda: invite(invitation, requester=SOMEWHERE, now=NOW)


def creating_an_organization(_scene: Scene) -> Use:
    return lambda: create_organization("New", requester=SOMEWHERE, now=NOW)


def voiding_an_organization(scene: Scene) -> Use:
    return lambda: void_organization(scene.account.organization, operator=OPERATOR, now=NOW)


EVERY: Final = (
    acts.recovering,
    acts.deactivating,
    acts.deactivating_the_organization,
    acts.removing_a_credential,
    in_transaction(acts.changing_the_password),
    acts.signing_out_everywhere,
    acts.login_challenge,
    acts.login_challenge_without_a_username,
    acts.action_challenge,
    acts.user_action,
    in_transaction(acts.credential_challenge),
    acts.credential_code,
    acts.credential_challenge_by_code,
    presenting_a_login_code,
    presenting_a_registration_code,
    presenting_a_recovery_code,
    releasing_a_key_for_an_action,
    in_transaction(showing_a_code),
    signing_out,
    deleting,
    revoking_a_code,
    inviting,
    creating_an_organization,
    voiding_an_organization,
)


@pytest.fixture(autouse=True)
def _empty(scene: Scene) -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS end_connection CASCADE")
        cursor.execute(f"TRUNCATE {', '.join(f'dfns_login_{each}' for each in TABLES)} CASCADE")


def rows() -> dict[str, list[Any]]:
    with connection.cursor() as cursor:
        found = {}
        for table in TABLES:
            cursor.execute(f"SELECT t::text FROM dfns_login_{table} AS t ORDER BY 1")  # noqa: S608
            found[table] = cursor.fetchall()
        return found


@pytest.mark.parametrize("make", EVERY, ids=lambda make: make.__name__)
def test_without_its_event_nothing_changes(scene: Scene, make: Callable[[Scene], Use]) -> None:
    act = make(scene)
    before = rows()
    with connection.cursor() as cursor:
        cursor.execute(BREAK)
    with pytest.raises((OperationalError, InterfaceError)):
        act()
    connection.close()
    assert rows() == before
    with connection.cursor() as cursor:  # the control: with it, both are there
        cursor.execute("DROP FUNCTION end_connection CASCADE")
    act()
    after = rows()
    assert len(after["auditevent"]) > len(before["auditevent"])


def test_a_code_that_was_sent_without_its_event_is_sent_again(scene: Scene) -> None:
    """The mail server has accepted the email already. The same code is sent once more, and then recorded."""
    issue(scene.account.recipient, now=NOW)
    with connection.cursor() as cursor:
        cursor.execute(BREAK)
    with pytest.raises((OperationalError, InterfaceError)):
        deliver_at(NOW)
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION end_connection CASCADE")
    assert not AuditEvent.objects.exists()
    deliver_at(NOW + timedelta(minutes=1))
    event = AuditEvent.objects.get(kind=AuditKind.CODE_SENT)
    assert event.detail["try"] == 2


class DeletingBackend(EmailBackend):
    """Deletes the account that an email goes to while the email is sent."""

    def send_messages(self, messages: Any) -> int:
        delete_account(Account.objects.get(), operator=OPERATOR, now=NOW)
        return super().send_messages(messages)


def test_a_code_that_was_sent_to_an_account_that_is_deleted_meanwhile_has_its_event(
    scene: Scene, settings: Any
) -> None:
    account = scene.account
    issue(account.recipient, now=NOW)
    send_through(settings, f"{__name__}.{DeletingBackend.__name__}")
    deliver_at(NOW)
    assert AuditEvent.objects.filter(kind=AuditKind.CODE_SENT, account=account.pk).exists()


def test_everything_that_happened_can_be_verified(scene: Scene) -> None:
    for make in (acts.action_challenge, acts.user_action, acts.login_challenge, acts.recovering):
        make(scene)()
    assert chain_events(now=NOW) == AuditEvent.objects.count()
    assert list(verify_trail(expected=None, now=NOW)) == []


WRITERS: Final = 6
EVENTS_EACH: Final = 25


def sign_in_event(scene: Scene) -> AuditEvent:
    return record_event(AuditKind.SIGNED_IN, account=scene.account, requester=None, now=NOW)


def test_an_event_that_commits_after_one_with_a_higher_id_is_chained(scene: Scene) -> None:
    """With a control: a task that goes on after the highest id it has seen would never find it."""
    drawn, chained = Event(), Event()

    def hold() -> int:
        try:
            with transaction.atomic():
                event = sign_in_event(scene)
                drawn.set()
                chained.wait(timeout=30)
            return event.pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(hold)
        drawn.wait(timeout=30)
        first = sign_in_event(scene)
        assert chain_events(now=NOW) == 1
        chained.set()
        late = held.result(timeout=30)
    assert late < first.pk
    assert not AuditEvent.objects.filter(pk__gt=first.pk).exists()  # the control
    assert chain_events(now=NOW) == 1
    assert list(AuditLink.objects.order_by("position").values_list("event", flat=True)) == [first.pk, late]
    assert list(verify_trail(expected=None, now=NOW)) == []


def test_two_tasks_at_once_give_every_event_one_link(scene: Scene) -> None:
    total = WRITERS * EVENTS_EACH

    def write() -> None:
        for _ in range(EVENTS_EACH):
            with transaction.atomic():
                sign_in_event(scene)
                time.sleep(0.002)
        connections.close_all()

    def chain() -> None:
        while AuditEvent.objects.count() < total or AuditLink.objects.count() < total:
            chain_events(now=NOW)
        connections.close_all()

    calls = [*[write] * WRITERS, chain, chain]
    with ThreadPoolExecutor(len(calls)) as threads:
        list(threads.map(lambda call: call(), calls))
    links = list(AuditLink.objects.order_by("position"))
    assert [link.position for link in links] == list(range(1, total + 1))
    assert {link.event for link in links} == set(AuditEvent.objects.values_list("pk", flat=True))
    assert list(verify_trail(expected=None, now=NOW)) == []


def test_no_request_waits_for_the_chain(scene: Scene) -> None:
    """An event is stored while a task holds the chain."""

    def write() -> int:
        try:
            return sign_in_event(scene).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        lock_checkpoint()
        assert threads.submit(write).result(timeout=30)
