"""Notices: emails that tell an account's owner what happened (R-82)."""

from datetime import timedelta
from typing import Final

from dfns_login.delivery import has_notice
from dfns_login.models import AuditEvent, Notice
from dfns_login.tasks import wake_delivery

LIFETIME: Final = timedelta(days=3)
"""How long delivery of a notice is retried."""


def notify_owner(event: AuditEvent) -> None:
    """Have the account's owner emailed about this event. Stored, in the caller's transaction: the notice.

    Raises: TypeError, if there is no text for events of its kind.
    """
    if not has_notice(event.kind):
        raise TypeError(f"no notice tells of {event.kind}")
    Notice.objects.create(event=event, next_try_at=event.at, expires_at=event.at + LIFETIME)
    wake_delivery()
