"""System checks of `check --deploy` on the backends that the app uses: cache, Celery and mail.

| id | problem |
| --- | --- |
| `dfns_login.E023` | the cache is not shared between processes |
| `dfns_login.W023` | the cache does not count atomically |
| `dfns_login.W024` | the cache has no timeouts |
| `dfns_login.W030` | Celery sends or accepts more than JSON |
| `dfns_login.W031` | Celery has a result backend |
| `dfns_login.W032` | Celery has no timeouts for its broker |
| `dfns_login.W033` | Celery beat does not run the sweep |
| `dfns_login.W034` | Celery runs tasks inside the request |
| `dfns_login.W035` | the project has no Celery app |
| `dfns_login.W040` | the email timeout is longer than a worker's lease |
| `dfns_login.W041` | the email backend keeps emails, and so codes, in a queue of its own |
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from celery import current_app
from django.conf import settings
from django.core.cache.backends.dummy import DummyCache
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004  as Django names it
from django.core.mail.backends.smtp import EmailBackend
from django.utils.module_loading import import_string

from dfns_login.delivery import MISSING_APP, SEND_LIMIT, has_celery_app, missing_lines
from dfns_login.limits import CacheFlaw, flaw_of, waits_are_bounded
from dfns_login.settings import LoginSettings

QUEUES: Final = ("django_mail_queue", "djcelery_email", "mailer", "mailqueue", "post_office")
"""Packages whose email backends store emails for a process of theirs."""


def check_cache(_conf: LoginSettings) -> Iterator[CheckMessage]:
    alias = getattr(settings, "RATELIMIT_USE_CACHE", "default")
    given: Mapping[str, Any] = settings.CACHES.get(alias, {})
    backend = import_string(given["BACKEND"]) if "BACKEND" in given else DummyCache
    hint = "Rate limits are counted in this cache by all processes. Use Redis or Valkey."
    flaw = flaw_of(backend)
    if flaw == CacheFlaw.NOT_SHARED:
        yield Error(f"The cache {alias!r} is not shared between processes.", hint=hint, id="dfns_login.E023")
    elif flaw == CacheFlaw.NOT_ATOMIC:
        yield Warning(f"The cache {alias!r} does not count atomically.", hint=hint, id="dfns_login.W023")
    elif not waits_are_bounded() and not any("timeout" in name.lower() for name in given.get("OPTIONS", {})):
        hint = "A call that hangs keeps a thread, even when the cache is back. Set timeouts in its OPTIONS."
        yield Warning(f"The cache {alias!r} has no timeouts.", hint=hint, id="dfns_login.W024")


def check_celery(_conf: LoginSettings) -> Iterator[CheckMessage]:
    if not has_celery_app():
        yield Warning(MISSING_APP, hint=missing_lines(), id="dfns_login.W035")
        return
    celery = current_app.conf
    if celery.task_serializer != "json" or set(celery.accept_content) - {"json", "application/json"}:
        hint = "Anybody who can write to the broker can run code in a worker that accepts pickle (CVE-2021-23727)."
        yield Warning("Celery sends or accepts more than JSON.", hint=hint, id="dfns_login.W030")
    if celery.result_backend:
        hint = "The app's tasks have no results. Unset the result backend."
        yield Warning("Celery stores results.", hint=hint, id="dfns_login.W031")
    options: Mapping[str, Any] = celery.broker_transport_options
    over_redis = str(celery.broker_url or "").startswith(("redis", "valkey", "sentinel", "unix"))
    if over_redis and not (options.get("socket_timeout") and options.get("socket_connect_timeout")):
        hint = "Without them, a worker never notices a broker that hangs. Set both to 1 in broker_transport_options."
        yield Warning("Celery has no socket_timeout or socket_connect_timeout.", hint=hint, id="dfns_login.W032")
    # other schedulers, such as those that use the database, keep their schedule elsewhere
    by_settings = "PersistentScheduler" in str(celery.beat_scheduler)
    if by_settings and not any(entry.get("task") == "dfns_login.sweep" for entry in celery.beat_schedule.values()):
        hint = "Add dfns_login.settings.BEAT_SCHEDULE to CELERY_BEAT_SCHEDULE. It sends what was not sent at once."
        yield Warning("Celery beat does not run dfns_login.sweep.", hint=hint, id="dfns_login.W033")
    if celery.task_always_eager:
        hint = "Requests send email themselves, so their duration reveals which users exist."
        yield Warning("Celery runs tasks inside the request (task_always_eager).", hint=hint, id="dfns_login.W034")


def check_mail(_conf: LoginSettings) -> Iterator[CheckMessage]:
    mailers = getattr(settings, "MAILERS", None)  # from Django 6.1 on
    if mailers is None:
        backend, timeout = settings.EMAIL_BACKEND, settings.EMAIL_TIMEOUT
    else:
        given = mailers.get("default", {})
        backend, timeout = given.get("BACKEND", ""), given.get("OPTIONS", {}).get("timeout")
    over_smtp = not backend or issubclass(import_string(backend), EmailBackend)
    limit = SEND_LIMIT.total_seconds()
    if over_smtp and (timeout is None or timeout >= limit):
        yield Warning(
            "EMAIL_TIMEOUT is not set." if timeout is None else f"EMAIL_TIMEOUT is {timeout} seconds.",
            hint=f"One email may take {limit:.0f} seconds in all. Set it to 10.",
            id="dfns_login.W040",
        )
    if backend.partition(".")[0] in QUEUES:
        yield Warning(
            f"{backend} stores emails, and so codes in clear text, until another process sends them.",
            hint="A Celery worker already sends the emails. Use a backend that hands them to the mail server.",
            id="dfns_login.W041",
        )
