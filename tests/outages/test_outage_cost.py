"""What a request costs while cache and broker are down together, in a project that has set no timeouts (R-133)."""

import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from dfns_login.limits.redis_server import PAUSE_SECONDS
from dfns_login.models import Account
from tests.support.dead_servers import black_hole, silent_server
from tests.support.live_web import live_web
from tests.support.race_calls import Figure, asking
from tests.support.servers import free_port
from tests.support.timed_requests import TimedAnswer, asking_all, make_accounts, names_of, send_all, timed

BOUND_SECONDS = 1.0
BUSY_SECONDS = 1.0
"""What a busy machine may add. Without bounds, a request takes four seconds, a minute, or does not end."""


def answers_of(url: str, accounts: list[Account]) -> list[TimedAnswer]:
    """Ask alone, and together, each after the pause in which the app does not ask the cache."""
    time.sleep(PAUSE_SECONDS)
    alone = timed(url, asking(names_of(accounts[0])))
    time.sleep(PAUSE_SECONDS)
    return [alone, *send_all(url, asking_all(accounts[1:]), parallel=8)]


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_an_outage_of_cache_and_broker_costs_a_second_at_most(
    database_url: str, tmp_path: Path, scheme: str, record_property: Figure
) -> None:
    port = free_port()
    urls = {"redis_url": f"redis://127.0.0.1:{port}/0", "broker_url": f"{scheme}://127.0.0.1:{port}/"}
    with live_web(tmp_path, database_url=database_url, NO_TIMEOUTS=True, **urls) as url:
        send_all(url, asking_all(make_accounts(8)), parallel=8)  # connects to the database
        for name, outage in {
            "refused": nullcontext(),
            "dropped": black_hole(port),
            "silent": silent_server(port),
        }.items():
            with outage:
                answers = answers_of(url, make_accounts(9))
            seconds = max(each.seconds for each in answers)
            record_property(name, round(seconds, 2))
            assert {each.answer.status for each in answers} == {200}
            assert seconds < BOUND_SECONDS + BUSY_SECONDS, name
