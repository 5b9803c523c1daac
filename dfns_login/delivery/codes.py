"""Emails of codes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Final

from django.core.mail import EmailMessage
from django.db.models import Q

from dfns_login.audit import log_outage, log_refusal, record_event
from dfns_login.delivery.emails import code_email, language_of
from dfns_login.delivery.mail_server import Failure, MailServer
from dfns_login.delivery.senders import NotDeliverable, send_otherwise
from dfns_login.delivery.sending import Emails, NotSendable, without_code
from dfns_login.delivery.sign_up import sign_up
from dfns_login.errors import CodeRefused, RateExceeded, ServiceUnavailable
from dfns_login.limits import EMAIL_PER_MAILBOX, KNOWN, Subject, count
from dfns_login.models import Account, AccountState, AuditKind, Caller, CodePurpose, OneTimeCode, transaction
from dfns_login.proofs import derive_code

UNCOUNTED_WAIT: Final = timedelta(minutes=5)
"""The wait until the next try if the cache that counts emails is down and names none."""
BUDGET: Final = "email budget of the mailbox"
RECIPIENT_STATES: Final = {
    CodePurpose.LOGIN: AccountState.REGISTERED,
    CodePurpose.REGISTRATION: AccountState.INVITED,
    CodePurpose.RECOVERY: AccountState.REGISTERED,
}
"""State of the accounts that a code of each purpose is emailed to."""


class CodeEmails(Emails[OneTimeCode]):
    """Emails of codes, to the stored address of the account (R-110)."""

    rows = OneTimeCode.objects.all()

    def __init__(self) -> None:
        self._accounts: dict[tuple[str, str], Account] = {}

    def read(self, taken: Sequence[int]) -> list[OneTimeCode]:
        rows = list(OneTimeCode.objects.open().filter(pk__in=taken).order_by("asked_at", "pk"))
        if rows:
            names = reduce(or_, (Q(organization_id=row.organization, username=row.recipient) for row in rows))
            accounts = Account.objects.select_related("organization").filter(names, organization__active=True)
            self._accounts = {(each.organization_id, each.username): each for each in accounts}
        return rows

    def account_of(self, row: OneTimeCode, *, now: datetime) -> Account | None:
        account = self._accounts.get((row.organization, row.recipient))
        if account is None and row.purpose == CodePurpose.REGISTRATION:
            account = sign_up(row, now=now)
        wanted = RECIPIENT_STATES[CodePurpose(row.purpose)]
        return account if account is not None and account.state == wanted else None

    def name_of(self, row: OneTimeCode) -> str:
        return row.purpose

    def requested_at(self, row: OneTimeCode) -> datetime:
        return row.asked_at

    def message(self, row: OneTimeCode, account: Account, *, now: datetime) -> EmailMessage:
        return code_email(row, code=derive_code(row), account=account, now=now)

    def send(self, row: OneTimeCode, account: Account, *, server: MailServer, now: datetime) -> Failure | None:
        try:
            code = derive_code(row)
        except CodeRefused as refusal:  # its key was removed from the ring
            raise NotSendable(refusal.reason, next_try_at=row.expires_at) from refusal
        if not row.last_error or row.last_error.startswith(BUDGET):  # a retry was counted at its first try
            _count(row, account, now=now)
        try:
            if send_otherwise(row, code=code, account=account, locale=language_of(row, account)):
                return None
        except NotDeliverable as error:
            return Failure(answer=str(error), final=True)
        except Exception as error:  # noqa: BLE001  senders raise whatever their provider raises
            log_outage("sender", error=error)
            return Failure(answer=type(error).__name__)
        return super().send(row, account, server=server, now=now)

    def record_sent(self, row: OneTimeCode, account: Account, *, now: datetime) -> None:
        detail: dict[str, str | int] = {"purpose": row.purpose, "code": row.pk, "try": row.tries}
        with transaction.atomic():
            self.rows.record_sent(row, now=now, account=_lock(account))
            record_event(AuditKind.CODE_SENT, account=account, requester=None, now=now, **detail)

    def record_failed(self, row: OneTimeCode, account: Account, *, error: str, next_try_at: datetime) -> None:
        with transaction.atomic():
            self.rows.record_failed(row, error=error, next_try_at=next_try_at, account=_lock(account))

    def record_refused(self, row: OneTimeCode, account: Account, *, error: str, now: datetime) -> None:
        with transaction.atomic():
            self.rows.record_refused(row, error=error, now=now, account=_lock(account))

    def redacted(self, row: OneTimeCode, error: str) -> str:
        return without_code(error, derive_code(row))


def _lock(account: Account) -> Account | None:
    """Lock the account until the outcome is stored; None if it was deleted while its email was sent."""
    return Account.objects.filter(pk=account.pk).select_for_update(no_key=True).first()


def _count(row: OneTimeCode, account: Account, *, now: datetime) -> None:
    """Count the email against the mailbox's budget: of strangers, or of known devices. Raises: NotSendable."""
    scope = "mail" + KNOWN if row.caller == Caller.DEVICE else "mail"
    try:
        count([EMAIL_PER_MAILBOX], {Subject.MAILBOX: account.email}, scope=scope)
    except (RateExceeded, ServiceUnavailable) as refusal:
        log_refusal(refusal, where=CodeEmails.__name__, requester=None)
        wait = refusal.retry_after or UNCOUNTED_WAIT
        raise NotSendable(f"{BUDGET}: {refusal.reason}", next_try_at=now + wait) from refusal
