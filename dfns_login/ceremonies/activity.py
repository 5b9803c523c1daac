"""What happened to an account, as its owner reads it, page by page (R-180)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dfns_login.ceremonies.acts import REACH, Act, Category, fold, stored_requests
from dfns_login.models import AuditEvent, AuditKind, Credential, Session

SHOWN: Final = 100
"""The most acts on one page."""
WINDOW: Final = 400
"""The most events that one page reads. If most are steps or of another category, a page may be short or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page begins: with the event of this time and id. taken: ids of later events that pages before it have."""

    at: datetime
    pk: int
    taken: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityPage:
    """Some acts, the newest first. following: where the next page begins; None on the last page."""

    acts: Sequence[Act]
    following: Cursor | None = None


def list_activity(session: Session, *, category: Category | None, cursor: Cursor | None, limit: int) -> ActivityPage:
    """Return one page of what happened to the account, the newest first.

    cursor: `following` of the page before; None for the first page. Together, the pages have what a single one would
    have had when the first one was read.
    """
    events = AuditEvent.objects.filter(account=session.account).defer("evidence").order_by("-at", "-pk")
    if cursor:
        events = events.filter(at__lte=cursor.at).exclude(at=cursor.at, pk__gt=cursor.pk)
    taken = cursor.taken if cursor else frozenset[int]()
    page = make_page(list(events[:WINDOW]), taken=taken, category=category, limit=min(limit, SHOWN))
    _name(page.acts)
    return page


def make_page(
    events: Sequence[AuditEvent], *, taken: frozenset[int], category: Category | None, limit: int, window: int = WINDOW
) -> ActivityPage:
    """Make a page of events, the newest first: all that there are from a cursor on, or the window's."""
    requests = list(stored_requests(events))
    is_cut = len(events) >= window
    end = requests.pop().start if is_cut else len(events)  # the window may have cut the last one
    shown, passed = list[Act](), set(taken)
    for act in fold(requests, taken=taken):
        is_wanted = category in {None, act.category}
        is_complete = not is_cut or act.start + REACH < end
        if not is_complete or (is_wanted and len(shown) == limit):
            return ActivityPage(acts=shown, following=_cursor(events[act.start :], passed))
        passed.update(event.pk for event in act.events)
        if is_wanted:
            shown.append(act)
    return ActivityPage(acts=shown, following=_cursor(events[end:], passed) if is_cut else None)


def _cursor(rest: Sequence[AuditEvent], passed: set[int]) -> Cursor:
    return Cursor(at=rest[0].at, pk=rest[0].pk, taken=frozenset(passed.intersection(event.pk for event in rest)))


def _name(acts: Sequence[Act]) -> None:
    named = {str(act.event.detail["credential"]) for act in acts if "credential" in act.event.detail}
    found = Credential.objects.only("kind", "name").in_bulk(named) if named else {}
    closed = {act.event.detail.get("session") for act in acts if act.event.kind == AuditKind.SIGNED_OUT} - {None}
    ended = Session.objects.only("agent").in_bulk(closed) if closed else {}
    for act in acts:
        act.credential = found.get(str(act.event.detail.get("credential")))
        if act.event.kind == AuditKind.SIGNED_OUT:
            act.ended = ended.get(act.event.detail.get("session"))
