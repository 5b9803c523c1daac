"""Where an account's owner is signed in."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from dfns_login.models import Session
from dfns_login.settings import login_settings

SHOWN: Final = 100
"""The most sessions that one answer lists."""


def list_sessions(session: Session, *, now: datetime) -> Sequence[Session]:
    """Return the account's live sessions, the newest first."""
    live = Session.objects.live(now=now, idle=login_settings().token_idle).filter(account=session.account)
    return list(live.defer("jti", "django_session_key").order_by("-pk")[:SHOWN])
