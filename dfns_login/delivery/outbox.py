"""Delivery of codes and notices: the row is the outbox.

A row is undelivered when it was asked for after it was last handled. A worker
leases it, looks whether anybody is there, mails, and writes down what became of
it. Nothing is retried by Celery: what fails is due again later, by the row.
"""

import re
import smtplib
from datetime import datetime, timedelta
from typing import Final

from django.core.mail import EmailMessage

from dfns_login.audit import log_outage, record_event
from dfns_login.delivery.emails import code_mail, notice_mail
from dfns_login.errors import CodeRefused, RateExceeded, ServiceUnavailable
from dfns_login.limits import EMAIL_PER_MAILBOX, Subject, count
from dfns_login.models import Account, AccountState, AuditKind, CodePurpose, Notice, OneTimeCode
from dfns_login.proofs import derive_code

LEASE: Final = timedelta(seconds=60)
"""How long a worker has the row to itself; longer than any mail server is waited for."""
HANDED_OVER: Final = timedelta(seconds=60)
"""How long the sweep leaves what it handed over to the workers."""
FIRST_BACKOFF: Final = timedelta(seconds=5)
LONGEST_BACKOFF: Final = timedelta(minutes=5)
SWEEP_LIMIT: Final = 1000
BUDGET: Final = "mail budget of the mailbox"
ADDRESSEES: Final = {
    CodePurpose.LOGIN: AccountState.REGISTERED,
    CodePurpose.REGISTRATION: AccountState.INVITED,
    CodePurpose.RECOVERY: AccountState.REGISTERED,
}
"""Whom a code of each purpose is mailed to."""


def deliver_code(pk: int, *, now: datetime) -> None:
    """Mail the code of this row, if it is still to be mailed, and write the outcome into the row.

    Nothing happens where the row is closed, expired, delivered, or leased to
    another worker. A worker that dies between the mail server's answer and the
    row leaves a lease that ends; the mail is then sent again, with the same code.
    """
    codes = OneTimeCode.objects
    if not codes.take(pk=pk, lease=LEASE, now=now):
        return
    row = codes.get(pk=pk)
    if row.closed_at is not None:  # since it was taken
        return
    account = find_addressee(row)
    if account is None:
        codes.record_no_recipient(code=row, now=now)
        return
    try:
        code = derive_code(row)
        if row.last_error.startswith(BUDGET) or not row.last_error:  # what failed to be sent was counted then
            count([EMAIL_PER_MAILBOX], {Subject.MAILBOX: account.email}, scope="mail")
    except CodeRefused as refusal:  # its key has left the ring: there is no code to be mailed, now or later
        codes.record_failed(code=row, account=account, error=refusal.reason, next_try_at=row.expires_at)
    except (RateExceeded, ServiceUnavailable) as refusal:
        wait = refusal.retry_after or LONGEST_BACKOFF
        codes.record_failed(code=row, account=account, error=f"{BUDGET}: {refusal.reason}", next_try_at=now + wait)
    else:
        _mail(row, code=code, account=account, now=now)


def find_addressee(row: OneTimeCode) -> Account | None:
    """The account that the code is for, if it is in a state to be mailed to."""
    state = ADDRESSEES[CodePurpose(row.purpose)]
    accounts = Account.objects.in_active_organization(state=state)
    return accounts.filter(organization_id=row.organization, username=row.recipient).first()


def due_codes(*, now: datetime) -> list[int]:
    """Ids of the rows that the sweep hands over now, the oldest first."""
    due = OneTimeCode.objects.due(now=now).order_by("next_try_at")
    return list(due.values_list("pk", flat=True)[:SWEEP_LIMIT])


def _mail(row: OneTimeCode, *, code: str, account: Account, now: datetime) -> None:
    error = _send(code_mail(row, code=code, account=account, now=now))
    if error is not None:
        answer = _without(code, error)
        OneTimeCode.objects.record_failed(
            code=row, account=account, error=answer, next_try_at=now + _backoff(row.tries)
        )
        return
    OneTimeCode.objects.record_sent(code=row, account=account, now=now)
    record_event(AuditKind.CODE_SENT, account=account, requester=None, now=now, purpose=row.purpose, code=row.pk)


def _send(mail: EmailMessage) -> str | None:
    """Send the mail; None if the mail server took it, else what it answered."""
    try:
        sent = mail.send()
    except Exception as error:  # noqa: BLE001  the provider behind Django's e-mail API raises what it likes
        log_outage("mail", error=error)
        return _answer(error)
    return None if sent else "the mail backend took no mail"


def _backoff(tries: int) -> timedelta:
    factor: int = 3 ** (min(tries, 8) - 1)
    return min(FIRST_BACKOFF * factor, LONGEST_BACKOFF)


def deliver_notice(pk: int, *, now: datetime) -> None:
    """Mail the notice of this event to the account's stored address, if it is due, and write down the outcome."""
    if not Notice.objects.take(pk=pk, lease=LEASE, now=now):
        return
    notice = Notice.objects.select_related("event__account__organization").get(pk=pk)
    account = notice.event.account
    if account is None:  # deleted since: nobody is left to be told
        Notice.objects.record_no_recipient(notice=notice)
        return
    error = _send(notice_mail(notice.event, account=account))
    if error is None:
        Notice.objects.record_sent(notice=notice, now=now)
    else:
        Notice.objects.record_failed(notice=notice, error=error, next_try_at=now + _backoff(notice.tries))


def due_notices(*, now: datetime) -> list[int]:
    """Ids of the notices that the sweep hands over now, the oldest first."""
    return list(Notice.objects.due(now=now).order_by("next_try_at").values_list("pk", flat=True)[:SWEEP_LIMIT])


def _without(code: str, answer: str) -> str:
    """The answer without any group of the code: whoever repeats what was sent writes and cuts it as they like."""
    return re.sub("|".join(code.split("-")), "…", answer, flags=re.IGNORECASE)


def _answer(error: Exception) -> str:
    """What the mail server said, or what kind of error it was; never the message that was to be sent."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = [f"{code} {text.decode(errors='replace')}" for code, text in error.recipients.values()]
        return "; ".join(answers)
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__
