"""The probe of the database: the server, the tables, and what waits in them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from dfns_login.doctor.results import MAX_DRIFT, Clock, Finding, Level, bad, good
from dfns_login.models import AuditEvent, AuditLink, OneTimeCode, Organization, SpentToken
from dfns_login.organizations import public_url_of
from dfns_login.proofs import undecryptable_keys
from dfns_login.purge import SPENT_TOKEN_MARGIN
from dfns_login.settings import login_settings

TASK_REMEDY: Final = "Check that beat runs dfns_login.{} (BEAT_SCHEDULE), and look for errors in the worker's log."
MAX_WAIT: Final = timedelta(minutes=1)
BACKLOG_COUNTED: Final = 1000
ENCRYPTED_SAMPLE: Final = 50
ORGANIZATIONS_SAMPLE: Final = 1000


def probe_database(clock: Clock) -> Iterator[Finding]:
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
    yield from _links()


def _pooler(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    """Report settings that fail behind a pooler such as PgBouncer, which answers with a process id of its own.

    A system check reports prepared statements (`dfns_login.W010`).
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
            f"The at_rest ring cannot decrypt {len(undecryptable)} of up to {ENCRYPTED_SAMPLE} sampled keys: "
            f"{', '.join(undecryptable[:3])}.",
            remedy="Put the removed key back into the ring, then run `manage.py dfns reencrypt`.",
        )
    return good("encrypted keys", "The at_rest ring decrypts a sample of the encrypted keys.")


def _links() -> Iterator[Finding]:
    """Report an organization whose emails cannot be sent because of `PUBLIC_URL_FOR_ORGANIZATION`."""
    if not login_settings().public_url_for_organization:
        return
    for each in Organization.objects.filter(active=True)[:ORGANIZATIONS_SAMPLE]:
        try:
            public_url_of(each)
        except ImproperlyConfigured as error:
            yield bad("links", str(error), remedy="No email of this organization is sent. Add the origin to ORIGINS.")
            return
        except Exception as error:  # noqa: BLE001  a callable of the project's
            message = f"PUBLIC_URL_FOR_ORGANIZATION fails for {each.pk}: {type(error).__name__}."
            yield bad("links", message, remedy="No email of this organization is sent. Correct the function.")
            return
    yield good("links", "Each organization's links lead to one of ORIGINS.")
