"""Emails of notices, which tell an account's owner about an event (R-82)."""

from collections.abc import Sequence
from datetime import datetime

from django.core.mail import EmailMessage

from dfns_login.delivery.emails import notice_email
from dfns_login.delivery.sending import Emails
from dfns_login.models import Account, AuditEvent, AuditKind, Credential, Notice, Session


class NoticeEmails(Emails[Notice]):
    """Emails of notices, to the address that is stored when they are sent."""

    rows = Notice.objects.all()

    def __init__(self) -> None:
        self._credentials: dict[int, Credential] = {}

    def read(self, taken: Sequence[int]) -> list[Notice]:
        related = Notice.objects.select_related("event__account__organization")
        notices = list(related.filter(pk__in=taken).order_by("event__at", "pk"))
        self._credentials = _credentials_of([each.event for each in notices])
        return notices

    def account_of(self, row: Notice, *, now: datetime) -> Account | None:
        return row.event.account  # None if it was deleted

    def name_of(self, row: Notice) -> str:
        return "notice"

    def requested_at(self, row: Notice) -> datetime:
        return row.event.at

    def message(self, row: Notice, account: Account, *, now: datetime) -> EmailMessage:
        return notice_email(row.event, account=account, credential=self._credentials.get(row.event.pk))


def _credentials_of(events: Sequence[AuditEvent]) -> dict[int, Credential]:
    """Return the credential that each event is about, by the event's id. A sign-in names its session."""
    named = {each.pk: each.detail["credential"] for each in events if "credential" in each.detail}
    opened = {each.pk: each.detail.get("session") for each in events if each.kind == AuditKind.SIGNED_IN}
    if opened:
        used = dict(Session.objects.filter(pk__in=opened.values()).values_list("pk", "credential"))
        named |= {event: used[session] for event, session in opened.items() if session in used}
    found = Credential.objects.only("kind", "name").in_bulk(set(named.values())) if named else {}
    return {event: found[pk] for event, pk in named.items() if pk in found}
