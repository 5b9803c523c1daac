"""Transactions that lock several accounts, on PostgreSQL: they wait for each other, and never deadlock (R-122)."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from django.db import OperationalError, connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from dfns_login.ceremonies.operators import Operator, deactivate_account, record_deletion
from dfns_login.ceremonies.sign_out import sign_out_everywhere
from dfns_login.errors import TokenRefused
from dfns_login.models import Account, AccountState, Caller, CodeClosed, OneTimeCode, Session
from dfns_login.proofs import lock_session
from dfns_login.usernames import Recipient
from tests.concurrency.test_voiding import session_of
from tests.support.clock import MINUTE, NOW
from tests.support.databases import MigratedDatabases, working_on
from tests.support.factories import SOMEWHERE, Person, issue, make_organization, make_person
from tests.support.timed_requests import wait_until

OPERATOR = Operator(requester=SOMEWHERE)
LATER = NOW + 30 * MINUTE


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
