"""The thread that sends wake-ups: it coalesces, retries once, and outlives failures and forks."""

import os
import threading
from collections.abc import Callable

import pytest
from kombu.connection import Connection

from dfns_login.delivery import WakeUps, wake_ups

PATIENCE_SECONDS = 20


class Broker:
    """Takes wake-ups, and fails as often as it is told. It holds them back while `open` is not set."""

    def __init__(self) -> None:
        self.failures = 0
        self.connections: list[Connection] = []
        self.reported: list[Exception] = []
        self.open, self.reached = threading.Event(), threading.Semaphore(0)
        self.open.set()

    def send(self, connection: Connection) -> None:
        self.connections.append(connection)
        self.reached.release()
        assert self.open.wait(PATIENCE_SECONDS)
        if self.failures:
            self.failures -= 1
            raise ConnectionResetError


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def request_one(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    monkeypatch.setattr(wake_ups, "PAUSE_SECONDS", 0.0)
    sender = WakeUps(broker.send, on_failure=broker.reported.append)

    def request() -> None:
        sender.request()
        assert sender.finish(seconds=PATIENCE_SECONDS)

    return request


def _no_more_threads(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_wake_ups_use_one_connection(broker: Broker, request_one: Callable[[], None]) -> None:
    request_one()
    request_one()
    first, second = broker.connections
    assert first is second


def test_a_thread_that_cannot_start_is_reported_and_tried_again(
    broker: Broker, request_one: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers limit the number of threads. The sweep sends what is due meanwhile."""
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", _no_more_threads)
        request_one()
    assert [type(each) for each in broker.reported] == [RuntimeError]
    request_one()
    assert len(broker.connections) == 1


def test_a_stale_connection_loses_no_wake_up(broker: Broker, request_one: Callable[[], None]) -> None:
    """R-133. After a restart of the broker, the wake-up is sent on a new connection at once."""
    request_one()
    broker.failures = 1
    request_one()
    first, second, third = broker.connections
    assert first is second is not third
    assert not broker.reported


def test_a_broker_that_is_down_is_reported_once_for_each_wake_up(
    broker: Broker, request_one: Callable[[], None]
) -> None:
    request_one()
    broker.failures = 3
    request_one()
    request_one()
    assert [type(each) for each in broker.reported] == [ConnectionResetError] * 2
    request_one()
    assert len(broker.connections) == 5
    assert len(broker.reported) == 2


def test_requests_do_not_wait_for_the_broker(broker: Broker) -> None:
    """R-133. What is requested meanwhile is sent as one wake-up, after the one that is under way."""
    sender = WakeUps(broker.send, on_failure=broker.reported.append)
    broker.open.clear()
    sender.request()
    assert broker.reached.acquire(timeout=PATIENCE_SECONDS)
    for _ in range(50):
        sender.request()
    assert not sender.finish(seconds=0)
    broker.open.set()
    assert sender.finish(seconds=PATIENCE_SECONDS)
    assert len(broker.connections) == 2


def test_the_thread_rests_between_wake_ups(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-133. Requests one after the other share a wake-up too. A process that ends sends it without the rest."""
    monkeypatch.setattr(wake_ups, "REST_SECONDS", 3600)
    sender = WakeUps(broker.send, on_failure=broker.reported.append)
    sender.request()
    assert broker.reached.acquire(timeout=PATIENCE_SECONDS)
    for _ in range(3):
        sender.request()
        assert not broker.reached.acquire(timeout=0.02)
    assert sender.finish(seconds=PATIENCE_SECONDS)
    assert len(broker.connections) == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # servers that load the app first fork so
def test_a_forked_process_sends_its_own(broker: Broker) -> None:
    sender = WakeUps(broker.send, on_failure=broker.reported.append)
    sender.request()
    assert sender.finish(seconds=PATIENCE_SECONDS)
    child = os.fork()
    if not child:
        sender.request()
        sent = sender.finish(seconds=PATIENCE_SECONDS) and len(broker.connections) == 2
        os._exit(0 if sent and broker.connections[0] is not broker.connections[1] else 1)
    assert os.waitpid(child, 0)[1] == 0
