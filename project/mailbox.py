"""Read the emails that Django's file backend has written, for the demo and the tests."""

import email
import email.policy
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

END_OF_EMAIL = b"\n" + b"-" * 79 + b"\n"
"""Written after each email in a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """One email, as its reader sees it."""

    message_id: str
    sender: str
    recipient: str
    subject: str
    sent_at: datetime
    text: str
    html: str


def read_emails(folder: Path) -> list[Email]:
    """Return the complete emails in the folder, oldest first."""
    files = sorted(folder.glob("*.log"), key=lambda file: (file.stat().st_mtime_ns, file.name))
    return [_parse(mail) for file in files for mail in file.read_bytes().split(END_OF_EMAIL)[:-1]]


def _parse(written: bytes) -> Email:
    message = email.message_from_bytes(written, _class=EmailMessage, policy=email.policy.default)
    return Email(
        message_id=str(message["Message-ID"]),
        sender=str(message["From"]),
        recipient=str(message["To"]),
        subject=str(message["Subject"]),
        sent_at=parsedate_to_datetime(message["Date"]),
        text=_body(message, "plain"),
        html=_body(message, "html"),
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""
