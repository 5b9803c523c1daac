"""Celery tasks: thin calls into delivery and purge. No message has an argument."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from celery import current_app, shared_task
from django.db import connections, router
from django.utils import timezone
from kombu.connection import Connection

from dfns_login import purge
from dfns_login.audit import log_outage
from dfns_login.audit_chain import chain_events
from dfns_login.delivery import WakeUps, deliver_due
from dfns_login.limits import CacheDown, clear_flag, set_flag, store_number
from dfns_login.models import OneTimeCode, transaction

logger = logging.getLogger(__name__)

SWEPT_AT_KEY: Final = "dfns_login:swept-at"
"""Cache key of the last sweep's time in seconds since the epoch, for `dfns doctor`."""
SWEPT_AT_TTL: Final = 3600
WOKEN_KEY: Final = "dfns_login:woken"
"""Cache key that is set while a wake-up waits for a worker."""
WOKEN_TTL: Final = 2
"""Seconds after which a wake-up counts as lost."""
MESSAGE_TTL: Final = 3600
"""Seconds after which a message is dropped, whichever scheduler sent it.

Much longer than clocks may differ; the sweep has long replaced it."""


@shared_task(name="dfns_login.deliver", ignore_result=True, expires=MESSAGE_TTL)
def deliver() -> None:
    """Send the emails that are due, the most urgent first."""
    _forget_wake_up()
    if deliver_due(clock=database_clock(), on_full_batch=wake_ups.request):
        wake_ups.request()


@shared_task(name="dfns_login.sweep", ignore_result=True, expires=MESSAGE_TTL)
def sweep() -> None:
    """Close expired codes, and send what is due: retries, and emails whose wake-up or worker was lost."""
    start_sweep(now=database_clock()())
    deliver()


def start_sweep(*, now: datetime) -> int:
    """Close expired codes, and record the time for `dfns doctor`. Returns how many codes were closed."""
    closed = purge.close_expired_codes(now=now)
    if closed:
        logger.info("sweep closed %d expired codes", closed)
    try:
        store_number(SWEPT_AT_KEY, int(now.timestamp()), seconds=SWEPT_AT_TTL)
    except CacheDown as error:
        log_outage("cache", error=error.reason)
    return closed


@shared_task(name="dfns_login.purge", ignore_result=True, expires=MESSAGE_TTL)
def purge_expired() -> None:
    """Delete rows past their retention."""
    purge.purge(now=database_clock()())


@shared_task(name="dfns_login.chain", ignore_result=True, expires=MESSAGE_TTL)
def chain() -> None:
    """Extend the chain over the events that were added to the audit trail."""
    chain_events(now=database_clock()())


def wake_delivery() -> None:
    """Wake a worker after the commit. Never fails, never waits: without a wake-up, the sweep sends the email."""
    transaction.on_commit(_wake_up)


def database_clock() -> Callable[[], datetime]:
    """Return a clock that is set by the database's, so that leases hold between hosts whose clocks differ."""
    connection = connections[router.db_for_write(OneTimeCode)]
    if connection.vendor != "postgresql":
        return timezone.now
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        offset = cursor.fetchone()[0] - timezone.now()
    return lambda: timezone.now() + offset


def _wake_up() -> None:
    if current_app.conf.task_always_eager:
        deliver()
    else:
        wake_ups.request()


def _send_wake_up(broker: Connection) -> None:
    """Send a wake-up, unless one waits for a worker already."""
    if _is_first_wake_up():
        try:
            deliver.apply_async(connection=broker, retry=False, ignore_result=True, expires=MESSAGE_TTL)
        except Exception:
            _forget_wake_up()
            raise


def _report_broker(error: Exception) -> None:
    log_outage("broker", error=error)


wake_ups: Final = WakeUps(_send_wake_up, on_failure=_report_broker)


def _is_first_wake_up() -> bool:
    try:
        return set_flag(WOKEN_KEY, seconds=WOKEN_TTL)
    except CacheDown as error:
        log_outage("cache", error=error.reason)
        return True


def _forget_wake_up() -> None:
    """Let the next wake-up through. Called before looking for due emails, so that none is missed."""
    try:
        clear_flag(WOKEN_KEY)
    except CacheDown as error:
        log_outage("cache", error=error.reason)
