"""Two web hosts, two workers, a proxy, PostgreSQL and Valkey on a network, each cut off and connected again (R-115).

People sign in all the time. What they were told must be true afterwards, as in `test_kills.py`. While one of two hosts
of a kind is cut off, people go on signing in. Only `make soak` runs this: it needs root and nginx.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from dfns_login.models import Organization
from tests.support.authenticators import SoftwareKey
from tests.support.databases import migrate, working_on
from tests.support.factories import Person, make_organization, make_person
from tests.support.hosts import (
    Host,
    Network,
    PostgreSQLHost,
    ProxyHost,
    SchedulerHost,
    ValkeyHost,
    WebHost,
    WorkerHost,
)
from tests.support.live_web import settings_environment
from tests.support.persistent_people import Told, nothing_is_doubled, nothing_is_lost, nothing_is_untrue, sign_in
from tests.support.race_calls import Figure
from tests.support.smtp_sink import SmtpSink
from tests.support.timed_requests import wait_until

AT_ONCE = 4
CUT_SECONDS = 15.0
CONNECTED_SECONDS = 10.0
RECOVERY_SECONDS = 30.0
NUMBERS = {"database": 10, "cache": 11, "web 1": 21, "web 2": 22, "worker 1": 31, "worker 2": 32, "proxy": 41}
REPLACEABLE = {"web 1", "web 2", "worker 1", "worker 2"}
"""Hosts without which people can sign in. Without the cache, which is the broker too, no codes are emailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The hosts by name, and the address of the proxy."""

    hosts: dict[str, Host]
    url: str


@pytest.fixture
def installation(django_db_blocker: DjangoDbBlocker, tmp_path: Path) -> Iterator[tuple[Installation, SmtpSink]]:
    """Start everything. Beat runs on the host of the first worker."""
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        network = stack.enter_context(Network())
        hosts = {name: network.host(number, name=name) for name, number in NUMBERS.items()}
        sink = stack.enter_context(SmtpSink(network.address))
        postgres = stack.enter_context(PostgreSQLHost(hosts["database"]))
        valkey = stack.enter_context(ValkeyHost(hosts["cache"]))
        migrate(local := postgres.create_database("hosts"))
        stack.enter_context(working_on(local))
        folder = {name: tmp_path / name.replace(" ", "-") for name in hosts}
        for each in folder.values():
            each.mkdir()
        upstreams = [f"{hosts[name].address}:8000" for name in ("web 1", "web 2")]
        proxy = stack.enter_context(ProxyHost(hosts["proxy"], folder["proxy"], upstreams=upstreams))
        environment = {
            **os.environ,
            **settings_environment(DFNS_LOGIN={"CODE_COOLDOWN": 5}),
            "PUBLIC_URL": proxy.url,
            "ALLOWED_HOSTS": ",".join(host.address for host in hosts.values()),
            "SECURE_SSL_REDIRECT": "0",
            "TRUSTED_PROXY_HOPS": "1",
            "DATABASE_URL": postgres.network_url("hosts"),
            "REDIS_URL": valkey.network_url,
            "EMAIL_URL": sink.url,
        }
        for name in ("web 1", "web 2"):
            stack.enter_context(WebHost(hosts[name], folder[name], environment))
        for name in ("worker 1", "worker 2"):
            stack.enter_context(WorkerHost(hosts[name], folder[name], environment))
        stack.enter_context(SchedulerHost(hosts["worker 1"], folder["worker 1"], environment))
        yield Installation(hosts=hosts, url=proxy.url), sink


def test_people_sign_in_while_each_host_is_cut_off(
    installation: tuple[Installation, SmtpSink], record_property: Figure
) -> None:
    installed, sink = installation
    organization = make_organization()
    people: list[Person] = []
    finished: list[float] = []
    told, over = Told(), Event()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        signing = [
            threads.submit(keep_signing_in, installed.url, organization, sink, told, people, finished, over)
            for _ in range(AT_ONCE)
        ]
        try:
            wait_until(lambda: len(finished) > AT_ONCE, seconds=60)
            outages = [cut_off(host, finished) for host in installed.hosts.values()]
        finally:
            over.set()
        seconds = sorted(second for each in signing for second in each.result())
    connections["default"].close()
    record_property("people", len(people))
    record_property("answers", dict(told.statuses))
    record_property("seconds", [round(each, 1) for each in (seconds[0], seconds[len(seconds) // 2], seconds[-1])])
    for name, (during, until_next) in zip(installed.hosts, outages, strict=True):
        record_property(name, {"sign-ins while cut off": during, "seconds until the next": round(until_next, 1)})
    nothing_is_untrue(installed.url, people, told)
    nothing_is_doubled(people, sink)
    nothing_is_lost(people, sink, told)
    for name, (during, until_next) in zip(installed.hosts, outages, strict=True):
        assert during or name not in REPLACEABLE, name
        assert until_next < RECOVERY_SECONDS, name


def keep_signing_in(
    url: str,
    organization: Organization,
    sink: SmtpSink,
    told: Told,
    people: list[Person],
    finished: list[float],
    over: Event,
) -> list[float]:
    """Sign in one new person after the other. Return the seconds that each of them took."""
    seconds = []
    while not over.is_set():
        person = make_person(organization, f"p{len(people)}-{time.monotonic_ns()}@example.co", SoftwareKey.make())
        people.append(person)
        seconds.append(sign_in(url, person, sink=sink, told=told))
        finished.append(time.monotonic())
    connections["default"].close()
    return seconds


def cut_off(host: Host, finished: list[float]) -> tuple[int, float]:
    """Cut the host off for a while. Return how many signed in meanwhile, and the seconds until the next one did."""
    host.cut_off()
    started = time.monotonic()
    time.sleep(CUT_SECONDS)
    during = sum(each > started + 2 for each in finished)  # two seconds in, what was under way is done
    host.connect()
    connected = time.monotonic()
    while finished[-1] < connected and time.monotonic() < connected + RECOVERY_SECONDS:
        time.sleep(0.1)
    until_next = time.monotonic() - connected
    time.sleep(CONNECTED_SECONDS)
    return during, until_next
