"""The probes of `dfns doctor`: one per service.

No finding contains a secret. The only thing written is a short-lived counter in the cache. The cache is read with
`incr` alone, because `get` may unpickle what somebody else stored there.
"""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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

from dfns_login.delivery import MISSING_APP, has_celery_app, missing_lines
from dfns_login.key_rings import key_ids
from dfns_login.models import AuditEvent, AuditLink, OneTimeCode, SpentToken
from dfns_login.proofs import undecryptable_keys
from dfns_login.purge import SPENT_TOKEN_MARGIN
from dfns_login.tasks import SWEPT_AT_KEY

PING_SECONDS: Final = 1.5
MAX_SWEEP_AGE: Final = timedelta(minutes=2)  # cron starts one every minute
TASK_REMEDY: Final = "Check that beat runs dfns_login.{} (BEAT_SCHEDULE), and look for errors in the worker's log."
MAX_WAIT: Final = timedelta(minutes=1)
BACKLOG_COUNTED: Final = 1000
MAX_DRIFT: Final = timedelta(seconds=2)
ENCRYPTED_SAMPLE: Final = 50
COUNTERS: Final = 4
COUNTS: Final = 25
COUNTER_TTL: Final = 30


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result for one thing that was examined. remedy: what to do if something is wrong."""

    name: str
    level: Level
    message: str
    remedy: str = ""


Clock = Callable[[], datetime]
Probe = Callable[[Clock], Iterator[Finding]]


def good(name: str, message: str) -> Finding:
    return Finding(name=name, level=Level.OK, message=message)


def bad(name: str, message: str, *, remedy: str) -> Finding:
    return Finding(name=name, level=Level.ERROR, message=message, remedy=remedy)


def _keys(_clock: Clock) -> Iterator[Finding]:
    try:
        rings = key_ids()
    except ImproperlyConfigured as error:
        yield bad("keys", str(error), remedy="Generate rings with `manage.py dfns keys`.")
        return
    counts = ", ".join(f"{name} {len(ids)}" for name, ids in rings.items())
    yield good("keys", f"All rings are valid: {counts}.")


def _database(clock: Clock) -> Iterator[Finding]:
    connection: BaseDatabaseWrapper = connections[router.db_for_write(OneTimeCode)]
    if connection.vendor not in {"postgresql", "sqlite"}:
        yield bad("database", f"{connection.display_name} is not supported.", remedy="Use PostgreSQL or SQLite.")
        return
    connection.ensure_connection()
    version = ".".join(map(str, connection.get_database_version()))
    yield good("database", f"{connection.display_name} {version} is reachable.")
    yield _drift(connection, clock=clock)
    yield from _pooler(connection)
    executor = MigrationExecutor(connection)
    missing = [
        f"{each.app_label}.{each.name}" for each, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())
    ]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        yield bad("migrations", f"Unapplied: {missing[0]}{more}.", remedy="Run `manage.py migrate`.")
        return
    yield good("migrations", "All migrations are applied.")
    yield _one_open_index(connection)
    yield from _backlog(clock=clock)
    yield _chain(now=clock())
    yield _purge(now=clock())
    yield _encrypted_keys()


def _pooler(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    """Report settings that fail behind a pooler such as PgBouncer, which answers with a process id of its own.

    A check tells of prepared statements (`dfns_login.W010`).
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        server = int(cursor.fetchone()[0])
    if connection.connection.info.backend_pid == server:
        return
    conf = connection.settings_dict
    unfit = [name for name in ("assume_role", "pool") if conf["OPTIONS"].get(name)]
    if not conf.get("DISABLE_SERVER_SIDE_CURSORS"):
        unfit.append("DISABLE_SERVER_SIDE_CURSORS=False")
    message = "A pooler such as PgBouncer is in front of PostgreSQL"
    if not unfit:
        yield good("pooler", f"{message}.")
        return
    message = f"{message}, but DATABASES has {', '.join(unfit)}."
    remedy = "In transaction mode, set DISABLE_SERVER_SIDE_CURSORS to True, and leave the others out of OPTIONS."
    yield Finding(name="pooler", level=Level.WARNING, message=message, remedy=remedy)


