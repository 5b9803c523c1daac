"""What an account's owner sees: where they are signed in, and what happened to the account."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dfns_login.models import AuditEvent, AuditKind, Session
from dfns_login.settings import login_settings

SHOWN: Final = 100
"""The most sessions or events that one answer lists."""


def list_sessions(session: Session, *, now: datetime) -> Sequence[Session]:
    """Return the account's live sessions, the newest first."""
    live = Session.objects.live(now=now, idle=login_settings().token_idle).filter(account=session.account)
    return list(live.defer("jti", "django_session_key").order_by("-pk")[:SHOWN])


def list_activity(session: Session, *, limit: int) -> Sequence[AuditEvent]:
    """Return what happened to the account, the newest first. A used action is listed as what it changed."""
    events = AuditEvent.objects.filter(account=session.account).exclude(kind=AuditKind.ACTION_USED).defer("evidence")
    return list(events.order_by("-at", "-pk")[: min(limit, SHOWN)])
