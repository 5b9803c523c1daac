"""Counting all windows of a request in one call to Redis or Valkey."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
import redis
from django.conf import settings as django_settings
from django.core.cache.backends.redis import RedisCache
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dfns_login.errors import RateExceeded
from dfns_login.limits import CODE_RATES, Subject, count_request
from dfns_login.limits.counting import counters_of
from dfns_login.limits.redis_counters import count_in_one_call
from dfns_login.limits.redis_server import RedisServer, redis_server
from dfns_login.limits.windows import count_one_by_one
from dfns_login.requester import Requester
from dfns_login.usernames import Recipient
from tests.support.clock import StillClock

pytestmark = pytest.mark.slow

HERE: Final = Requester(address="192.0.2.7")
JANE: Final = Recipient(organization="or-1", username="jane@example.co")
SCOPES = itertools.count()


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(django_settings.REDIS_URL) as server:
        yield server


def server_in_use() -> RedisServer:
    found = redis_server()
    assert found is not None
    return found


SUBJECTS: Final = st.fixed_dictionaries(
    {Subject.ADDRESS: st.sampled_from("ab"), Subject.NETWORK: st.sampled_from("ab")},
    optional={Subject.USER: st.sampled_from("ab"), Subject.ORGANIZATION: st.just("a")},
)
STEPS: Final = st.tuples(SUBJECTS, st.sampled_from([0, 0, 0, 1, 20, 59, 3600]), st.booleans())


@pytest.mark.usefixtures("rates")
def test_both_ways_of_counting_agree_and_share_their_counters(clock: StillClock) -> None:
    """A history counted by django-ratelimit alone, and the same history counted in either way at random."""

    @given(history=st.lists(STEPS, min_size=5, max_size=30))
    @hypothesis_settings(max_examples=60, deadline=None)
    def agree(history: list[Any]) -> None:
        number = next(SCOPES)
        for subjects, seconds, in_one_call in history:
            clock.move(timedelta(seconds=seconds))
            expected = count_one_by_one(counters_of(CODE_RATES, subjects, scope=f"first{number}"))
            mixed = counters_of(CODE_RATES, subjects, scope=f"second{number}")
            found = count_in_one_call(mixed, server=server_in_use()) if in_one_call else count_one_by_one(mixed)
            assert (found and (found.window.rate, found.window.text, found.seconds_left)) == (
                expected and (expected.window.rate, expected.window.text, expected.seconds_left)
            )

    agree()


@pytest.mark.usefixtures("clock")
def test_a_request_is_one_command(server: redis.Redis) -> None:
    count_request(CODE_RATES, requester=HERE, recipient=JANE, scope="one")
    before = server.info("stats")["total_commands_processed"]
    count_request(CODE_RATES, requester=HERE, recipient=JANE, scope="one")
    commands = server.info("stats")["total_commands_processed"] - before
    inside_the_script = 11
    assert commands == 1 + inside_the_script + 1  # the last is INFO itself


@pytest.mark.usefixtures("clock", "rates")
def test_a_server_that_forgot_the_script_is_given_it_again(
    server: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        count_request(CODE_RATES, requester=HERE, scope="flush")
        server.script_flush()
    count_request(CODE_RATES, requester=HERE, scope="flush")
    with pytest.raises(RateExceeded):
        count_request(CODE_RATES, requester=HERE, scope="flush")
    assert caplog.text == ""


@pytest.mark.usefixtures("clock", "rates")
def test_connections_that_the_server_closed_are_replaced(server: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    count_request(CODE_RATES, requester=HERE, scope="closed")
    server.client_kill_filter(_type="normal", skipme=True)
    count_request(CODE_RATES, requester=HERE, scope="closed")
    assert caplog.text == ""


def test_the_connections_are_kept_for_the_process(server: redis.Redis) -> None:
    count_request(CODE_RATES, requester=HERE, scope="kept")
    before = server.info("stats")["total_connections_received"]
    for _ in range(5):
        count_request(CODE_RATES, requester=HERE, scope="kept")
    assert server.info("stats")["total_connections_received"] == before


@pytest.fixture
def user_without_scripts(server: redis.Redis, settings: Any) -> Iterator[None]:
    server.acl_setuser("plain", enabled=True, passwords=["+word"], keys=["*"], categories=["+@all", "-@scripting"])
    scheme, address = django_settings.REDIS_URL.split("://")
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": f"{scheme}://plain:word@{address}"}}
    yield
    server.acl_deluser("plain")


@pytest.mark.usefixtures("clock", "rates", "user_without_scripts")
def test_where_scripts_are_not_allowed_windows_are_counted_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        count_request(CODE_RATES, requester=HERE, scope="plain")
    with pytest.raises(RateExceeded):
        count_request(CODE_RATES, requester=HERE, scope="plain")
    assert caplog.text.count("cannot run scripts") == 1
    assert "outage" not in caplog.text


class CacheOfItsOwn(RedisCache):
    """Counts in its own way, which nobody may bypass."""

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return super().incr(key, delta, version)


@pytest.mark.parametrize(
    ("backend", "in_one_call"),
    [
        ("django.core.cache.backends.redis.RedisCache", True),
        (f"{__name__}.CacheOfItsOwn", False),
        ("django.core.cache.backends.locmem.LocMemCache", False),
    ],
)
def test_only_caches_whose_counters_are_known_are_counted_in_one_call(
    settings: Any, backend: str, *, in_one_call: bool
) -> None:
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1/0"}}
    assert (redis_server() is not None) == in_one_call


@pytest.mark.usefixtures("clock")
def test_the_cache_and_prefix_that_the_project_chose_are_used(server: redis.Redis, settings: Any) -> None:
    settings.CACHES = {**settings.CACHES, "limits": {**settings.CACHES["default"], "KEY_PREFIX": "elsewhere"}}
    settings.RATELIMIT_USE_CACHE = "limits"
    settings.RATELIMIT_CACHE_PREFIX = "counted:"
    count_request(CODE_RATES, requester=HERE, scope="chosen")
    assert len(server.keys("elsewhere:1:counted:*")) == 4
