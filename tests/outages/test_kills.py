"""Logins while PostgreSQL, Valkey, the web processes, the worker and the scheduler are killed again and again (R-115).

Whoever gets no answer, or 503, tries again. Nothing untrue: what was answered with success is in the database. Nothing
doubled with another code: a person gets one code for each row. Nothing lost silently: every code that was promised is
emailed, or its row says why not. `SOAK=1` signs in a thousand times and kills each server three times.
"""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from dfns_login.models import AuditEvent, AuditKind, DeliveryState, OneTimeCode, Session
from project.processes import Program
from tests.concurrency.conftest import SOAK
from tests.support.authenticators import SoftwareKey
from tests.support.databases import migrate, working_on
from tests.support.factories import Person, make_organization, make_person
from tests.support.live_web import settings_environment
from tests.support.parallel_requests import Answer, Call, send
from tests.support.race_calls import Figure, asking, presenting
from tests.support.servers import PostgreSQL, Site, Valkey
from tests.support.smtp_sink import SmtpSink
from tests.support.timed_requests import wait_until

LOGINS = 1000 if SOAK else 12
KILLS = 3 if SOAK else 1
AT_ONCE = 4
PATIENCE_SECONDS = 120
PAUSE_SECONDS = 1.5


@dataclass
class Told:
    """What the servers said, over all people."""

    statuses: Counter[str] = field(default_factory=Counter)
    promised: Counter[str] = field(default_factory=Counter)
    """Accepted requests for a code, by username."""
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    lock: Lock = field(default_factory=Lock)


@pytest.fixture
def servers(
    django_db_blocker: DjangoDbBlocker, smtp_sink: SmtpSink, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, list[Program]]]:
    """The whole project on servers of its own, and what can be killed."""
    folder: Path = tmp_path_factory.mktemp("killed")
    with PostgreSQL() as postgres, Valkey() as valkey, django_db_blocker.unblock():
        migrate(url := postgres.create_database("killed"))
        environment = settings_environment(DFNS_LOGIN={"CODE_COOLDOWN": 5}) | {"EMAIL_URL": smtp_sink.url}
        with (
            working_on(url),
            Site(folder, database_url=url, redis_url=valkey.url, environment=environment) as site,
        ):
            yield site, [postgres, valkey, site.web, site.worker, site.scheduler]


def kill_in_turn(programs: list[Program], *, over: Event) -> Counter[str]:
    """Kill each program, some time after the other, and start it again after a moment."""
    killed: Counter[str] = Counter()
    for _ in range(KILLS):
        for program in programs:
            if over.wait(PAUSE_SECONDS):
                return killed
            program.kill()
            time.sleep(0.5)
            program.start()
            killed[program.name] += 1
            for each in programs:  # as what supervises them does: Celery's worker may end with its broker
                if not each.running:
                    each.start()
    return killed


def attempt(url: str, call: Call, told: Told) -> Answer | None:
    """Send the request. Return None if there was no answer, or that of a server without what it needs."""
    try:
        answer = send(url, call)
    except (OSError, HTTPException, ValueError):
        answer = None
    with told.lock:
        told.statuses[f"{call.path} {answer.status if answer else 'no answer'}"] += 1
    return None if answer is None or answer.status in {502, 503} else answer


def sign_in(url: str, person: Person, *, sink: SmtpSink, told: Told) -> float:
    """Sign in, and try again as a person does. Return the seconds that it took."""
    started, tried = time.monotonic(), set[str]()
    username = person.account.username
    while time.monotonic() - started < PATIENCE_SECONDS:
        if answer := attempt(url, asking(person.names), told):
            assert answer.status == 200, answer
            with told.lock:
                told.promised[username] += 1
        asked_at = time.monotonic()
        while time.monotonic() - asked_at < 10:
            for code in [mail.code for mail in sink.of(username) if mail.code not in tried]:
                if token := present(url, person, code, tried=tried, told=told):
                    with told.lock:
                        told.tokens[username] = token
                    return time.monotonic() - started
            time.sleep(0.1)
    raise AssertionError(f"{username} could not sign in")


def present(url: str, person: Person, code: str, *, tried: set[str], told: Told) -> str:
    """Present the code and sign. A code may have been consumed by a request whose answer was lost."""
    answer = attempt(url, presenting(person, code), told)
    if answer is None:
        return ""
    tried.add(code)
    if answer.status != 200:
        assert (answer.status, answer.message) == (403, "Invalid code")
        return ""
    opened: dict[str, Any] = answer.body
    factor = person.key.factor(opened["challenge"])
    login = Call(path="/auth/login", body={"challengeIdentifier": opened["challengeIdentifier"], "firstFactor": factor})
    for _ in range(20):
        signed = attempt(url, login, told)
        if signed is None:
            time.sleep(0.5)
            continue
        if signed.status == 200:
            return str(signed.body["token"])
        assert (signed.status, signed.message) == (400, "Challenge token is not valid.")  # an answer was lost
        return ""
    return ""


def test_logins_while_every_server_is_killed(
    servers: tuple[Site, list[Program]], smtp_sink: SmtpSink, record_property: Figure
) -> None:
    site, programs = servers
    organization = make_organization()
    people = [make_person(organization, f"p{each}@example.co", SoftwareKey.make()) for each in range(LOGINS)]
    told, over = Told(), Event()
    with ThreadPoolExecutor(AT_ONCE + 1) as threads:
        signing = [threads.submit(sign_in, site.url, each, sink=smtp_sink, told=told) for each in people]
        threads.submit(lambda: [each.result() for each in signing] and over.set())
        killed = kill_in_turn(programs, over=over)
        seconds = sorted(each.result() for each in signing)
    connections["default"].close()
    record_property("killed", dict(killed))
    record_property("answers", dict(told.statuses))
    record_property("seconds", [round(each, 1) for each in (seconds[0], seconds[len(seconds) // 2], seconds[-1])])
    nothing_is_untrue(site, people, told)
    nothing_is_doubled(people, smtp_sink)
    nothing_is_lost(people, smtp_sink, told)
    if SOAK:
        assert min(killed.values()) == KILLS


def nothing_is_untrue(site: Site, people: list[Person], told: Told) -> None:
    """Every token stands for a session, every session for an event, and whoever was told of success is signed in."""
    for person in people:
        answer = send(
            site.url, Call(path="/auth/credentials", body={}, method="GET", bearer=told.tokens[person.account.username])
        )
        assert answer.status == 200, answer
    opened = AuditEvent.objects.filter(kind=AuditKind.SIGNED_IN).values_list("account", flat=True)
    assert Counter(opened) == Counter(Session.objects.values_list("account", flat=True))


def nothing_is_doubled(people: list[Person], sink: SmtpSink) -> None:
    """An email that was repeated has the same code: a person never has more codes than rows."""
    for person in people:
        username = person.account.username
        codes = {mail.code for mail in sink.of(username) if mail.code}
        assert len(codes) <= OneTimeCode.objects.filter(recipient=username).count()


def nothing_is_lost(people: list[Person], sink: SmtpSink, told: Told) -> None:
    """Whoever was promised a code has a row, and its email was sent."""

    def undelivered() -> set[str]:
        return {person.account.username for person in people if not sink.of(person.account.username)}

    wait_until(lambda: not undelivered(), seconds=90)
    rows = OneTimeCode.objects.all()
    assert {each.recipient for each in rows} >= set(told.promised)
    unsent = rows.exclude(delivery__in=[DeliveryState.SENT, DeliveryState.EXPIRED_UNSENT])
    wait_until(lambda: not unsent.filter(closed_at__isnull=True).exists(), seconds=90)
