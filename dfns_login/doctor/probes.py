"""The probes of `dfns doctor`: each asks one service, and says what it found.

Nothing here quotes a secret, and nothing is written but a counter in the cache,
which ends by itself.
"""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from celery import current_app
from django.conf import settings
from django.core import mail
from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.smtp import EmailBackend
from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from dfns_login.key_rings import key_ids
from dfns_login.models import OneTimeCode
from dfns_login.proofs import undecryptable_keys
from dfns_login.tasks import SWEPT_AT_KEY

PING_SECONDS: Final = 1.5
SWEEP_AGE: Final = timedelta(minutes=1)
BACKLOG_AGE: Final = timedelta(minutes=1)
BACKLOG_COUNTED: Final = 1000
DRIFT: Final = timedelta(seconds=2)
SEALED_SAMPLE: Final = 50
COUNTERS: Final = 4
COUNTS: Final = 25
COUNTER_TTL: Final = 30


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. do: what helps, where something is wrong."""

    name: str
    level: Level
    says: str
    do: str = ""


Clock = Callable[[], datetime]
Probe = Callable[[Clock], Iterator[Finding]]


def good(name: str, says: str) -> Finding:
    return Finding(name=name, level=Level.OK, says=says)


def bad(name: str, says: str, *, do: str) -> Finding:
    return Finding(name=name, level=Level.ERROR, says=says, do=do)


def _keys(_clock: Clock) -> Iterator[Finding]:
    try:
        rings = key_ids()
    except ImproperlyConfigured as error:
        yield bad("keys", str(error), do="`manage.py dfns keys` makes rings, `dfns keys --list` shows what is there.")
        return
    counts = ", ".join(f"{name} {len(ids)}" for name, ids in rings.items())
    yield good("keys", f"Every ring parses: {counts}.")


def _database(clock: Clock) -> Iterator[Finding]:
    connection: BaseDatabaseWrapper = connections[router.db_for_write(OneTimeCode)]
    if connection.vendor not in {"postgresql", "sqlite"}:
        yield bad("database", f"{connection.display_name} is not supported.", do="Use PostgreSQL or SQLite.")
        return
    connection.ensure_connection()
    version = ".".join(map(str, connection.get_database_version()))
    yield good("database", f"{connection.display_name} {version} answers.")
    yield _drift(connection, clock=clock)
    executor = MigrationExecutor(connection)
    missing = [
        f"{each.app_label}.{each.name}" for each, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())
    ]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        yield bad("migrations", f"Not applied: {missing[0]}{more}.", do="Run `manage.py migrate`.")
        return
    yield good("migrations", "Every migration is applied.")
    yield _one_open_index(connection)
    yield from _backlog(clock=clock)
    yield _sealed_keys()


def _drift(connection: BaseDatabaseWrapper, *, clock: Clock) -> Finding:
    if connection.vendor == "sqlite":
        return good("clock", "The database reads this host's clock.")
    with connection.cursor() as cursor:
        before = clock()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        there = float(cursor.fetchone()[0])
        after = clock()
    drift = there - (before.timestamp() + after.timestamp()) / 2
    says = f"The database's clock is {abs(drift):.1f} seconds {'ahead of' if drift > 0 else 'behind'} this host's."
    if abs(drift) <= DRIFT.total_seconds():
        return good("clock", says)
    return bad("clock", says, do="Lifetimes are reckoned by each host's clock: run NTP on all of them.")


def _one_open_index(connection: BaseDatabaseWrapper) -> Finding:
    wanted = {each.name for each in OneTimeCode._meta.constraints if isinstance(each, models.UniqueConstraint)}
    with connection.cursor() as cursor:
        there = connection.introspection.get_constraints(cursor, OneTimeCode._meta.db_table)
    missing = sorted(name for name in wanted if name not in there or not there[name]["unique"])
    if missing:
        return bad(
            "one open code",
            f"The unique index {missing[0]} is gone: a recipient could have several open codes.",
            do="Make it again, as the migrations have it.",
        )
    return good("one open code", "The unique index that keeps one open code for each recipient is there.")


def _backlog(*, clock: Clock) -> Iterator[Finding]:
    late = OneTimeCode.objects.due(now=clock() - BACKLOG_AGE)[:BACKLOG_COUNTED].count()
    if late:
        says = f"{late}{' or more' if late == BACKLOG_COUNTED else ''} wait to be mailed for over a minute."
        yield bad("delivery", says, do="Look at worker, sweep and mail, and at the codes in the admin.")
    else:
        yield good("delivery", "No code waits to be mailed for over a minute.")


def _sealed_keys() -> Finding:
    unopened = undecryptable_keys(sample=SEALED_SAMPLE)
    if unopened:
        return bad(
            "encrypted keys",
            f"The at-rest ring cannot open {len(unopened)} of {SEALED_SAMPLE} sampled: {', '.join(unopened[:3])}.",
            do="Put the key back that has left the ring, then run `manage.py dfns reseal`.",
        )
    return good("encrypted keys", "The at-rest ring opens a sample of them.")


def _cache(clock: Clock) -> Iterator[Finding]:
    alias = getattr(settings, "RATELIMIT_USE_CACHE", "default")
    if isinstance(caches[alias], LocMemCache | DummyCache):
        yield bad("cache", "Processes do not share it, so limits do not hold.", do="Use Redis or Valkey.")
        return
    key = f"dfns_login:doctor:{secrets.token_hex(8)}"
    if not caches[alias].add(key, 0, COUNTER_TTL) or caches[alias].add(key, 0, COUNTER_TTL):
        yield bad("cache", "It does not keep what is added to it.", do=HELP["cache"])
        return

    def count() -> None:
        with contextlib.suppress(Exception):  # what is not counted is found below
            for _ in range(COUNTS):
                caches[alias].incr(key)

    counters = [threading.Thread(target=count, daemon=True) for _ in range(COUNTERS)]
    for each in counters:
        each.start()
    for each in counters:
        each.join()
    if (counted := caches[alias].get(key)) != COUNTERS * COUNTS:
        says = f"Counted {COUNTERS * COUNTS} times by {COUNTERS} at once, it says {counted}."
        yield bad("cache", says, do="Limits need a cache that counts atomically: use Redis or Valkey.")
    else:
        yield good("cache", "It answers, and counts atomically.")
    yield from _sweep(clock)


def _sweep(clock: Clock) -> Iterator[Finding]:
    do = "Beat runs `dfns_login.sweep` every ten seconds: is beat up, with BEAT_SCHEDULE, and a worker on this cache?"
    text = caches["default"].get(SWEPT_AT_KEY)
    if text is None:
        yield bad("sweep", "It has not run within the last hour.", do=do)
        return
    age = clock() - datetime.fromisoformat(text)
    if age > SWEEP_AGE:
        yield bad("sweep", f"It last ran {age.total_seconds():.0f} seconds ago.", do=do)
    elif age < -DRIFT:
        says = f"A worker's clock is {-age.total_seconds():.0f} seconds ahead of this host's."
        yield bad("sweep", says, do="Run NTP on every host.")
    else:
        yield good("sweep", f"It ran {max(age.total_seconds(), 0):.0f} seconds ago.")


def _worker(_clock: Clock) -> Iterator[Finding]:
    with current_app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=PING_SECONDS)
        yield good("broker", "It answers.")
        workers = current_app.control.ping(timeout=PING_SECONDS, connection=connection)
    if workers:
        number = f"{len(workers)} worker{'s' if len(workers) > 1 else ''}"
        yield good("worker", f"{number} answered.")
    else:
        yield bad("worker", "None answers, so nothing is mailed.", do="Start one: `celery --app=… worker`.")


def _mail(_clock: Clock) -> Iterator[Finding]:
    mailers = getattr(mail, "mailers", None)  # from Django 6.1 on
    backend = mailers["default"] if mailers else mail.get_connection()
    kind = f"{type(backend).__module__}.{type(backend).__qualname__}"
    development = kind.startswith("django.core.mail.backends.") and not isinstance(backend, EmailBackend)
    if development and not settings.DEBUG:
        yield Finding(name="mail", level=Level.WARNING, says=f"{kind} sends nothing.", do="Name a mail server.")
    elif development:
        yield good("mail", f"{kind} sends nothing, which does in development.")
    else:
        backend.open()
        backend.close()
        yield good("mail", "The mail server lets us in.")


PROBES: Final[dict[str, Probe]] = {
    "keys": _keys,
    "database": _database,
    "cache": _cache,
    "broker": _worker,
    "mail": _mail,
}
HELP: Final = {
    "keys": "See `manage.py dfns keys --list`.",
    "database": "Is it up, and is DATABASES right? Try `manage.py dbshell`.",
    "cache": "Is it up, and is CACHES right? Limits are counted in it.",
    "broker": "Is it up, and is the address of Celery's broker right?",
    "mail": "Is the mail server up, and are its address, user and password right?",
}
