"""Sending one email: the steps that codes and notices share."""

import logging
import re
import traceback
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Generic

from django.core.mail import EmailMessage

from dfns_login.delivery.mail_server import Failure, MailServer, describe
from dfns_login.models import Account, DeliveryState, OutboxQuerySet
from dfns_login.models.outbox import Row

logger = logging.getLogger(__name__)

FIRST_BACKOFF: Final = timedelta(seconds=5)
LONGEST_BACKOFF: Final = timedelta(minutes=30)


class NotSendable(Exception):
    """The email can't be sent now. next_try_at: when it is due again."""

    def __init__(self, reason: str, *, next_try_at: datetime) -> None:
        super().__init__(reason)
        self.next_try_at = next_try_at


class Emails(ABC, Generic[Row]):
    """A kind of email, and the steps to deliver one."""

    rows: ClassVar[OutboxQuerySet[Any]]

    @abstractmethod
    def read(self, taken: Sequence[int]) -> list[Row]:
        """Read the leased rows that are still to be sent, with what the emails are made of."""

    @abstractmethod
    def account_of(self, row: Row, *, now: datetime) -> Account | None:
        """Return the account to email, if there is one."""

    @abstractmethod
    def name_of(self, row: Row) -> str:
        """Return what kind of email it is, for monitoring."""

    @abstractmethod
    def requested_at(self, row: Row) -> datetime:
        """Return when the email was requested."""

    @abstractmethod
    def message(self, row: Row, account: Account, *, now: datetime) -> EmailMessage:
        """Compose the email. Raises: NotSendable."""

    def send(self, row: Row, account: Account, *, server: MailServer, now: datetime) -> Failure | None:
        """Compose and send the email. Return why it was not accepted, or None. Raises: NotSendable."""
        return self.email(self.message(row, account, now=now), account, server=server, now=now)

    def email(self, message: EmailMessage, account: Account, *, server: MailServer, now: datetime) -> Failure | None:
        """Send the email, and record whether the server refuses the account's address for good."""
        failure = server.send(message)
        if failure is not None and failure.final:
            Account.objects.record_email_refused(account=account, at=now)
        elif failure is None and account.email_refused_at is not None:
            Account.objects.record_email_refused(account=account, at=None)
        return failure

    def record_sent(self, row: Row, account: Account, *, now: datetime) -> None:
        """Record that the server accepted the email."""
        self.rows.record_sent(row, now=now)

    def record_failed(self, row: Row, account: Account, *, error: str, next_try_at: datetime) -> None:
        """Record the error and the next try."""
        self.rows.record_failed(row, error=error, next_try_at=next_try_at)

    def record_refused(self, row: Row, account: Account, *, error: str, now: datetime) -> None:
        """Record that the server refuses the email for good."""
        self.rows.record_refused(row, error=error, now=now)

    def redacted(self, row: Row, error: str) -> str:
        """Return the server's answer without anything secret."""
        return error

    def deliver(self, row: Row, *, server: MailServer, now: datetime) -> DeliveryState:
        """Send the email of a leased row, record the outcome in the row, and return it."""
        if row.expires_at <= now:
            return DeliveryState.EXPIRED_UNSENT
        account = self.account_of(row, now=now)
        if account is None:
            self.rows.record_no_recipient(row, now=now)
            return DeliveryState.NO_RECIPIENT
        try:
            failure = self.send(row, account, server=server, now=now)
        except NotSendable as refusal:
            self.record_failed(row, account, error=str(refusal), next_try_at=refusal.next_try_at)
            return DeliveryState.FAILED
        except Exception as error:  # noqa: BLE001  such as of a project's own template; the other emails are still sent
            # not the error's text: a template's error may quote its context, and so the code
            where = "".join(traceback.format_tb(error.__traceback__))
            logger.error("email of %s could not be composed: %s\n%s", row, type(error).__name__, where)  # noqa: TRY400
            self.record_failed(row, account, error=describe(error), next_try_at=now + backoff(row.tries))
            return DeliveryState.FAILED
        return self._record(failure, row, account, now=now)

    def _record(self, failure: Failure | None, row: Row, account: Account, *, now: datetime) -> DeliveryState:
        if failure is None:
            self.record_sent(row, account, now=now)
            return DeliveryState.SENT
        answer = self.redacted(row, failure.answer)
        if failure.final:
            self.record_refused(row, account, error=answer, now=now)
            return DeliveryState.REFUSED
        self.record_failed(row, account, error=answer, next_try_at=now + backoff(row.tries))
        return DeliveryState.FAILED


def backoff(tries: int) -> timedelta:
    """Time until the next try: 5 s, 10 s, 20 s … 30 min. An email that fails all day is tried about 55 times."""
    factor: int = 2 ** (min(tries, 12) - 1)
    return min(FIRST_BACKOFF * factor, LONGEST_BACKOFF)


def without_code(text: str, code: str) -> str:
    """Return the text with every group of the code removed; a server may quote the email in any format."""
    return re.sub("|".join(code.split("-")), "…", text, flags=re.IGNORECASE)
