"""R-143: caches of any kind fail in any way, or hang, and it is an outage within a time limit."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from dfns_login.errors import RateExceeded, ServiceUnavailable
from dfns_login.limits import CODE_RATES, CacheDown, bounded, clear_flag, count_request, set_flag, store_number
from dfns_login.requester import Requester
from dfns_login.tasks import sweep
from tests.support.api_client import ask_code
from tests.support.factories import make_person
from tests.support.remote_cache import ErrorOfAClient, Remote
from tests.support.scarce_threads import no_more_threads

HERE = Requester(address="192.0.2.7")
LIMIT = 3
"""Seconds. A call ends within one; machines that run tests are slow."""


@pytest.fixture(autouse=True)
def remote(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Remote]]:
    monkeypatch.setattr(bounded, "_calls", bounded.BoundedCalls())
    settings.CACHES = {"default": {"BACKEND": f"{Remote.__module__}.Remote"}}
    with Remote.answering() as cache:
        yield cache


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


def test_a_process_without_more_threads_recovers() -> None:
    """A thread that does not start is not counted, and nothing waits in the queue for it."""
    with no_more_threads():
        for number in range(bounded.MAX_THREADS + 1):
            with pytest.raises(CacheDown):
                store_number(f"n{number}", 1, seconds=60)
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
