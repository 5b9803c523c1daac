"""Verifying the audit trail: its chain, and the signatures of user actions."""

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db.models import Max, Q

from dfns_login.audit_chain import BATCH, LONGEST_TRANSACTION, Head, is_link_of, is_signed, lock_checkpoint
from dfns_login.models import AuditCheckpoint, AuditEvent, AuditLink, transaction
from dfns_login.verification.evidence import EvidenceError, verify_evidence

CLOCKS_APART: Final = timedelta(hours=1)
"""How far the time of an event may be from that of the events around it. Clocks of hosts never differ by that much."""


class Finding(StrEnum):
    """What is wrong with the trail."""

    ALTERED = "altered"
    REMOVED = "removed"
    BACKDATED = "backdated"
    UNCHAINED = "unchained"
    CUT_OFF = "cut off"
    CHECKPOINT = "checkpoint"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem of the trail. position: of the link; event: its id. Either is 0 if there is none."""

    finding: Finding
    message: str
    position: int = 0
    event: int = 0


@dataclass(slots=True, kw_only=True)
class _Walk:
    """Where verifying is in the chain."""

    position: int = 0
    mac: bytes = field(default=b"", repr=False)
    newest: datetime | None = None
    checked: int = field(default=0)


def verify_trail(*, expected: Head | None, now: datetime) -> Iterator[Problem]:
    """Yield every problem of the trail.

    expected: a head from an earlier run, from the log for example. Without one, it cannot be told whether the newest
    events were removed.
    """
    walk = _Walk()
    found = expected is None
    while (batch := _read(walk)) is not None:
        checkpoint, links = batch
        yield from _start(walk, checkpoint)
        if expected and not found and expected.position <= checkpoint.position:
            found = True
            yield from _compare_with_beginning(expected, checkpoint)
        events = AuditEvent.objects.in_bulk([link.event for link in links])
        for link in links:
            yield from _verify(link, events.get(link.event), walk=walk)
            if expected and link.position == expected.position:
                found = True
                if not hmac.compare_digest(bytes(link.mac), expected.mac):
                    text = "This is not the link of the given head: the chain was rewritten from here or earlier."
                    yield Problem(finding=Finding.CUT_OFF, message=text, position=link.position)
        if len(links) < BATCH:
            break
    if expected and not found and expected.position > walk.position:
        text = f"The chain ends at {walk.position}, before the given head."
        yield Problem(finding=Finding.CUT_OFF, message=text, position=walk.position)
    settled = AuditLink.objects.filter(chained_at__lte=now - LONGEST_TRANSACTION).aggregate(newest=Max("event"))
    overdue = Q(at__lte=now - CLOCKS_APART) | Q(pk__lte=settled["newest"] or 0)
    for event in AuditEvent.objects.unchained().filter(overdue).order_by("pk"):
        yield Problem(
            finding=Finding.UNCHAINED,
            message="The event has no link: it was inserted with an earlier id or time, or the task does not run.",
            event=event.pk,
        )


def _read(walk: _Walk) -> tuple[AuditCheckpoint, Sequence[AuditLink]]:
    """Read the next links. The lock keeps the purge from moving the beginning of the chain meanwhile."""
    with transaction.atomic():
        checkpoint = lock_checkpoint()
        after = max(walk.position, checkpoint.position)
        return checkpoint, list(AuditLink.objects.filter(position__gt=after).order_by("position")[:BATCH])


def _start(walk: _Walk, checkpoint: AuditCheckpoint) -> Iterator[Problem]:
    """Begin at the checkpoint, or go on from there if the purge has come further than this walk."""
    if walk.mac and checkpoint.position <= walk.position:
        return
    walk.position, walk.mac = checkpoint.position, bytes(checkpoint.mac)
    if not is_signed(checkpoint):
        text = "The signature of the checkpoint is not valid: old events were removed, or altered before a purge."
        yield Problem(finding=Finding.CHECKPOINT, message=text, position=walk.position)


def _compare_with_beginning(expected: Head, checkpoint: AuditCheckpoint) -> Iterator[Problem]:
    """Compare a head whose link was purged with the checkpoint."""
    text = ""
    if expected.position < checkpoint.position:
        text = "The chain begins after the given head: its event was purged, or removed. Give a later head."
    elif not hmac.compare_digest(bytes(checkpoint.mac), expected.mac):
        text = "The chain does not begin with the given head: it was rewritten from here or earlier."
    if text:
        yield Problem(finding=Finding.CUT_OFF, message=text, position=checkpoint.position)


def _verify(link: AuditLink, event: AuditEvent | None, *, walk: _Walk) -> Iterator[Problem]:
    missing = link.position - walk.position - 1
    if missing:
        text = f"{missing} links before this one are missing, with their events."
        yield Problem(finding=Finding.REMOVED, message=text, position=link.position)
    previous, walk.position, walk.mac = walk.mac, link.position, bytes(link.mac)
    if event is None:
        text = "The event of this link was removed."
        yield Problem(finding=Finding.REMOVED, message=text, position=link.position, event=link.event)
        return
    walk.checked += 1
    if not missing and not is_link_of(event, link, previous):
        text = "The event, its link or the link before was altered or moved."
        yield Problem(finding=Finding.ALTERED, message=text, position=link.position, event=event.pk)
    yield from _verify_time(link, event, walk=walk)
    if event.evidence is not None:
        try:
            verify_evidence(event.evidence)
        except EvidenceError as error:
            yield Problem(finding=Finding.SIGNATURE, message=str(error), position=link.position, event=event.pk)


def _verify_time(link: AuditLink, event: AuditEvent, *, walk: _Walk) -> Iterator[Problem]:
    earlier = walk.newest is not None and event.at < walk.newest - CLOCKS_APART
    if earlier or event.at > link.chained_at + CLOCKS_APART:
        text = "The event's time does not fit its place in the chain: it was inserted later or earlier than it says."
        yield Problem(finding=Finding.BACKDATED, message=text, position=link.position, event=event.pk)
    else:
        walk.newest = max(walk.newest, event.at) if walk.newest else event.at
