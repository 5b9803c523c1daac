"""PostgreSQL is slow, read-only, full, restarted, or replaced by its standby (R-35, R-115, R-134)."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from dfns_login.models import Account, DeliveryState, OneTimeCode
from tests.outages.conftest import StartSite
from tests.support.databases import direct, end_connections, locked, migrate, working_on
from tests.support.live_web import settings_environment
from tests.support.parallel_requests import Answer
from tests.support.race_calls import asking
from tests.support.servers import PostgreSQL, Site, Standby, Valkey
from tests.support.smtp_sink import SmtpSink
from tests.support.timed_requests import asking_all, make_accounts, names_of, open_row, send_all, timed, wait_until

TABLE = "dfns_login_onetimecode"
STATEMENT_SECONDS = 1


@pytest.fixture(scope="module")
def site(start_site: StartSite) -> Site:
    return start_site(SWEEP_SECONDS=1.0)


@pytest.fixture
def owner(site: Site, database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with direct(database_url) as connection:
        yield connection
        connection.execute(f"ALTER DATABASE {name(connection)} RESET ALL")
        end_connections(connection)


def name(connection: psycopg.Connection[Any]) -> str:
    return f'"{connection.info.dbname}"'


def answer(site: Site, account: Account) -> Answer:
    return timed(site.url, asking(names_of(account))).answer


def assert_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.message) == (503, "Service unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def assert_all_well(site: Site, smtp_sink: SmtpSink) -> None:
    """Somebody asks for a code and gets the email."""
    account = make_accounts(1)[0]
    assert answer(site, account).status == 200
    wait_until(lambda: open_row(account).delivery == DeliveryState.SENT)
    assert len(smtp_sink.of(account.email)) == 1


def test_a_slow_database_is_answered_with_503_where_statements_are_bounded(
    site: Site, owner: psycopg.Connection[Any], database_url: str, smtp_sink: SmtpSink
) -> None:
    """With a `statement_timeout`, as the documentation recommends."""
    jane = make_accounts(1)[0]
    owner.execute(f"ALTER DATABASE {name(owner)} SET statement_timeout = '{STATEMENT_SECONDS}s'")
    end_connections(owner)
    with locked(database_url, TABLE):
        assert_unavailable(answer(site, jane))
    assert_all_well(site, smtp_sink)


def test_a_read_only_database_is_answered_with_503(
    site: Site, owner: psycopg.Connection[Any], smtp_sink: SmtpSink
) -> None:
    """As a standby, or a server whose operator has stopped writes."""
    jane = make_accounts(1)[0]
    owner.execute(f"ALTER DATABASE {name(owner)} SET default_transaction_read_only = on")
    end_connections(owner)
    assert_unavailable(answer(site, jane))
    owner.execute("SET default_transaction_read_only = off")
    owner.execute(f"ALTER DATABASE {name(owner)} RESET default_transaction_read_only")
    end_connections(owner)
    assert_all_well(site, smtp_sink)


def test_a_full_disk_is_answered_with_503(site: Site, owner: psycopg.Connection[Any], smtp_sink: SmtpSink) -> None:
    """A trigger answers every write as PostgreSQL does when its disk is full."""
    jane = make_accounts(1)[0]
    owner.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$"
    )
    owner.execute(
        f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {TABLE} FOR EACH STATEMENT EXECUTE FUNCTION full_disk()"
    )
    assert_unavailable(answer(site, jane))
    owner.execute("DROP FUNCTION full_disk CASCADE")
    assert_all_well(site, smtp_sink)


def test_after_a_database_restart_no_request_fails(
    site: Site, owner: psycopg.Connection[Any], smtp_sink: SmtpSink
) -> None:
    """They are replaced when they are next used."""
    accounts = make_accounts(60)
    send_all(site.url, asking_all(accounts[:30]))
    end_connections(owner)
    assert {each.answer.status for each in send_all(site.url, asking_all(accounts[30:]))} == {200}
    assert_all_well(site, smtp_sink)


@pytest.fixture
def failing_over(
    django_db_blocker: DjangoDbBlocker, own_valkey: Valkey, smtp_sink: SmtpSink, tmp_path: Path
) -> Iterator[tuple[PostgreSQL, Standby, Site]]:
    """A project with a standby, whose `DATABASE_URL` names both servers."""
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        primary = stack.enter_context(PostgreSQL())
        migrate(primary.create_database("login"))
        standby = stack.enter_context(Standby(primary))
        url = f"postgres://postgres@/{primary.folder},{standby.folder}/login?target_session_attrs=read-write"
        stack.enter_context(working_on(url))
        environment = settings_environment(SWEEP_SECONDS=1.0) | {"EMAIL_URL": smtp_sink.url}
        site = Site(tmp_path, database_url=url, redis_url=own_valkey.url, environment=environment)
        yield primary, standby, stack.enter_context(site)


def test_after_a_failover_requests_succeed_and_open_codes_stay_valid(
    failing_over: tuple[PostgreSQL, Standby, Site], smtp_sink: SmtpSink
) -> None:
    primary, standby, site = failing_over
    smtp_sink.stop()
    before, after = make_accounts(20), make_accounts(20)
    assert {each.answer.status for each in send_all(site.url, asking_all(before))} == {200}
    standby.wait_for(primary)
    connections["default"].close()
    primary.kill()
    assert_unavailable(answer(site, after[0]))
    standby.promote()
    assert {each.answer.status for each in send_all(site.url, asking_all(after))} == {200}
    smtp_sink.start()
    wait_until(lambda: not OneTimeCode.objects.exclude(delivery=DeliveryState.SENT).exists())
    assert sorted(mail.recipient for mail in smtp_sink.mails) == sorted(each.email for each in [*before, *after])