def _drift(connection: BaseDatabaseWrapper, *, clock: Clock) -> Finding:
    if connection.vendor == "sqlite":
        return good("clock", "The database uses this host's clock.")
    with connection.cursor() as cursor:
        before = clock()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        there = float(cursor.fetchone()[0])
        after = clock()
    drift = there - (before.timestamp() + after.timestamp()) / 2
    message = f"The database's clock is {abs(drift):.1f} seconds {'ahead of' if drift > 0 else 'behind'} this host's."
    if abs(drift) <= MAX_DRIFT.total_seconds():
        return good("clock", message)
    return bad("clock", message, remedy="Run NTP on every host. Expiry times depend on each host's clock.")


def _one_open_index(connection: BaseDatabaseWrapper) -> Finding:
    wanted = {each.name for each in OneTimeCode._meta.constraints if isinstance(each, models.UniqueConstraint)}
    with connection.cursor() as cursor:
        there = connection.introspection.get_constraints(cursor, OneTimeCode._meta.db_table)
    missing = sorted(name for name in wanted if name not in there or not there[name]["unique"])
    if missing:
        return bad(
            "one open code",
            f"The unique index {missing[0]} is missing, so a recipient could have several open codes.",
            remedy="Recreate it as defined in the migrations.",
        )
    return good("one open code", "The unique index that allows one open code per recipient exists.")


def _backlog(*, clock: Clock) -> Iterator[Finding]:
    now = clock()
    late = OneTimeCode.objects.overdue(since=now - MAX_WAIT, now=now)[:BACKLOG_COUNTED].count()
    if late:
        number = f"{late}{' or more' if late == BACKLOG_COUNTED else ''}"
        yield bad(
            "delivery",
            f"Codes waiting for over a minute to be emailed: {number}.",
            remedy="Check the worker, the sweep and the mail server, and look at the codes in the admin.",
        )
    else:
        yield good("delivery", "No code has been waiting for over a minute to be emailed.")


def _chain(*, now: datetime) -> Finding:
    last = AuditLink.objects.order_by("-position").first()
    chained = models.Exists(AuditLink.objects.filter(event=models.OuterRef("pk")))
    late = AuditEvent.objects.filter(~chained, pk__gt=last.event if last else 0, at__lte=now - timedelta(minutes=5))
    if late.exists():
        message = "Events have waited for over five minutes to be chained. Changes to them are not noticed."
        return bad("audit chain", message, remedy=TASK_REMEDY.format("chain"))
    return good("audit chain", "Covers all events but the newest.")


def _purge(*, now: datetime) -> Finding:
    if SpentToken.objects.filter(expires_at__lte=now - SPENT_TOKEN_MARGIN - timedelta(hours=1)).exists():
        return bad("purge", "Has not run for over an hour.", remedy=TASK_REMEDY.format("purge"))
    return good("purge", "Nothing is overdue.")


def _encrypted_keys() -> Finding:
    undecryptable = undecryptable_keys(sample=ENCRYPTED_SAMPLE)
    if undecryptable:
        return bad(
            "encrypted keys",
            f"The at_rest ring cannot decrypt {len(undecryptable)} of {ENCRYPTED_SAMPLE} sampled keys: "
            f"{', '.join(undecryptable[:3])}.",
            remedy="Put the removed key back into the ring, then run `manage.py dfns reencrypt`.",
        )
    return good("encrypted keys", "The at_rest ring decrypts a sample of the encrypted keys.")


