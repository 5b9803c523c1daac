"""Sending one email: the steps that codes and notices share, the connection, and the mail server's answers."""

import logging
import re
import smtplib
import socket
import traceback
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, ClassVar, Final, Generic, Self

from django.core import mail
from django.core.mail import EmailMessage

from dfns_login.audit import log_outage
from dfns_login.models import Account, DeliveryState, OutboxQuerySet
from dfns_login.models.outbox import Row

logger = logging.getLogger(__name__)

FIRST_BACKOFF: Final = timedelta(seconds=5)
LONGEST_BACKOFF: Final = timedelta(minutes=30)
SERVICE_UNAVAILABLE: Final = 421
"""SMTP reply before the server closes the connection (RFC 5321 §3.8)."""
PERMANENT: Final = 5
"""First digit of an SMTP reply that repeating the email does not change (RFC 5321 §4.2.1)."""
NOT_FINAL: Final = re.compile(r"5\.([357]\.\d|1\.[78]|2\.2)", re.ASCII)
"""Enhanced status codes of a 5yz reply that another try may get past (RFC 3463 §3): about the server, the protocol, its
policy or the sender, not about the recipient; and a full mailbox."""


class NotSendable(Exception):
    """The email can't be sent now. next_try_at: when it is due again."""

    def __init__(self, reason: str, *, next_try_at: datetime) -> None:
        super().__init__(reason)
        self.next_try_at = next_try_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an email was not accepted. final: the server refuses this recipient or this email for good."""

    answer: str = field(repr=False)
    final: bool = False


class MailServer:
    """Context manager that sends emails through the project's backend, over one connection.

    unreachable: the error, once a connection could not be opened; further emails then fail at once.
    """

    def __init__(self) -> None:
        self.unreachable = ""
        self._backend: Any = None
        self._used = False

    def send(self, message: EmailMessage) -> Failure | None:
        """Send the email. Returns why it was not accepted, or None.

        What a backend returns is not looked at: one that queues emails may return 0.
        """
        used = self._used
        try:
            self._send(message)
        except Exception as error:  # noqa: BLE001  backends raise whatever their provider raises
            if used and _is_closed(error):  # an idle connection, or one that has sent enough: try a fresh one
                return self.send(message)
            return Failure(answer=self.unreachable or describe(error), final=_is_final(error))
        return None

    def abort(self) -> None:
        """Make a call that waits for an SMTP server fail. Called from another thread."""
        client = getattr(self._backend, "connection", None)
        sock = getattr(client, "sock", None)
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _send(self, message: EmailMessage) -> None:
        self._connect()
        try:
            self._backend.send_messages([message])
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException) as error:
            if not _is_final(error):
                log_outage("mail", error=error)
            if _is_closed(error):
                self._close()
            raise
        except Exception as error:
            log_outage("mail", error=error)
            self._close()
            raise
        self._used = True

    def _connect(self) -> None:
        if self.unreachable:
            raise ConnectionError
        if self._backend is not None:
            return
        mailers = getattr(mail, "mailers", None)  # since Django 6.1
        self._backend = mailers["default"] if mailers else mail.get_connection()
        try:
            self._backend.open()
        except Exception as error:
            log_outage("mail", error=error)
            self.unreachable = describe(error)
            raise

    def _close(self) -> None:
        with suppress(Exception):  # it is lost either way
            self._backend.close()
        self._backend, self._used = None, False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _raised: object, _trace: TracebackType | None) -> None:
        if self._backend is not None:
            self._close()


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
        except Exception as error:  # noqa: BLE001  a project's own template, for example; the others must go out
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


def describe(error: Exception) -> str:
    """Return the mail server's answer, or the class of the error. Other messages may quote the email."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = [f"{code} {text.decode(errors='replace')}" for code, text in error.recipients.values()]
        return "; ".join(answers)
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__


def _is_final(error: Exception) -> bool:
    """Whether the server refuses this recipient or this email for good."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(_is_final_reply(code, text) for code, text in error.recipients.values())
    return isinstance(error, smtplib.SMTPDataError) and _is_final_reply(error.smtp_code, error.smtp_error)


def _is_final_reply(code: int, text: bytes | str) -> bool:
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    return code // 100 == PERMANENT and not NOT_FINAL.match(words)


def _is_closed(error: Exception) -> bool:
    """Whether the server has closed the connection, as opposed to answering late or never."""
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return not isinstance(error.__context__, OSError)
    return getattr(error, "smtp_code", None) == SERVICE_UNAVAILABLE
