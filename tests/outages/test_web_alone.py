"""Web processes without a broker, a cache, a database; no worker there to mend anything (R-35, R-115)."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from dfns_login.limits.redis_server import PAUSE_SECONDS
from dfns_login.models import DeliveryState, OneTimeCode
from tests.support.databases import migrate, working_on
from tests.support.live_web import live_web
from tests.support.parallel_requests import Answer, Call, send
from tests.support.race_calls import Figure
from tests.support.servers import PostgreSQL, Valkey
from tests.support.timed_requests import (
    asking_all,
    assert_answered_alike,
    make_accounts,
    names_of,
    open_row,
    seen_in,
    send_all,
    strangers_to,
)

PATHS = ["/auth/login/code", "/auth/login/init", "/auth/registration/init"]


@pytest.fixture(scope="module")
def refusing_web(database_url: str, own_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two web processes of a project that would rather refuse than not count."""
    app = {"CACHE_OUTAGE": "refuse"}
    folder = tmp_path_factory.mktemp("refusing")
    with live_web(folder, database_url=database_url, redis_url=own_valkey.url, DFNS_LOGIN=app) as url:
        yield url


@pytest.fixture
def own_postgres(django_db_blocker: DjangoDbBlocker) -> Iterator[PostgreSQL]:
    """PostgreSQL to be killed, with a migrated database `doomed`, which is this process's own meanwhile."""
    with PostgreSQL() as postgres, django_db_blocker.unblock():
        migrate(url := postgres.create_database("doomed"))
        with working_on(url):
            yield postgres


def assert_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.message) == (503, "Service unavailable")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_project_that_requires_limits_refuses_requests_without_valkey(
    refusing_web: str, own_valkey: Valkey, end: signal.Signals
) -> None:
    known = make_accounts(6)
    unknown = strangers_to(known[0], 3)
    before = OneTimeCode.objects.count()
    os.kill(own_valkey.pid, end)
    try:
        answers = send_all(refusing_web, asking_all(known, unknown), parallel=4)
        for each in answers:
            assert_unavailable(each.answer)
            assert each.seconds < 2  # on its own and behind another one
        told = seen_in(answers, names=[account.username for account in known])
        assert seen_in(answers, names=[names["username"] for names in unknown]) == told
        for path in PATHS:
            assert_unavailable(send(refusing_web, Call(path=path, body=names_of(known[0]))))
    finally:
        if end == signal.SIGSTOP:
            os.kill(own_valkey.pid, signal.SIGCONT)
        else:
            own_valkey.restart()
    time.sleep(PAUSE_SECONDS)
    assert OneTimeCode.objects.count() == before
    assert {each.answer.status for each in send_all(refusing_web, asking_all(known, unknown))} == {200}


@pytest.mark.parametrize(
    "broker", ["redis+socket:///nowhere/valkey.sock", "redis://localhost:9/0", "amqp://localhost:9//"]
)
def test_a_missing_broker_delays_no_request(
    database_url: str,
    own_valkey: Valkey,
    tmp_path_factory: pytest.TempPathFactory,
    broker: str,
    record_property: Figure,
) -> None:
    known = make_accounts(12)
    unknown = strangers_to(known[0], 4)
    folder = tmp_path_factory.mktemp("web")
    with live_web(folder, database_url=database_url, redis_url=own_valkey.url, broker_url=broker) as url:
        answers = send_all(url, asking_all(known, unknown), parallel=8)
    assert_answered_alike(answers, known=known, unknown=unknown, record_property=record_property)
    assert {open_row(account).delivery for account in known} == {DeliveryState.QUEUED}


def test_without_a_database_requests_are_answered_with_503_until_it_returns(
    own_postgres: PostgreSQL, own_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    known = make_accounts(40)
    unknown = strangers_to(known[0], 10)
    folder = tmp_path_factory.mktemp("doomed")
    with live_web(folder, database_url=own_postgres.url("doomed"), redis_url=own_valkey.url) as url:
        answers = send_all(url, asking_all(known, unknown), meanwhile={20: own_postgres.kill})
        assert {each.answer.status for each in answers} == {200, 503}
        for each in answers:
            if each.answer.status != 200:
                assert_unavailable(each.answer)
            assert each.seconds < 10
        for path in PATHS:
            assert_unavailable(send(url, Call(path=path, body=names_of(known[0]) | {"registrationCode": "0"})))
        connections["default"].close()
        own_postgres.restart()
        answers = send_all(url, asking_all(known, unknown))
        assert {each.answer.status for each in answers} == {200}
        assert OneTimeCode.objects.open().count() == 50
