"""Transactions that lock several accounts, on PostgreSQL: they wait for each other, and never deadlock (R-122)."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from dfns_login.audit import record_event
from dfns_login.ceremonies.lockdown import lock_down
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.operators import Operator, deactivate_account, record_deletion
from dfns_login.ceremonies.recovery import RecoveryRequest, open_recovery
from dfns_login.ceremonies.sign_out import end_other_sessions, sign_out_everywhere
from dfns_login.errors import Refusal, TokenRefused
from dfns_login.models import (
    Account,
    AccountState,
    AuditEvent,
    AuditKind,
    Caller,
    CodeClosed,
    CodePurpose,
    OneTimeCode,
    RecoveryWait,
    Session,
)
from dfns_login.proofs import lock_session, lock_token
from dfns_login.purge import purge
from dfns_login.usernames import Recipient
from tests.concurrency.test_voiding import session_of
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.clock import MINUTE, NOW
from tests.support.databases import MigratedDatabases, working_on
from tests.support.factories import SOMEWHERE, Person, issue, make_organization, make_person
from tests.support.timed_requests import wait_until

OPERATOR = Operator(requester=SOMEWHERE)
LATER = NOW + 30 * MINUTE
LONG_AFTER = NOW + timedelta(days=40)


@pytest.fixture(scope="module", autouse=True)
def _postgres(migrated: MigratedDatabases, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), working_on(migrated.new()):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {connection.settings_dict['NAME']} SET deadlock_timeout = '20ms'")
        connection.close()
        yield


@pytest.fixture
def two() -> list[Person]:
    """Two people of one organization, ordered by the ids of their accounts."""
    organization = make_organization()
    people = [make_person(organization, email) for email in ("jane@example.co", "kim@example.co")]
    return sorted(people, key=lambda each: each.account.pk)


def failures(
    begin: Callable[[], object], finish: Callable[[], object], *, meanwhile: Callable[[], object]
) -> set[type[BaseException]]:
    """Begin a transaction, run another one until it ends or waits, and finish the first. Return what was raised."""

    def run() -> None:
        try:
            with transaction.atomic():
                meanwhile()
        finally:
            connection.close()

    raised: set[type[BaseException]] = set()
    with ThreadPoolExecutor(1) as threads:
        try:
            with transaction.atomic():
                begin()
                other = threads.submit(run)
                wait_until(lambda: other.done() or is_waiting_for_a_lock())
                finish()
        except OperationalError as error:
            raised.add(type(error))
        if error := other.exception():
            raised.add(type(error))
    return raised


def is_waiting_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid())")
        return bool(cursor.fetchone()[0])


def authorize(session: Session, account: Account) -> None:
    lock_session(session, now=NOW, others=[account.pk])


def authorize_naively(session: Session, _: Account) -> None:
    """Lock the own account first, and the other one once it is changed."""
    lock_session(session, now=NOW)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("lock", "expected"),
    [(authorize, TokenRefused), (authorize_naively, OperationalError)],
    ids=["ordered", "control"],
)
def test_of_two_operators_who_deactivate_each_other_the_first_one_does(
    two: list[Person], lock: Callable[[Session, Account], None], expected: type[BaseException], order: int
) -> None:
    """The session of the second one ended meanwhile."""
    jane, kim = two[::order]
    hers, theirs = map(session_of, (jane, kim))

    def act() -> None:
        lock(theirs, jane.account)
        deactivate_account(jane.account, operator=OPERATOR, now=NOW)

    raised = failures(
        partial(lock, hers, kim.account),
        partial(deactivate_account, kim.account, operator=OPERATOR, now=NOW),
        meanwhile=act,
    )
    assert raised == {expected}
    deactivated = Account.objects.filter(organization=jane.account.organization, state=AccountState.DEACTIVATED)
    assert deactivated.count() == 1


def test_an_action_locks_no_account_of_another_organization() -> None:
    """R-87: whoever knows its id must not hold up its owner."""
    jane, stranger = (make_person(make_organization(name), "jane@example.co") for name in ("Acme", "Other"))
    lock = Account.objects.filter(pk=stranger.account.pk).select_for_update(no_key=True, nowait=True).get
    begin = partial(authorize, session_of(jane), stranger.account)
    assert failures(begin, lambda: None, meanwhile=lock) == set()


def delete_naively(account: Account) -> None:
    """Void the account, which locks its organization too."""
    Account.objects.lock(account=account)
    sign_out_everywhere(account, requester=SOMEWHERE, now=NOW)


@pytest.mark.parametrize(
    ("delete", "expected"),
    [(partial(record_deletion, operator=OPERATOR, now=NOW), set()), (delete_naively, {OperationalError})],
    ids=["ordered", "control"],
)
def test_a_project_deletes_several_accounts_while_an_operator_deactivates_one(
    two: list[Person], delete: Callable[[Account], None], expected: set[type[BaseException]]
) -> None:
    """Each account that is deleted with its user has an event of its own, in one transaction."""
    first, second = (each.account for each in two)
    deactivate = partial(deactivate_account, second, operator=OPERATOR, now=NOW)
    assert failures(partial(delete, first), partial(delete, second), meanwhile=deactivate) == expected


def touch_at_once(session: Session) -> None:
    """As the first statement of the request's transaction, which then keeps the session's row."""
    Session.objects.filter(pk=session.pk).update(last_seen_at=LATER)


@pytest.mark.parametrize(
    ("touch", "expected"),
    [(partial(Session.objects.touch, now=LATER), set()), (touch_at_once, {OperationalError})],
    ids=["after the commit", "control"],
)
def test_a_view_in_a_transaction_that_authenticates_and_then_locks_the_account(
    two: list[Person], touch: Callable[..., None], expected: set[type[BaseException]]
) -> None:
    """A project's view with `ATOMIC_REQUESTS` and a user action, while its session's account signs out elsewhere."""
    session = session_of(two[0])
    sign_out = partial(end_other_sessions, session, requester=SOMEWHERE, now=LATER)
    raised = failures(partial(touch, session=session), partial(lock_session, session, now=NOW), meanwhile=sign_out)
    assert raised == expected
    if not expected:
        session.refresh_from_db()
        assert session.last_seen_at == LATER


def purge_old() -> None:
    purge(now=LONG_AFTER)


def purge_naively() -> None:
    """In one DELETE, which waits for rows in any order."""
    Session.objects.filter(expires_at__lte=LONG_AFTER).delete()


@pytest.mark.parametrize(
    ("delete", "expected"), [(purge_old, set()), (purge_naively, {OperationalError})], ids=["skipping", "control"]
)
def test_old_sessions_are_purged_while_a_credential_is_deactivated(
    two: list[Person], delete: Callable[[], None], expected: set[type[BaseException]]
) -> None:
    """Its sessions end first, and then those that stay get the new generation."""
    Session.objects.all().delete()
    stays, ends = session_of(two[0]), session_of(two[0])
    raised = failures(
        partial(Session.objects.filter(pk=ends.pk).revoke, now=NOW),
        partial(Session.objects.filter(pk=stays.pk).keep, account=stays.account),
        meanwhile=delete,
    )
    assert raised == expected


def close_expired() -> None:
    OneTimeCode.objects.close_expired(now=LATER, limit=10)


def close_expired_naively() -> None:
    """In one UPDATE in the order of their expiry."""
    for code in OneTimeCode.objects.open().order_by("pk"):
        OneTimeCode.objects.filter(pk=code.pk).close(how=CodeClosed.EXPIRED, now=LATER)


@pytest.mark.parametrize(
    ("close", "expected"),
    [(close_expired, set()), (close_expired_naively, {OperationalError})],
    ids=["skipping", "control"],
)
def test_expired_codes_are_closed_while_a_known_device_presents_the_strangers_code(
    close: Callable[[], None], expected: set[type[BaseException]]
) -> None:
    """On a host whose clock is behind."""
    OneTimeCode.objects.all().delete()
    recipient = Recipient(organization="or-1", username="somebody@example.co")
    issue(recipient, now=NOW)
    issue(recipient, now=NOW, requester=replace(SOMEWHERE, device="known"))
    strangers, own = OneTimeCode.objects.order_by("pk")
    raised = failures(
        partial(OneTimeCode.objects.record_guess, code=own, matched=False, cap=10, now=NOW, caller=Caller.DEVICE),
        partial(OneTimeCode.objects.consume, code=strangers, now=NOW),
        meanwhile=close,
    )
    assert raised == expected


# A recovery that begins to wait while its account is locked


def lock_down_naively(link: str, account: Account) -> None:
    """End the waits first, and then the codes that may begin one."""
    RecoveryWait.objects.end(Account.objects.filter(pk=account.pk))
    Account.objects.lock(account=account)
    sign_out_everywhere(account, requester=SOMEWHERE, now=NOW)


def lock_down_by_link(link: str, _account: Account) -> None:
    lock_down(link, requester=SOMEWHERE, now=NOW)


@pytest.mark.parametrize("first", ["recovery", "lock"])
@pytest.mark.parametrize(("lock", "left"), [(lock_down_by_link, 0), (lock_down_naively, 1)], ids=["ordered", "control"])
def test_no_recovery_waits_after_its_account_was_locked(
    settings: Any, lock: Callable[[str, Account], None], left: int, first: str
) -> None:
    """Whichever comes first. The control loses to a recovery that began before."""
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "RECOVERY_WAIT": timedelta(days=1)}
    person = make_person(None, "jane@example.co", SoftwareKey.make(), SoftwareKey.make(kind=Kind.RECOVERY_KEY))
    recipient = person.account.recipient
    told = record_event(AuditKind.CREDENTIAL_CREATED, account=person.account, requester=SOMEWHERE, now=NOW)
    notify_owner(told)
    asked = RecoveryRequest(
        recipient=recipient,
        credential_id=person.keys[1].credential_id,
        verification_code=issue(recipient, purpose=CodePurpose.RECOVERY, now=NOW),
    )

    def recover() -> None:
        with pytest.raises(Refusal):
            open_recovery(asked, requester=SOMEWHERE, now=NOW)

    acts = [recover, partial(lock, lock_token(told), person.account)]
    begin, meanwhile = acts if first == "recovery" else reversed(acts)
    assert failures(begin, lambda: None, meanwhile=meanwhile) == set()
    waits = RecoveryWait.objects.filter(credential__account=person.account)
    assert waits.count() == (left if first == "recovery" else 0)
    assert not AuditEvent.objects.filter(account=person.account, kind=AuditKind.KEY_RELEASED).exists()
