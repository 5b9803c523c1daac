"""A migration that changes the type of a column, while connections have prepared statements that return it."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from django.db import NotSupportedError, connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from dfns_login.models import Account, LoginRecord
from tests.support.databases import MigratedDatabases, direct, working_on
from tests.support.factories import make_organization, make_person

LENGTHS = count(201)


@pytest.fixture(scope="module")
def url(migrated: MigratedDatabases, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    with django_db_blocker.unblock(), working_on(url := migrated.new()):
        yield url


@pytest.fixture(params=["of the ORM", "of a sign-in"])
def read(url: str, request: pytest.FixtureRequest) -> Callable[[], object]:
    """Return a statement, prepared for a column whose type has changed since."""
    person = make_person(make_organization())
    account, recipient = person.account.pk, person.account.recipient

    def of_the_orm() -> object:
        return Account.objects.select_related("organization").get(pk=account)

    def of_a_sign_in() -> object:
        return LoginRecord.read(recipient, caller=None)

    act = of_the_orm if request.param == "of the ORM" else of_a_sign_in
    for _ in range(5):
        act()
    with direct(url) as owner:
        table = "ALTER TABLE dfns_login_organization ALTER COLUMN name TYPE"
        owner.execute(f"{table} varchar({next(LENGTHS)})")  # type: ignore[arg-type]
    return act


def test_an_outdated_statement_is_prepared_anew(read: Callable[[], object]) -> None:
    assert read() is not None


def test_a_transaction_fails_once(read: Callable[[], object]) -> None:
    with pytest.raises(NotSupportedError), transaction.atomic():
        read()
    assert read() is not None


def test_without_autocommit_it_fails_with_its_own_error(read: Callable[[], object]) -> None:
    transaction.set_autocommit(False)
    try:
        with pytest.raises(NotSupportedError):
            read()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


def test_without_that_it_fails_every_time(read: Callable[[], object]) -> None:
    """The control."""
    wrappers, connection.execute_wrappers = connection.execute_wrappers, []
    try:
        for _ in range(3):
            with pytest.raises(NotSupportedError):
                read()
    finally:
        connection.execute_wrappers = wrappers


def test_what_the_database_cannot_do_is_not_tried_again(url: str) -> None:
    """A procedure, for example, may have committed something before it fails."""
    ran = list[str]()

    def recorded(execute: Callable[..., object], sql: str, *given: object) -> object:
        ran.append(sql)
        return execute(sql, *given)

    impossible = "SELECT id FROM dfns_login_account GROUP BY id FOR UPDATE"
    with connection.execute_wrapper(recorded), connection.cursor() as cursor, pytest.raises(NotSupportedError):
        cursor.execute(impossible)
    assert ran == [impossible]
