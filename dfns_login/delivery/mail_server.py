"""The connection to the mail server, and its answers."""

import re
import smtplib
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from django.core import mail
from django.core.mail import EmailMessage

from dfns_login.audit import log_outage

SERVICE_UNAVAILABLE: Final = 421
"""SMTP reply before the server closes the connection (RFC 5321 §3.8)."""
PERMANENT: Final = 5
"""First digit of an SMTP reply that repeating the email does not change (RFC 5321 §4.2.1)."""
NOT_FINAL: Final = re.compile(r"5\.([357]\.\d|1\.[78]|2\.2)", re.ASCII)
"""Enhanced status codes of a 5yz reply that another try may get past (RFC 3463 §3): about the server, the protocol, its
policy or the sender, not about the recipient; and a full mailbox."""


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

        The backend's return value is ignored: one that queues emails may return 0.
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
