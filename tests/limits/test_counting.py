"""What is counted, with each kind of cache, and what happens while the cache is down. `tests/api` counts over HTTP."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings

from dfns_login.errors import RateExceeded, ServiceUnavailable
from dfns_login.limits import CODE_PER_USER, CODE_RATES, Subject, count, count_request
from dfns_login.limits.rates import CODE_PER_ADDRESS, CODE_PER_NETWORK
from dfns_login.requester import Requester
from dfns_login.usernames import Recipient
from tests.support.clock import MINUTE, SECOND, StillClock
from tests.support.remote_cache import Forgetful

HERE = Requester(address="192.0.2.7")


@pytest.fixture(params=["in one call", "one by one"], autouse=True)
def _way(request: pytest.FixtureRequest, settings: Any) -> None:
    if request.param == "one by one":
        settings.RATELIMIT_HASH_ALGORITHM = hashlib.sha256


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    clock = StillClock()
    monkeypatch.setattr("django_ratelimit.core.time", clock)
    return clock


@pytest.fixture
def configure(settings: Any) -> Any:
    def change(**values: object) -> None:
        settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, **values}

    return change


def times_until_refused(
    recipient: Recipient | None = None, *, scope: str = "x", at_most: int = 30, requester: Requester = HERE
) -> int:
    for number in range(at_most):
        try:
            count_request(CODE_RATES, requester=requester, recipient=recipient, scope=scope)
        except RateExceeded:
            return number
    return at_most


def test_each_scope_is_counted_separately(windows: StillClock, configure: Any) -> None:
    configure(RATES={"code_per_address": ("3/m",)})
    assert times_until_refused(scope="x") == 3
    assert times_until_refused(scope="y") == 3
    assert times_until_refused(scope="x") == 0


def test_each_pair_of_organization_and_name_is_counted_separately(windows: StillClock, configure: Any) -> None:
    configure(RATES={"code_per_user": ("3/m",), "code_per_address": ("99/m",)})
    assert times_until_refused(Recipient(organization="or-1", username="jane")) == 3
    assert times_until_refused(Recipient(organization="or-1j", username="ane")) == 3
    assert times_until_refused(Recipient(organization="or-", username="1jane")) == 3


def test_each_known_device_has_its_own_count_of_a_name(windows: StillClock, configure: Any) -> None:
    """R-125."""
    configure(RATES={"code_per_user": ("3/m",), "code_per_address": ("99/m",)})
    jane = Recipient(organization="or-1", username="jane")
    for device in ("laptop", "phone", ""):
        assert times_until_refused(jane, requester=replace(HERE, device=device)) == 3


def test_rates_after_one_that_is_used_up_are_not_counted(windows: StillClock, configure: Any) -> None:
    configure(RATES={"code_per_address": ("1/m",), "code_per_network": ("3/m",)})
    values = {Subject.ADDRESS: "a", Subject.NETWORK: "n"}
    count([CODE_PER_ADDRESS, CODE_PER_NETWORK], values, scope="x")
    for _ in range(10):
        with pytest.raises(RateExceeded):
            count([CODE_PER_ADDRESS, CODE_PER_NETWORK], values, scope="x")
    for _ in range(2):
        count([CODE_PER_NETWORK], values, scope="x")
    with pytest.raises(RateExceeded):
        count([CODE_PER_NETWORK], values, scope="x")


def test_retry_after_is_when_the_window_ends(windows: StillClock, configure: Any) -> None:
    configure(RATES={"code_per_address": ("1/m",)})
    assert times_until_refused() == 1
    with pytest.raises(RateExceeded) as refusal:
        count_request(CODE_RATES, requester=HERE, scope="x")
    wait = refusal.value.retry_after
    assert wait is not None
    assert SECOND <= wait <= MINUTE + SECOND
    windows.move(wait - 2 * SECOND)
    assert times_until_refused() == 0
    windows.move(2 * SECOND)
    assert times_until_refused() == 1


def test_the_cache_holds_no_name_and_no_address(windows: StillClock) -> None:
    jane = Recipient(organization="or-1", username="jane@example.co")
    count_request(CODE_RATES, requester=HERE, recipient=jane, scope="login_code")
    with redis.Redis.from_url(django_settings.REDIS_URL) as server:
        held = [(key, server.get(key), server.ttl(key)) for key in server.keys("*rl:*")]
    assert len(held) == 11
    assert not any(b"jane" in key or b"192.0" in key or b"or-1" in key for key, _, _ in held)
    assert all(value == b"1" and 0 < ttl <= 24 * 3600 + 5 for _, value, ttl in held)


def test_a_project_can_turn_limits_off(windows: StillClock, settings: Any, configure: Any) -> None:
    configure(RATES={"code_per_address": ("1/m",)})
    settings.RATELIMIT_ENABLE = False
    assert times_until_refused(at_most=5) == 5


class EndingWindow(StillClock):
    """Every second reading is two seconds later."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def time(self) -> float:
        self.looks += 1
        return self.now + (2 if self.looks % 2 == 0 else 0)


def test_a_window_that_ends_while_it_is_counted_is_no_outage(
    monkeypatch: pytest.MonkeyPatch, configure: Any, caplog: pytest.LogCaptureFixture
) -> None:
    configure(CACHE_OUTAGE="refuse", RATES={"code_per_user": ("5/m",)})
    monkeypatch.setattr("django_ratelimit.core.time", EndingWindow())
    for number in range(200):  # the window of some of them ends in between
        count([CODE_PER_USER], {Subject.USER: f"user {number}"}, scope="x")
    assert "outage" not in caplog.text


class TestWithoutCache:
    @pytest.fixture(params=["dead", "forgetful"])
    def _cache(self, request: pytest.FixtureRequest, settings: Any, tmp_path: Any, windows: StillClock) -> None:
        if request.param == "dead":
            default = {**settings.CACHES["default"], "LOCATION": f"unix://{tmp_path}/nobody.sock?db=0"}
        else:
            default = {"BACKEND": f"{Forgetful.__module__}.Forgetful"}
        settings.CACHES = {"default": default}

    @pytest.mark.usefixtures("_cache")
    def test_requests_pass(self, configure: Any, caplog: pytest.LogCaptureFixture) -> None:
        configure(RATES={"code_per_address": ("1/m",)})
        assert times_until_refused(at_most=5) == 5
        assert caplog.text.count("outage what=cache") == 5

    @pytest.mark.usefixtures("_cache")
    def test_requests_are_refused_if_the_project_chose_so(self, configure: Any) -> None:
        configure(CACHE_OUTAGE="refuse")
        with pytest.raises(ServiceUnavailable) as refusal:
            count_request(CODE_RATES, requester=HERE, scope="x")
        assert refusal.value.retry_after == 5 * SECOND
