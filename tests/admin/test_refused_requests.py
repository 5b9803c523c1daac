"""Refused requests and limits in the overview: counted, or unknown and why (R-207)."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from dfns_login.audit import log_refusal
from dfns_login.errors import CodeRefused, NotFound, RateExceeded, Refusal
from dfns_login.limits import bounded, refused_since, store_number
from dfns_login.limits.tallies import Tallies, tallies
from tests.support.admin_records import ADMIN
from tests.support.remote_cache import Remote
from tests.support.scarce_threads import no_more_threads
from tests.support.timed_requests import wait_until
from tests.support.unknown_counts import WORDS, cache_that

PAGE = f"{ADMIN}/"
LIMIT = 5
"""Seconds. A call to the cache ends within one; machines that run tests are slow."""


@pytest.fixture(autouse=True)
def fresh_tallies() -> Iterator[None]:
    """Store the next count at once, and name things in English whatever the last test asked for."""
    tallies.reset()
    with translation.override("en"):
        yield


def refuse(refusal: Refusal) -> None:
    log_refusal(refusal, where="x", requester=None)


def counted_since(begin: datetime) -> object:
    return refused_since(begin, ["CodeRefused", "code_per_user"], now=datetime.now(UTC))


def test_refusals_and_limits_are_counted(operator: Client, db: None) -> None:
    now = datetime.now(UTC)
    refuse(CodeRefused("wrong code"))
    refuse(RateExceeded.of("code_per_user", window="10/m"))  # kept in memory for some seconds, as what follows
    wait_until(lambda: counted_since(now - timedelta(hours=3)) == {"CodeRefused": 1})
    for refusal in (CodeRefused("wrong code"), RateExceeded.of("code_per_user", window="10/m"), NotFound()):
        tallies.reset()
        refuse(refusal)
    for period in (timedelta(hours=24), timedelta(days=7)):
        wait_until(lambda period=period: counted_since(now - period) == {"CodeRefused": 2, "code_per_user": 1})
    body = operator.get(PAGE).content.decode()
    assert re.search(r"Wrong, expired or used code</th><td>2<", body)
    assert re.search(r"Codes requested for one person</th><td>1<", body)
    assert refused_since(now - timedelta(hours=5), ["CodeRefused"], now=now - timedelta(hours=2)) == {}


def test_the_last_refusals_of_a_burst_are_stored_when_the_pause_is_over() -> None:
    """Nobody has to be refused after them."""
    now = datetime.now(UTC)
    burst = Tallies(pause=timedelta(seconds=0.5))
    burst.add("CodeRefused", now=now)
    with no_more_threads():
        burst.add("CodeRefused", now=now)
    burst.add("CodeRefused", now=now)  # this one can start a thread
    wait_until(lambda: counted_since(now - timedelta(hours=3)) == {"CodeRefused": 3})


@pytest.mark.parametrize("flaw", WORDS)
def test_figures_that_are_unknown_are_not_shown_as_none(
    operator: Client, settings: Any, tmp_path: Path, flaw: str
) -> None:
    """Within the time that a call to the cache may take, and with what to do."""
    assert "Limits hit" in operator.get(PAGE).content.decode()  # the control
    with cache_that(flaw, settings, tmp_path):
        refuse(CodeRefused("wrong code"))
        started = time.monotonic()
        response = operator.get(PAGE)
        assert time.monotonic() - started < LIMIT
    body = response.content.decode()
    assert response.status_code == 200
    assert WORDS[flaw] in body
    assert "<h3>Refused requests</h3>" not in body
    assert "<h3>Limits hit</h3>" not in body


def test_many_counts_are_read_from_a_slow_cache_and_requests_are_counted_meanwhile(
    operator: Client, settings: Any
) -> None:
    with Remote.answering() as cache:
        settings.CACHES = {"default": {"BACKEND": f"{Remote.__module__}.Remote"}}
        cache.seconds = 0.002
        assert "Limits hit" in operator.get(PAGE).content.decode()
        store_number("x", 1, seconds=60)  # raises CacheDown while calls are paused


def test_a_refusal_does_not_wait_for_the_cache(settings: Any, tmp_path: Path) -> None:
    with cache_that("client hangs", settings, tmp_path):
        started = time.monotonic()
        refuse(CodeRefused("wrong code"))
        assert time.monotonic() - started < bounded.ANSWER_SECONDS
