"""Celery: thin calls into delivery and purge. A message carries at most a row id."""

import logging
from collections.abc import Iterable
from functools import partial
from itertools import takewhile
from typing import Final

from celery import Task, shared_task
from django.core.cache import caches
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from dfns_login import purge
from dfns_login.audit import log_outage
from dfns_login.delivery import outbox
from dfns_login.models import Notice, OneTimeCode

logger = logging.getLogger(__name__)

SWEPT_AT_KEY: Final = "dfns_login:swept-at"
"""Cache key of the last sweep's time in seconds since the epoch, for `dfns doctor`."""
SWEPT_AT_TTL: Final = 3600
WAKE_UP_TTL: Final = 3600
"""Seconds after which a wake-up that no worker took is dropped; the sweep has long replaced it."""


@shared_task(name="dfns_login.deliver_code", ignore_result=True)
def deliver_code(pk: int) -> None:
    """Mail the code of this row, if it is still to be mailed."""
    outbox.deliver_code(pk, now=timezone.now())


@shared_task(name="dfns_login.deliver_notice", ignore_result=True)
def deliver_notice(pk: int) -> None:
    """Mail the notice of this event, if it is still to be mailed."""
    outbox.deliver_notice(pk, now=timezone.now())


@shared_task(name="dfns_login.sweep", ignore_result=True)
def sweep() -> None:
    """Close what is expired, and hand over what is due and was lost on the way."""
    now = timezone.now()
    purge.close_expired_codes(now=now)
    codes = _hand_over(deliver_code, outbox.due_codes(now=now))
    OneTimeCode.objects.hold_back(ids=codes, until=now + outbox.HANDED_OVER, now=now)
    notices = _hand_over(deliver_notice, outbox.due_notices(now=now))
    Notice.objects.hold_back(ids=notices, until=now + outbox.HANDED_OVER, now=now)
    if codes or notices:
        logger.info("swept %d due codes and %d due notices", len(codes), len(notices))
    try:
        caches["default"].set(SWEPT_AT_KEY, int(now.timestamp()), SWEPT_AT_TTL)
    except (RedisError, OSError) as error:
        log_outage("cache", error=error)


@shared_task(name="dfns_login.purge", ignore_result=True)
def purge_outdated() -> None:
    """Delete what is past its retention."""
    purge.purge(now=timezone.now())


def wake_delivery(pk: int) -> None:
    """Tell a worker, once the row is committed, that a code is to be mailed. Does not fail: the sweep finds the row."""
    transaction.on_commit(partial(_send_wake_up, deliver_code, pk), robust=True)


def wake_notice(pk: int) -> None:
    """The same of a notice."""
    transaction.on_commit(partial(_send_wake_up, deliver_notice, pk), robust=True)


def _hand_over(task: Task, ids: Iterable[int]) -> list[int]:
    """Wake a worker for each row, until the broker is out of reach. Returns those that were handed over."""
    return list(takewhile(partial(_send_wake_up, task), ids))


def _send_wake_up(task: Task, pk: int) -> bool:
    try:
        task.apply_async(args=[pk], retry=False, ignore_result=True, expires=WAKE_UP_TTL)
    except (OperationalError, RedisError, OSError) as error:
        log_outage("broker", error=error)
        return False
    return True
