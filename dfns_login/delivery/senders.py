"""Sending codes by other means than email. The outbox, its retries and its budget are the same."""

from dataclasses import dataclass, field
from datetime import datetime

from django.utils.module_loading import import_string

from dfns_login.models import Account, CodePurpose, OneTimeCode
from dfns_login.settings import login_settings


class NotDeliverable(Exception):
    """Raised by `SEND_CODE` if another attempt to send this code would fail too, as after an SMTP server's 550."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeToSend:
    """A code for the callable that `SEND_CODE` names.

    code: as emails show it. locale: the language to write in. attempt: 1 at first; a retry sends the same code.
    """

    account: Account
    purpose: CodePurpose
    code: str = field(repr=False)
    expires_at: datetime
    locale: str
    attempt: int


def send_otherwise(row: OneTimeCode, *, code: str, account: Account, locale: str) -> bool:
    """Have the project's own sender send the code. False if there is none, or it leaves the code to email.

    Raises: what the sender raises.
    """
    hook = login_settings().send_code
    if not hook:
        return False
    to_send = CodeToSend(
        account=account,
        purpose=CodePurpose(row.purpose),
        code=code,
        expires_at=row.expires_at,
        locale=locale,
        attempt=row.tries,
    )
    return import_string(hook)(to_send) is not False
