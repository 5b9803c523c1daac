"""The number of database connections of each server, at twice as many requests as it may have connections (R-132)."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor as Threads
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from project.databases import POOL_SIZE
from tests.support.databases import direct, locked, someone_waits_for_a_lock
from tests.support.live_web import AsyncWeb, SyncWeb, ThreadedWeb, settings_environment
from tests.support.race_calls import Figure
from tests.support.servers import Site, Valkey, Web
from tests.support.timed_requests import asking_all, make_accounts, wait_until

PARALLEL = 40
REQUESTS = 120
Serve = Callable[..., str]


@pytest.fixture
def serve(database_url: str, own_valkey: Valkey, tmp_path: Path) -> Iterator[Serve]:
    """Start this server with these variables of its environment, and return its address."""
    with ExitStack() as stack:

        def start(server: type[Web], **environment: str) -> str:
            given = settings_environment() | {"DATABASE_URL": database_url} | environment
            site = Site(tmp_path, database_url=database_url, redis_url=own_valkey.url, environment=given)
            stack.enter_context(server(tmp_path, site.environment, port=int(site.url.rpartition(":")[2])))
            return site.url

        yield start


@contextmanager
def counted(database_url: str) -> Iterator[list[int]]:
    """Count the connections to this database meanwhile, but for those of this process."""
    counts, over = [0], threading.Event()
    watcher = direct(database_url)
    of_this_database = "FROM pg_stat_activity WHERE datname = current_database()"
    before = watcher.execute(f"SELECT array_agg(pid) {of_this_database}").fetchone()

    def watch() -> None:
        while not over.wait(0.01):
            found = watcher.execute(f"SELECT count(*) {of_this_database} AND pid <> ALL(%s)", before).fetchone()
            counts.append(found[0] if found else 0)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield counts
    finally:
        over.set()
        thread.join()
        watcher.close()


def most_connections(url: str, database_url: str, record_property: Figure) -> int:
    """Return the most connections that were open while everybody got an answer."""
    calls = asking_all(make_accounts(REQUESTS))
    with counted(database_url) as counts, httpx.Client(base_url=url, timeout=30) as http, Threads(PARALLEL) as threads:
        answers = list(threads.map(lambda call: http.post(call.path, json=call.body), calls))
    assert {answer.status_code for answer in answers} == {200}
    record_property("connections", max(counts))
    return max(counts)


@pytest.mark.parametrize(
    ("server", "query", "most"),
    [
        (SyncWeb, "", SyncWeb.processes),
        (ThreadedWeb, "", ThreadedWeb.processes * ThreadedWeb.threads),
        (ThreadedWeb, "?pool=true&pool_max_size=3", ThreadedWeb.processes * 3),
        (AsyncWeb, "", POOL_SIZE),
    ],
    ids=["sync", "gthread", "gthread with a pool", "uvicorn"],
)
def test_connections_are_bounded(
    serve: Serve, database_url: str, server: type[Web], query: str, most: int, record_property: Figure
) -> None:
    url = serve(server, DATABASE_URL=database_url + query)
    assert 0 < most_connections(url, database_url, record_property) <= most


def test_without_a_pool_uvicorn_opens_more(serve: Serve, database_url: str, record_property: Figure) -> None:
    """The control: the load would exceed the bound."""
    url = serve(AsyncWeb, DATABASE_POOL_SIZE="0")
    assert most_connections(url, database_url, record_property) > POOL_SIZE


def test_a_request_that_gets_no_connection_is_answered_with_503(serve: Serve, database_url: str) -> None:
    """The pool's only connection waits for a lock."""
    url = serve(AsyncWeb, DATABASE_POOL_SIZE="1")
    first, second = asking_all(make_accounts(2))
    with httpx.Client(base_url=url, timeout=30) as http, Threads(1) as threads:
        with locked(database_url, "dfns_login_onetimecode"):
            waiting = threads.submit(http.post, first.path, json=first.body)
            wait_until(lambda: someone_waits_for_a_lock(database_url))
            refused = http.post(second.path, json=second.body)
        assert (refused.status_code, refused.json()["error"]["message"]) == (503, "Service unavailable")
        assert waiting.result().status_code == 200
