"""The probes of `dfns doctor`: one per service.

No finding contains a secret. The only thing written is a short-lived counter in the cache. The cache is read with
`incr` alone, because `get` may unpickle what somebody else stored there.
"""

import contextlib
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from celery import current_app
from django.conf import settings
from django.core import mail
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.smtp import EmailBackend

from dfns_login.delivery import MISSING_APP, has_celery_app, missing_lines
from dfns_login.doctor.database import probe_database
from dfns_login.doctor.results import MAX_DRIFT, Clock, Finding, Level, Probe, bad, good
from dfns_login.key_rings import key_ids
from dfns_login.limits import CacheFlaw, flaw_of
from dfns_login.tasks import SWEPT_AT_KEY

PING_SECONDS: Final = 1.5
MAX_SWEEP_AGE: Final = timedelta(minutes=2)  # cron starts one every minute
COUNTERS: Final = 4
COUNTS: Final = 25
COUNTER_TTL: Final = 30


def _keys(_clock: Clock) -> Iterator[Finding]:
    try:
        rings = key_ids()
    except ImproperlyConfigured as error:
        yield bad(
            "keys",
            str(error),
            remedy="Set the rings that this database was used with. Only an empty database may get new ones.",
        )
        return
    counts = ", ".join(f"{name} {len(ids)}" for name, ids in rings.items())
    yield good("keys", f"All rings are valid: {counts}.")


def _cache(clock: Clock) -> Iterator[Finding]:
    alias = getattr(settings, "RATELIMIT_USE_CACHE", "default")
    if flaw_of(type(caches[alias])) == CacheFlaw.NOT_SHARED:
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
    "database": probe_database,
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
