"""Logins while PostgreSQL, Valkey, the web processes, the worker and the scheduler are killed again and again (R-115).

Every success is true: it is in the database. No email is repeated with another code. Every accepted request for a
code leads to an email, or its row says why not. A thousand sign-ins, and three kills of each
server. Only `make soak` runs this.
"""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from project.processes import Program
from tests.support.authenticators import SoftwareKey
from tests.support.databases import migrate, working_on
from tests.support.factories import make_organization, make_person
from tests.support.live_web import settings_environment
from tests.support.persistent_people import Told, nothing_is_doubled, nothing_is_lost, nothing_is_untrue, sign_in
from tests.support.race_calls import Figure
from tests.support.servers import PostgreSQL, Site, Valkey
from tests.support.smtp_sink import SmtpSink

LOGINS = 1000
KILLS = 3
AT_ONCE = 4
PAUSE_SECONDS = 1.5


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
    nothing_is_untrue(site.url, people, told)
    nothing_is_doubled(people, smtp_sink)
    nothing_is_lost(people, smtp_sink, told)
    assert min(killed.values()) == KILLS
