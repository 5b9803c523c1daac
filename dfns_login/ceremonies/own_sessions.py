"""What an account's owner sees of it: where they are signed in, and what happened. Sessions may be ended one by one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dfns_login.ceremonies.login import end_session
from dfns_login.errors import NotFound
from dfns_login.models import AuditEvent, Session
from dfns_login.requester import Requester
from dfns_login.settings import login_settings

SHOWN: Final = 100
"""Sessions, or events, that are shown at most, the newest first."""


def list_sessions(session: Session, *, now: datetime) -> Sequence[Session]:
    """Live sessions of the account, the newest first: this one and the others. What a token is made of is not read."""
    live = Session.objects.live(now=now, idle=login_settings().token_idle).filter(account=session.account)
    return list(live.defer("jti", "django_session_key").order_by("-pk")[:SHOWN])


def end_own_session(session: Session, session_id: int, *, requester: Requester, now: datetime) -> None:
    """End a session of the account, this one or another; nothing happens where it has ended.

    Raises NotFound for what is not the account's. Stored: when it ended, and an event.
    """
    other = Session.objects.filter(account=session.account, pk=session_id).select_related("account").first()
    if other is None:
        raise NotFound("no such session of the account")
    end_session(other, requester=requester, now=now)


def list_activity(session: Session, *, limit: int) -> Sequence[AuditEvent]:
    """What happened to the account, the newest first."""
    return list(AuditEvent.objects.filter(account=session.account).order_by("-at", "-pk")[: min(limit, SHOWN)])
