"""The link in a notice that locks the account: a token that is derived from the notice, and stored nowhere (R-130)."""

import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dfns_login.key_rings import key_rings
from dfns_login.models import AuditEvent, AuditKind, Notice
from dfns_login.settings import login_settings
from dfns_login.verification.encoding import encode_base64url

TOKEN_MAX_LENGTH: Final = 100
WITHOUT_LINK: Final = frozenset({AuditKind.LOCKED, AuditKind.DEACTIVATED, AuditKind.DELETED})
"""Notices whose email has no link: the account already releases nothing."""
_TOKEN: Final = re.compile(r"([0-9]{1,19})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockLink:
    """A genuine link that has not expired or been spent. Only `find_lock_link` makes one."""

    notice: Notice


def lock_token(event: AuditEvent) -> str:
    """Return the token of the event's link, or an empty string if its notice has none.

    It names the event and its second, with a MAC of 256 bits over both.
    """
    if AuditKind(event.kind) in WITHOUT_LINK:
        return ""
    second = int(event.at.timestamp())
    return f"{event.pk}.{second}.{_mac(event.pk, second)}"


def find_lock_link(token: str, *, now: datetime) -> LockLink | None:
    """Return the link of this token if it still works. A forged token causes no query."""
    found = _TOKEN.fullmatch(token) if len(token) <= TOKEN_MAX_LENGTH else None
    if found is None:
        return None
    event, second = int(found[1]), int(found[2])
    if not hmac.compare_digest(_mac(event, second).encode(), found[3].encode()):
        return None
    if datetime.fromtimestamp(second, UTC) + login_settings().lock_link_lifetime <= now:
        return None
    notice = Notice.objects.with_link(event)
    # a restored database may reuse ids: the second tells such events apart
    if notice is None or abs(notice.event.at.timestamp() - second) > timedelta(seconds=1).total_seconds():
        return None
    return LockLink(notice=notice)


def _mac(event: int, second: int) -> str:
    return encode_base64url(hmac.digest(key_rings().lock_links, f"{event} {second}".encode(), "sha256"))
