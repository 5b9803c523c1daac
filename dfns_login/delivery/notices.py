"""Emails of notices, which tell an account's owner about an event (R-82)."""

from collections.abc import Sequence
from datetime import datetime

from django.core.mail import EmailMessage

from dfns_login.delivery.emails import notice_email
from dfns_login.delivery.sending import Emails
from dfns_login.models import Account, Notice


class NoticeEmails(Emails[Notice]):
    """Emails of notices, to the address that is stored when they are sent."""

    rows = Notice.objects.all()

    def read(self, taken: Sequence[int]) -> list[Notice]:
        notices = Notice.objects.select_related("event__account__organization")
        return list(notices.filter(pk__in=taken).order_by("event__at", "pk"))

    def account_of(self, row: Notice, *, now: datetime) -> Account | None:
        return row.event.account  # None if it was deleted

    def name_of(self, row: Notice) -> str:
        return "notice"

    def requested_at(self, row: Notice) -> datetime:
        return row.event.at

    def message(self, row: Notice, account: Account, *, now: datetime) -> EmailMessage:
        return notice_email(row.event, account=account)
