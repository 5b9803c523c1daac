"""R-143: caches of any kind fail in any way, or hang, and it is an outage within a time limit."""

import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from dfns_login.errors import RateExceeded, ServiceUnavailable
from dfns_login.limits import CODE_RATES, CacheDown, bounded, clear_flag, count_request, set_flag, store_number
from dfns_login.requester import Requester
from dfns_login.tasks import sweep
from tests.support.api_client import ask_code
from tests.support.factories import make_person

HERE = Requester(address="192.0.2.7")
LIMIT = 3
"""Seconds. A call ends within one; machines that run tests are slow."""


class ErrorOfAClient(Exception):
    """As `pylibmc.Error` and `pymemcache.MemcacheError`: not an OSError."""


class Remote(BaseCache):
    """A cache whose client does what the test says."""

    error: ClassVar[Exception | None] = None
    released: ClassVar[threading.Event] = threading.Event()

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._kept = LocMemCache("remote", params)

    def _answer(self, name: str, *arguments: Any, **options: Any) -> Any:
        self.released.wait(60)
        if self.error is not None:
            raise self.error
        return getattr(self._kept, name)(*arguments, **options)

    def add(self, *arguments: Any, **options: Any) -> Any:
        return self._answer("add", *arguments, **options)

    def get(self, *arguments: Any, **options: Any) -> Any:
        return self._answer("get", *arguments, **options)

    def set(self, *arguments: Any, **options: Any) -> Any:
        return self._answer("set", *arguments, **options)

    def incr(self, *arguments: Any, **options: Any) -> Any:
        return self._answer("incr", *arguments, **options)

    def delete(self, *arguments: Any, **options: Any) -> Any:
        return self._answer("delete", *arguments, **options)

    def clear(self) -> None:
        self._kept.clear()


@pytest.fixture(autouse=True)
def remote(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Remote]]:
    monkeypatch.setattr(bounded, "_calls", bounded.BoundedCalls())
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Remote"}}
    Remote.error, Remote.released = None, threading.Event()
    Remote.released.set()
    yield Remote
    Remote.released.set()


@pytest.fixture(params=[ErrorOfAClient("x"), OSError("x"), RuntimeError("x"), ValueError("x"), KeyError("x"), "hangs"])
def outage(request: pytest.FixtureRequest, remote: type[Remote]) -> object:
    if request.param == "hangs":
        remote.released.clear()
    else:
        remote.error = request.param
    return request.param


def test_a_working_cache_counts(settings: Any) -> None:
    """The control."""
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "RATES": {"code_per_address": ("3/d",)}}
    for _ in range(3):
        count_request(CODE_RATES, requester=HERE, scope="works")
    with pytest.raises(RateExceeded):
        count_request(CODE_RATES, requester=HERE, scope="works")
    assert set_flag("flag", seconds=60)
    assert not set_flag("flag", seconds=60)
    clear_flag("flag")
    assert set_flag("flag", seconds=60)


def test_an_outage_of_any_cache_ends_in_time(outage: object, settings: Any) -> None:
    started = time.monotonic()
    count_request(CODE_RATES, requester=HERE, scope="down")
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "CACHE_OUTAGE": "refuse"}
    with pytest.raises(ServiceUnavailable):
        count_request(CODE_RATES, requester=HERE, scope="down")
    for each in (
        lambda: set_flag("flag", seconds=1),
        lambda: clear_flag("flag"),
        lambda: store_number("n", 1, seconds=1),
    ):
        with pytest.raises(CacheDown):
            each()
    assert time.monotonic() - started < LIMIT


@pytest.mark.django_db
def test_requests_and_the_sweep_survive_an_outage_of_any_cache(outage: object) -> None:
    jane = make_person()
    assert ask_code(Client(), jane.names).status_code == 200
    sweep()


def test_a_process_without_more_threads_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that does not start is not counted, and nothing waits in the queue for it."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "dfns_login-cache":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for number in range(bounded.MAX_THREADS + 1):
        with pytest.raises(CacheDown):
            store_number(f"n{number}", 1, seconds=60)
    monkeypatch.setattr(threading.Thread, "start", start)
    store_number("n", 1, seconds=60)


def test_calls_that_hang_are_few_and_end_when_the_cache_is_back(
    remote: type[Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(bounded, "ANSWER_SECONDS", 0.01)
    monkeypatch.setattr(bounded, "MAX_THREADS", 4)
    remote.released.clear()
    before = threading.active_count()
    for _ in range(20):
        with pytest.raises(CacheDown):
            store_number("n", 1, seconds=60)
    assert threading.active_count() - before <= 4
    remote.released.set()
    monkeypatch.setattr(bounded, "ANSWER_SECONDS", 60)
    store_number("n", 2, seconds=60)


@pytest.mark.parametrize("error", [ImproperlyConfigured("x"), ModuleNotFoundError("x")])
def test_a_cache_without_a_client_is_no_outage(remote: type[Remote], error: Exception) -> None:
    """A deployment without a client would otherwise go on without rates forever."""
    remote.error = error
    with pytest.raises(type(error)):
        count_request(CODE_RATES, requester=HERE, scope="none")
