"""The chain that makes the audit trail tamper-evident.

A background task adds a link for each event: an HMAC over the event, the link's position and the previous link, under
a key that the database does not hold. Positions count in the order of chaining, so events may commit in any order and
no request waits for the chain. Changing, removing, moving or backdating an event without the key breaks a link.

Purging removes the oldest links with their events, and signs a checkpoint where the chain begins now. It verifies what
it deletes first, so that it never signs for events that were altered.

Removing the newest events with their links leaves a shorter chain that is valid. Only a head that was kept elsewhere
shows this: each run logs it.
"""

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from django.db.models import Q

from dfns_login.audit import log_chain_head
from dfns_login.key_rings import key_rings
from dfns_login.models import AuditCheckpoint, AuditEvent, AuditLink, transaction

BATCH: Final = 500
LONGEST_TRANSACTION: Final = timedelta(minutes=15)
"""An event that commits later than this after its id was drawn is not chained, and verifying reports it."""
START: Final = bytes(32)
"""Used as the previous link of the first one."""
UNSIGNED: Final = b""
"""The signature of a checkpoint if a purged event or link had been altered or removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest link, to be kept outside of the database."""

    position: int
    mac: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.position}:{self.mac.hex()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a head as it is printed. Raises: ValueError."""
        position, _, mac = text.partition(":")
        return cls(position=int(position), mac=bytes.fromhex(mac))


def chain_events(*, now: datetime) -> int:
    """Add a link for every event that has none. Returns how many.

    Stored: the links. The head is logged, so the log shows whether the end of the chain was cut off.
    """
    total = 0
    while added := _chain_batch(now=now):
        total += added
    if total and (newest := head()):
        log_chain_head(newest.position, newest.mac.hex())
    return total


def head() -> Head | None:
    """Return the newest link; None if the chain is empty."""
    last = _last_link()
    return Head(position=last.position, mac=bytes(last.mac)) if last else None


def purge_chained(*, until: datetime) -> int:
    """Delete the oldest links and their events, as far as the events are not newer than `until`. Returns how many.

    Stored, in one transaction for each batch: a signed checkpoint instead of the deleted links.
    """
    total = 0
    while deleted := _purge_batch(until=until):
        total += deleted
    return total


def lock_checkpoint() -> AuditCheckpoint:
    """Lock the checkpoint until the transaction ends, so that the chain does not change. Insert it at first use."""
    signature = sign_checkpoint(0, START)
    AuditCheckpoint.objects.get_or_create(pk=1, defaults={"mac": START, "signature": signature})
    return AuditCheckpoint.objects.select_for_update().get(pk=1)


def sign_checkpoint(position: int, mac: bytes) -> bytes:
    """Return the signature that authenticates a checkpoint."""
    return _mac(b"checkpoint", position.to_bytes(8), mac)


def is_signed(checkpoint: AuditCheckpoint) -> bool:
    """Whether the checkpoint's signature is ours."""
    expected = sign_checkpoint(checkpoint.position, bytes(checkpoint.mac))
    return hmac.compare_digest(expected, bytes(checkpoint.signature))


def is_link_of(event: AuditEvent, link: AuditLink, previous: bytes) -> bool:
    """Whether the link was made for the event as it is, at this position, after the link with the MAC `previous`."""
    computed = link_mac(event, position=link.position, previous=previous, chained_at=link.chained_at)
    return hmac.compare_digest(computed, bytes(link.mac))


def link_mac(event: AuditEvent, *, position: int, previous: bytes, chained_at: datetime) -> bytes:
    """Return the MAC of an event's link."""
    chained = chained_at.astimezone(UTC).isoformat(timespec="microseconds").encode()
    return _mac(b"link", position.to_bytes(8), previous, chained, _canonical(event))


def _mac(*parts: bytes) -> bytes:
    message = b"".join(len(part).to_bytes(4) + part for part in parts)
    return hmac.digest(key_rings().audit_chain, message, "sha256")


def _canonical(event: AuditEvent) -> bytes:
    """The event as bytes: the same for every database and for every time it is read."""
    fields: Mapping[str, object] = {
        "id": event.pk,
        "kind": event.kind,
        "organization": event.organization_id,
        "account": event.account_id,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "address": event.address,
        "agent": event.agent,
        "request_id": event.request_id,
        "detail": event.detail,
        "evidence": event.evidence,
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _last_link(before: Q = Q()) -> AuditLink | None:  # noqa: B008  Q() is never changed
    return AuditLink.objects.filter(before).order_by("-position").first()


def _chain_batch(*, now: datetime) -> int:
    with transaction.atomic():
        checkpoint = lock_checkpoint()
        last = _last_link()
        position, previous = (last.position, bytes(last.mac)) if last else (checkpoint.position, bytes(checkpoint.mac))
        added = []
        for event in _unchained(last):
            position += 1
            previous = link_mac(event, position=position, previous=previous, chained_at=now)
            added.append(AuditLink(position=position, event=event.pk, mac=previous, chained_at=now))
        AuditLink.objects.bulk_create(added)
    return len(added)


def _unchained(last: AuditLink | None) -> Iterable[AuditEvent]:
    """The oldest events without a link.

    Only those are searched that committed since the last run, or whose transactions may have been open then: their ids
    are higher than those that were chained well before.
    """
    events = AuditEvent.objects.unchained().order_by("pk")
    settled = _last_link(Q(chained_at__lte=last.chained_at - LONGEST_TRANSACTION)) if last else None
    return events.filter(pk__gt=settled.event if settled else 0)[:BATCH]


def _purge_batch(*, until: datetime) -> int:
    """Delete one batch. If something in it was altered, the checkpoint is not signed, and verifying reports it."""
    with transaction.atomic():
        checkpoint = lock_checkpoint()
        links = list(AuditLink.objects.order_by("position")[:BATCH])
        events = AuditEvent.objects.in_bulk([link.event for link in links])
        intact, position, mac = is_signed(checkpoint), checkpoint.position, bytes(checkpoint.mac)
        expired = []
        for link in links:
            event = events.get(link.event)
            if event is not None and event.at > until:
                break
            intact = intact and link.position == position + 1 and event is not None and is_link_of(event, link, mac)
            expired.append(link.event)
            position, mac = link.position, bytes(link.mac)
        if not expired:
            return 0
        AuditEvent.objects.filter(pk__in=expired).delete_expired()
        AuditLink.objects.filter(position__lte=position).delete()
        checkpoint.position, checkpoint.mac = position, mac
        checkpoint.signature = sign_checkpoint(position, mac) if intact else UNSIGNED
        checkpoint.save()
    return len(expired)
