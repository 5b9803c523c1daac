"""What an account's owner is told of (R-82)."""

from datetime import timedelta
from typing import Final

from dfns_login.models import AuditEvent, Notice
from dfns_login.tasks import wake_notice

LIFETIME: Final = timedelta(days=3)
"""How long a notice is tried; after that it tells nobody anything new."""


def notify_owner(event: AuditEvent) -> None:
    """Have the account's owner told of this event by mail. Stored, in the caller's transaction: the notice."""
    Notice.objects.create(event=event, next_try_at=event.at, expires_at=event.at + LIFETIME)
    wake_notice(event.pk)
