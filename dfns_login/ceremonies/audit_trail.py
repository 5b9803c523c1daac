"""Reading the audit trail: for an export, and page by page for operators."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from dfns_login.ceremonies.users import Operation, permit
from dfns_login.models import AuditEvent, AuditLink, Session

PAGE: Final = 100
"""The most events that one page lists."""
CHUNK: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events to read. until: events before this time. organization, kinds: every one if empty."""

    since: datetime | None = None
    until: datetime | None = None
    organization: str = ""
    kinds: Sequence[str] = ()

    def events(self) -> QuerySet[AuditEvent]:
        """Return the events, in the order of their ids."""
        bounds = {
            "at__gte": self.since,
            "at__lt": self.until,
            "organization": self.organization or None,
            "kind__in": self.kinds or None,
        }
        return AuditEvent.objects.filter(**{name: value for name, value in bounds.items() if value}).order_by("pk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event, and its link in the chain; None until the task has chained it."""

    event: AuditEvent
    link: AuditLink | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPage:
    """Some entries, the oldest first. next_id: the last id here; 0 on the last page."""

    entries: Sequence[Entry]
    next_id: int = 0


def entries(wanted: Selection) -> Iterator[Entry]:
    """Yield the selected events, holding no more than `CHUNK` of them."""
    last = 0
    while page := _linked(wanted.events().filter(pk__gt=last)[:CHUNK]):
        yield from page
        last = page[-1].event.pk


def list_events(session: Session, wanted: Selection, *, after: int, limit: int) -> EntryPage:
    """Return one page of the events of the operator's organization. Raises: NotPermitted."""
    permit(session, Operation.READ_EVENTS)
    size = min(limit, PAGE)
    mine = wanted.events().filter(organization=session.account.organization_id, pk__gt=after)
    found = _linked(mine[: size + 1])
    return EntryPage(entries=found[:size], next_id=found[size - 1].event.pk if len(found) > size else 0)


def _linked(events: QuerySet[AuditEvent]) -> list[Entry]:
    found = list(events)
    links = {link.event: link for link in AuditLink.objects.filter(event__in=[event.pk for event in found])}
    return [Entry(event=event, link=links.get(event.pk)) for event in found]
