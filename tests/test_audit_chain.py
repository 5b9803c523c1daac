"""The audit trail shows every change to it: the chain, its verifier, and the purge (R-128)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import F, QuerySet

from dfns_login.audit import record_event
from dfns_login.audit_chain import BATCH, LONGEST_TRANSACTION, Head, chain_events, head, purge_chained
from dfns_login.audit_verification import Finding, verify_trail
from dfns_login.models import Account, AuditCheckpoint, AuditEvent, AuditKind, AuditLink
from dfns_login.tasks import chain
from tests.support.clock import DAY, HOUR, MINUTE, NOW, SECOND
from tests.support.factories import SOMEWHERE, make_account, make_organization

pytestmark = pytest.mark.django_db

ROWS: QuerySet[AuditEvent] = QuerySet(AuditEvent)
"""The rows as somebody who writes to the database reaches them, past the model."""


@pytest.fixture
def jane() -> Account:
    return make_account(make_organization())


@pytest.fixture
def trail(jane: Account) -> list[AuditEvent]:
    """Five chained events, a minute apart."""
    made = [note(jane, at=NOW + number * MINUTE, number=number) for number in range(5)]
    chain_events(now=NOW + 5 * MINUTE)
    return made


def note(account: Account, *, at: datetime = NOW, **detail: int) -> AuditEvent:
    return record_event(AuditKind.SIGNED_IN, account=account, requester=SOMEWHERE, now=at, **detail)


def findings(*, expected: Head | None = None, now: datetime = NOW + DAY) -> list[tuple[Finding, int]]:
    return [(each.finding, each.position) for each in verify_trail(expected=expected, now=now)]


@pytest.mark.parametrize("act", ["save", "delete", "update", "delete all"])
def test_an_event_is_only_added(jane: Account, act: str) -> None:
    event = note(jane)
    acts: dict[str, Callable[[], object]] = {
        "save": event.save,
        "delete": event.delete,
        "update": lambda: AuditEvent.objects.update(address=""),
        "delete all": AuditEvent.objects.all().delete,
    }
    with pytest.raises(TypeError):
        acts[act]()
    assert AuditEvent.objects.get().address == SOMEWHERE.address


def test_every_event_gets_one_link(trail: list[AuditEvent], jane: Account) -> None:
    assert list(AuditLink.objects.order_by("position").values_list("position", "event")) == [
        (number, event.pk) for number, event in enumerate(trail, 1)
    ]
    assert chain_events(now=NOW + 6 * MINUTE) == 0
    note(jane, at=NOW + 6 * MINUTE)
    chain()
    assert AuditLink.objects.count() == 6
    assert findings() == []


def test_it_goes_on_after_a_batch(jane: Account) -> None:
    first = note(jane)
    copies = [AuditEvent(kind=first.kind, organization=jane.organization, at=NOW) for _ in range(2 * BATCH)]
    AuditEvent.objects.bulk_create(copies)
    assert chain_events(now=NOW + SECOND) == 2 * BATCH + 1
    assert findings() == []
    assert purge_chained(until=NOW) == 2 * BATCH + 1


def test_an_event_that_commits_late_is_chained_out_of_the_order_of_ids(jane: Account) -> None:
    """Its id was drawn before that of events that are chained already."""
    late, *others = [note(jane, at=NOW) for _ in range(3)]
    ROWS.filter(pk=late.pk).delete()  # not committed yet
    assert chain_events(now=NOW) == 2
    later = note(jane, at=NOW + LONGEST_TRANSACTION)
    assert chain_events(now=NOW + LONGEST_TRANSACTION - SECOND) == 1
    AuditEvent(**{field.attname: getattr(late, field.attname) for field in AuditEvent._meta.concrete_fields}).save()
    assert chain_events(now=NOW + 3 * DAY) == 1  # however long the task was down
    order = list(AuditLink.objects.order_by("position").values_list("event", flat=True))
    assert order == [*(each.pk for each in others), later.pk, late.pk]
    assert findings() == []


TAMPERED: dict[str, tuple[dict[str, Any], Finding]] = {
    "kind": ({"kind": AuditKind.SIGNED_OUT}, Finding.ALTERED),
    "account": ({"account": None}, Finding.ALTERED),
    "organization": ({"organization": "or-2"}, Finding.ALTERED),
    "address": ({"address": "192.0.2.9"}, Finding.ALTERED),
    "agent": ({"agent": "other"}, Finding.ALTERED),
    "request": ({"request_id": "other"}, Finding.ALTERED),
    "detail": ({"detail": {"number": 3}}, Finding.ALTERED),
    "time": ({"at": NOW + 2 * MINUTE + timedelta(microseconds=1)}, Finding.ALTERED),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_an_altered_event_is_found(trail: list[AuditEvent], what: str) -> None:
    changed, finding = TAMPERED[what]
    assert ROWS.filter(pk=trail[2].pk).update(**changed) == 1
    assert findings() == [(finding, 3)]


def test_every_column_is_covered() -> None:
    covered = {"kind", "account", "organization", "address", "agent", "request_id", "detail", "at", "id", "evidence"}
    assert {field.name for field in AuditEvent._meta.concrete_fields} == covered


def test_altered_evidence_is_found(trail: list[AuditEvent]) -> None:
    ROWS.filter(pk=trail[2].pk).update(evidence={"signatures": []})
    assert findings() == [(Finding.ALTERED, 3), (Finding.SIGNATURE, 3)]


def test_a_removed_event_is_found(trail: list[AuditEvent]) -> None:
    ROWS.filter(pk=trail[2].pk).delete()
    assert findings() == [(Finding.REMOVED, 3)]
    AuditLink.objects.filter(position=3).delete()
    assert findings() == [(Finding.REMOVED, 4)]


def test_events_removed_from_the_beginning_are_found(trail: list[AuditEvent]) -> None:
    ROWS.filter(pk__in=[trail[0].pk, trail[1].pk]).delete()
    AuditLink.objects.filter(position__lte=2).delete()
    assert findings() == [(Finding.REMOVED, 3)]
    forged = AuditLink.objects.get(position=3)
    AuditCheckpoint.objects.update(position=2, mac=forged.mac)
    assert findings() == [(Finding.CHECKPOINT, 2), (Finding.ALTERED, 3)]


def test_events_that_change_places_are_found(trail: list[AuditEvent]) -> None:
    AuditLink.objects.filter(position=2).update(event=0)
    AuditLink.objects.filter(position=3).update(event=trail[1].pk)
    AuditLink.objects.filter(position=2).update(event=trail[2].pk)
    assert findings() == [(Finding.ALTERED, 2), (Finding.ALTERED, 3)]


def test_links_that_change_places_are_found(trail: list[AuditEvent]) -> None:
    AuditLink.objects.filter(position=2).update(position=6)
    assert findings() == [(Finding.REMOVED, 3), (Finding.ALTERED, 6)]


def test_a_link_needs_the_key(trail: list[AuditEvent], jane: Account, settings: Any) -> None:
    settings.SECRET_KEY = "another, from which the rings are derived"
    note(jane, at=NOW + 6 * MINUTE)
    AuditLink.objects.create(position=6, event=trail[-1].pk + 1, mac=bytes(32), chained_at=NOW + 6 * MINUTE)
    settings.SECRET_KEY = "and another"
    assert (Finding.ALTERED, 6) in findings()


@pytest.mark.parametrize("age", [timedelta(0), DAY, -3650 * DAY])
def test_an_inserted_event_is_found(trail: list[AuditEvent], jane: Account, age: timedelta) -> None:
    """With an id below those that the task looks at, it gets no link. With a new id, it gets a link after its time."""
    chain_events(now=NOW + DAY)
    inserted = AuditEvent(pk=trail[0].pk - 1, kind=AuditKind.SIGNED_OUT, organization=jane.organization, at=NOW - age)
    note(jane, at=NOW + DAY)
    chain_events(now=NOW + DAY)
    inserted.save()
    note(jane, at=NOW + DAY + HOUR)
    chain_events(now=NOW + DAY + HOUR)
    assert findings() == [(Finding.UNCHAINED, 0)]


@pytest.mark.parametrize("at", [NOW - HOUR, NOW + 3 * HOUR])
def test_an_event_that_is_dated_otherwise_is_found(trail: list[AuditEvent], jane: Account, at: datetime) -> None:
    note(jane, at=at)
    chain_events(now=NOW + 6 * MINUTE)
    assert findings() == [(Finding.BACKDATED, 6)]


def test_clocks_may_differ(trail: list[AuditEvent], jane: Account) -> None:
    note(jane, at=NOW - 50 * MINUTE)
    note(jane, at=NOW + 50 * MINUTE)
    chain_events(now=NOW + 6 * MINUTE)
    assert findings() == []


def test_an_event_waits_for_its_link(trail: list[AuditEvent], jane: Account) -> None:
    note(jane, at=NOW + 6 * MINUTE)
    assert findings(now=NOW + 7 * MINUTE) == []
    assert findings(now=NOW + 2 * HOUR) == [(Finding.UNCHAINED, 0)]


def test_a_chain_that_was_cut_off_is_found_with_a_head(trail: list[AuditEvent], jane: Account) -> None:
    expected = head()
    assert expected is not None
    assert Head.parse(str(expected)) == expected
    assert findings(expected=expected) == []
    ROWS.filter(pk=trail[4].pk).delete()
    AuditLink.objects.filter(position=5).delete()
    assert findings() == []  # nothing in the database tells
    assert findings(expected=expected) == [(Finding.CUT_OFF, 4)]
    note(jane, at=NOW + 6 * MINUTE)
    chain_events(now=NOW + 6 * MINUTE)
    assert findings(expected=expected) == [(Finding.CUT_OFF, 5)]


def test_each_run_logs_the_head(jane: Account, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="dfns_login.audit")
    note(jane)
    chain_events(now=NOW)
    chain_events(now=NOW)
    assert [each.getMessage() for each in caplog.records][1:] == [f"audit.chained head={head()}"]


# purging


def test_a_purge_moves_the_beginning(trail: list[AuditEvent], jane: Account) -> None:
    expected = head()
    assert purge_chained(until=NOW + 2 * MINUTE) == 3
    assert list(AuditLink.objects.order_by("position").values_list("position", flat=True)) == [4, 5]
    assert findings(expected=expected) == []
    assert purge_chained(until=NOW + DAY) == 2
    assert findings(expected=expected) == []
    note(jane, at=NOW + 6 * MINUTE)
    chain_events(now=NOW + 6 * MINUTE)
    assert AuditLink.objects.get().position == 6
    assert findings() == []


@pytest.mark.parametrize("what", ["altered", "removed", "link removed", "checkpoint moved"])
def test_a_purge_does_not_sign_what_was_tampered_with(trail: list[AuditEvent], what: str) -> None:
    """Otherwise somebody who backdates the oldest events has the purge remove them and sign what is left."""
    second = AuditLink.objects.get(position=2)
    if what == "altered":
        ROWS.filter(pk=trail[1].pk).update(at=NOW - DAY)
    if what in {"removed", "checkpoint moved"}:
        ROWS.filter(pk__in=[trail[0].pk, trail[1].pk]).delete()
    if what == "link removed":
        second.delete()
    if what == "checkpoint moved":
        AuditLink.objects.filter(position__lte=2).delete()
        AuditCheckpoint.objects.update(position=2, mac=second.mac)
    purge_chained(until=NOW + 2 * MINUTE)
    assert (Finding.CHECKPOINT, 3) in findings()
    purge_chained(until=NOW + 3 * MINUTE)
    assert (Finding.CHECKPOINT, 4) in findings()


def test_a_head_that_was_purged_is_reported(trail: list[AuditEvent]) -> None:
    """Nobody can tell whether it was the chain's."""
    first, second, third = AuditLink.objects.order_by("position")[:3]
    purge_chained(until=NOW + MINUTE)
    assert findings(expected=Head(position=first.position, mac=bytes(first.mac))) == [(Finding.CUT_OFF, 2)]
    assert findings(expected=Head(position=second.position, mac=bytes(second.mac))) == []
    assert findings(expected=Head(position=second.position, mac=bytes(third.mac))) == [(Finding.CUT_OFF, 2)]


def test_an_event_without_a_link_is_not_purged(jane: Account) -> None:
    note(jane)
    assert purge_chained(until=NOW + DAY) == 0
    assert AuditEvent.objects.count() == 1


def test_a_newer_event_keeps_those_behind_it(trail: list[AuditEvent], jane: Account) -> None:
    ROWS.filter(pk=trail[1].pk).update(at=F("at") + timedelta(days=1))
    assert purge_chained(until=NOW + HOUR) == 1