def _cache(clock: Clock) -> Iterator[Finding]:
    alias = getattr(settings, "RATELIMIT_USE_CACHE", "default")
    if isinstance(caches[alias], LocMemCache | DummyCache):
        yield bad("cache", "Not shared between processes, so rate limits do not work.", remedy="Use Redis or Valkey.")
        return
    key = f"dfns_login:doctor:{secrets.token_hex(8)}"
    if not caches[alias].add(key, 0, COUNTER_TTL) or caches[alias].add(key, 0, COUNTER_TTL):
        yield bad("cache", "Added values are not kept.", remedy=REMEDIES["cache"])
        return

    def count() -> None:
        with contextlib.suppress(Exception):  # missing counts are reported below
            for _ in range(COUNTS):
                caches[alias].incr(key)

    counters = [threading.Thread(target=count, daemon=True) for _ in range(COUNTERS)]
    for each in counters:
        each.start()
    for each in counters:
        each.join()
    if (counted := caches[alias].incr(key, 0)) != COUNTERS * COUNTS:
        message = f"Counting is not atomic: {COUNTERS * COUNTS} increments in {COUNTERS} threads gave {counted}."
        yield bad("cache", message, remedy="Use Redis or Valkey.")
    else:
        yield good("cache", "Reachable, and counts atomically.")
    yield from _sweep(clock)


def _sweep(clock: Clock) -> Iterator[Finding]:
    remedy = "Check that Celery beat runs with BEAT_SCHEDULE, and that the workers use this cache."
    try:
        swept_at = caches["default"].incr(SWEPT_AT_KEY, 0)
    except ValueError:
        yield bad("sweep", "Has not run within the last hour.", remedy=remedy)
        return
    age = clock() - datetime.fromtimestamp(swept_at, tz=UTC)
    if age > MAX_SWEEP_AGE:
        yield bad("sweep", f"Last ran {age.total_seconds():.0f} seconds ago.", remedy=remedy)
    elif age < -MAX_DRIFT:
        message = f"A worker's clock is {-age.total_seconds():.0f} seconds ahead of this host's."
        yield bad("sweep", message, remedy="Run NTP on every host.")
    else:
        yield good("sweep", f"Ran {max(age.total_seconds(), 0):.0f} seconds ago.")


def _worker(_clock: Clock) -> Iterator[Finding]:
    if not has_celery_app():
        yield bad("worker", MISSING_APP, remedy=missing_lines())
        return
    with current_app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=PING_SECONDS)
        yield good("broker", "Reachable.")
        workers = current_app.control.ping(timeout=PING_SECONDS, connection=connection)
    if workers:
        number = f"{len(workers)} worker{'s' if len(workers) > 1 else ''}"
        yield good("worker", f"{number} responded.")
    else:
        yield bad("worker", "No worker responded, so no email is sent.", remedy="Start one: `celery --app=… worker`.")


def _mail(_clock: Clock) -> Iterator[Finding]:
    mailers = getattr(mail, "mailers", None)  # from Django 6.1 on
    backend = mailers["default"] if mailers else mail.get_connection()
    kind = f"{type(backend).__module__}.{type(backend).__qualname__}"
    development = kind.startswith("django.core.mail.backends.") and not isinstance(backend, EmailBackend)
    if development and not settings.DEBUG:
        message = f"{kind} does not send email."
        yield Finding(name="mail", level=Level.WARNING, message=message, remedy="Configure a mail server.")
    elif development:
        yield good("mail", f"{kind} does not send email, which is fine in development.")
    else:
        backend.open()
        backend.close()
        yield good("mail", "The mail server accepts connections.")


PROBES: Final[dict[str, Probe]] = {
    "keys": _keys,
    "database": _database,
    "cache": _cache,
    "broker": _worker,
    "mail": _mail,
}
REMEDIES: Final = {
    "keys": "Check DFNS_LOGIN['KEYS'] with `manage.py dfns keys --list`.",
    "database": "Check that the database is running and that DATABASES is correct. Try `manage.py dbshell`.",
    "cache": "Check that the cache server is running and that CACHES is correct.",
    "broker": "Check that the broker is running and that Celery's broker URL is correct.",
    "mail": "Check that the mail server is running and that its address, user and password are correct.",
}
