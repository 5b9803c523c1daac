"""Delivery from the outbox: what is due, the most urgent first, in small leased batches.

A wake-up means "send what is due" and names no row. Celery retries nothing: a
failed email is due again later, by its row. If a worker is killed, its leases
end, and the next worker sends the same codes.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

from dfns_login.delivery.codes import CodeEmails
from dfns_login.delivery.lease import LEASE, Clock, KeptLease
from dfns_login.delivery.mail_server import MailServer
from dfns_login.delivery.notices import NoticeEmails
from dfns_login.delivery.sending import Emails
from dfns_login.models import Notice, OneTimeCode, OutboxQuerySet
from dfns_login.signals import email_handled

BATCH_SIZE: Final = 20
BATCH_TIME: Final = timedelta(seconds=1)
"""After this time the rest of a batch is given back, so that nothing more urgent waits for it."""
RUN_TIME: Final = timedelta(seconds=5)
"""After this time a run ends, so that the worker gets to its other tasks."""


def deliver_due(*, clock: Clock, on_full_batch: Callable[[], object] = lambda: None) -> bool:
    """Send the emails that are due, for about `RUN_TIME`. Returns whether more may be due.

    on_full_batch: called while there is more to send than one batch, to involve other workers.
    """
    end = clock() + RUN_TIME
    while clock() < end:
        emails, taken = _take(clock)
        if len(taken) == BATCH_SIZE:
            on_full_batch()
        if not taken or not _deliver(emails, taken, clock=clock):
            return False
    return True


def _lanes(clock: Clock) -> Iterator[tuple[Emails[Any], OutboxQuerySet[Any]]]:
    """Yield what is due, the most urgent first. Retries of codes come after codes that haven't failed yet."""
    codes, notices = OneTimeCode.objects.due(now=clock()), Notice.objects.due(now=clock())
    yield CodeEmails(), codes.awaited().filter(last_error="")
    yield CodeEmails(), codes.awaited()
    yield NoticeEmails(), notices
    yield CodeEmails(), codes


def _take(clock: Clock) -> tuple[Emails[Any], list[int]]:
    for emails, due in _lanes(clock):
        if taken := due.order_by("next_try_at").take(limit=BATCH_SIZE, until=clock() + LEASE):
            return emails, taken
    return CodeEmails(), []


def _deliver(emails: Emails[Any], taken: list[int], *, clock: Clock) -> bool:
    """Send a batch over one connection. Returns false if the mail server is unreachable."""
    rows = emails.read(taken)
    if not rows:  # closed in the meantime
        return True
    give_back_at = clock() + BATCH_TIME
    with MailServer() as server, KeptLease(emails.rows, rows, clock=clock, on_overtime=server.abort) as lease:
        for position, row in enumerate(rows):
            if position and clock() > give_back_at:
                emails.rows.give_back(rows[position:], now=clock())
                break
            lease.start_email()
            outcome = emails.deliver(row, server=server, now=clock())
            waited = max(clock() - emails.requested_at(row), timedelta(0))  # another host's clock may be ahead
            email_handled.send_robust(sender=None, email=emails.name_of(row), outcome=outcome, waited=waited)
        return not server.unreachable
