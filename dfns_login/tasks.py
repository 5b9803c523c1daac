"""Celery: thin calls into delivery and purge. A message carries at most a row id."""

import logging
from functools import partial
from typing import Final

from celery import shared_task
from django.core.cache import caches
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from dfns_login import delivery, purge
from dfns_login.audit import note_outage
from dfns_login.models import OneTimeCode

logger = logging.getLogger(__name__)

SWEPT_AT_KEY: Final = "dfns_login:swept-at"
"""Cache key under which the sweep leaves its time, for `dfns doctor`."""
SWEPT_AT_TTL: Final = 3600
WAKE_UP_TTL: Final = 3600
"""Seconds after which a wake-up that no worker took is dropped; the sweep has long replaced it."""


@shared_task(name="dfns_login.deliver_code", ignore_result=True)
def deliver_code(pk: int) -> None:
    """Mail the code of this row, if it is still to be mailed."""
    delivery.deliver_code(pk, now=timezone.now())


@shared_task(name="dfns_login.sweep", ignore_result=True)
def sweep() -> None:
    """Close what is expired, and hand over what is due and was lost on the way."""
    now = timezone.now()
    purge.close_expired_codes(now=now)
    handed_over = []
    for pk in delivery.due_codes(now=now):
        if not _send_wake_up(pk):
            break
        handed_over.append(pk)
    if handed_over:
        OneTimeCode.objects.hold_back(ids=handed_over, until=now + delivery.HANDED_OVER, now=now)
        logger.info("swept %d due codes", len(handed_over))
    try:
        caches["default"].set(SWEPT_AT_KEY, now.isoformat(), SWEPT_AT_TTL)
    except (RedisError, OSError) as error:
        note_outage("cache", error=error)


@shared_task(name="dfns_login.purge", ignore_result=True)
def purge_outdated() -> None:
    """Delete what is past its retention."""
    purge.purge(now=timezone.now())


def wake_delivery(pk: int) -> None:
    """Tell a worker, once the row is committed, that it is to be mailed. Does not fail: the sweep finds the row."""
    transaction.on_commit(partial(_send_wake_up, pk), robust=True)


def _send_wake_up(pk: int) -> bool:
    try:
        deliver_code.apply_async(args=[pk], retry=False, ignore_result=True, expires=WAKE_UP_TTL)
    except (OperationalError, RedisError, OSError) as error:
        note_outage("broker", error=error)
        return False
    return True
