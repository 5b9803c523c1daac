"""Anonymous clients whose bodies never end, against each server without a proxy in front (R-124)."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dfns_login.api.parsing import BODY_LIMIT, DRAIN_PATIENCE
from dfns_login.proofs import REQUEST_DEADLINE
from tests.support.live_web import SERVERS, settings_environment
from tests.support.parallel_requests import Call, send
from tests.support.race_calls import Figure, asking
from tests.support.servers import Site, Valkey
from tests.support.timed_requests import make_accounts, names_of
from tests.support.trickle import head, status_on, trickling

pytestmark = pytest.mark.race
"""It takes no server away, so it runs in the other job, whose tests take less time."""

SENDERS = {"sync": 4, "gthread": 20, "uvicorn": 20}
"""As many as the server has processes or threads, at least."""
ROUNDS = {"sync": 1, "gthread": 2, "uvicorn": 1}
"""How many deadlines may pass before a thread is free. One gunicorn process with eight threads may accept all 20."""
BUSY_SECONDS = 10.0
"""What a busy machine may add."""


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def web(server: str, database_url: str, own_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp(server)
    with ExitStack() as stack:
        environment = settings_environment()
        site = Site(folder, database_url=database_url, redis_url=own_valkey.url, environment=environment)
        stack.enter_context(SERVERS[server](folder, site.environment, port=int(site.url.rpartition(":")[2])))
        yield site.url


def seconds_to_answer(web: str, call: Call) -> float:
    started = time.monotonic()
    assert send(web, call).status == 200
    return time.monotonic() - started


def test_endless_bodies_delay_others_for_a_few_seconds_only(web: str, server: str, record_property: Figure) -> None:
    """Their requests are refused after the deadline, and then everybody else is answered."""
    jane, lee = make_accounts(2)
    assert seconds_to_answer(web, asking(names_of(jane))) < BUSY_SECONDS
    with trickling(web, [head(web, "/auth/login/code", length=1000)] * SENDERS[server]) as connections:
        seconds = seconds_to_answer(web, asking(names_of(lee)))
        record_property("seconds", round(seconds, 1))
        assert seconds < ROUNDS[server] * REQUEST_DEADLINE.total_seconds() + BUSY_SECONDS
        statuses = {status_on(each) for each in connections}
    assert statuses == {408 if server == "uvicorn" else 400}


@pytest.mark.parametrize("server", ["sync", "gthread"], indirect=True)  # uvicorn reads the body before it is refused
def test_the_rest_of_a_refused_body_is_read_for_a_few_seconds(web: str, record_property: Figure) -> None:
    """The client reads its refusal, and then its thread is free."""
    first = head(web, "/auth/logout", length=BODY_LIMIT + 1)
    with trickling(web, [first]) as (connection,):
        started = time.monotonic()
        assert status_on(connection) == 401
        seconds = time.monotonic() - started
    record_property("seconds", round(seconds, 1))
    assert seconds < DRAIN_PATIENCE.total_seconds() + BUSY_SECONDS


def test_forms_that_never_end_are_refused_too(web: str, server: str) -> None:
    """Also those whose body the CSRF check reads, for which a cookie of any value is enough."""
    cookie = f"csrftoken={'a' * 32}; __Host-csrftoken={'a' * 32}"
    paths = ["/lock/", "/login/", "/admin/login/"]
    forms = [
        head(web, path, length=1000, headers={"Cookie": cookie}).replace(
            b"application/json", b"application/x-www-form-urlencoded"
        )
        for path in paths
    ]
    started = time.monotonic()
    with trickling(web, forms) as connections:
        statuses = [status_on(connection) for connection in connections]
    seconds = time.monotonic() - started
    assert statuses == ([408] * 3 if server == "uvicorn" else [404, 403, 403])
    assert seconds < 2 * REQUEST_DEADLINE.total_seconds() + BUSY_SECONDS
