"""The timeline of a code tells what became of it, in order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from dfns_login.admin.timeline import Step, events_of, timeline, when
from dfns_login.audit import record_event
from dfns_login.models import AuditKind, CodePurpose, OneTimeCode
from dfns_login.proofs.codes import issue_code
from tests.support.admin_records import AdminRecords, make_code, page_of
from tests.support.clock import NOW
from tests.support.factories import SOMEWHERE, Person, make_person
from tests.support.mail import deliver_at

pytestmark = pytest.mark.django_db


def steps_of(now: datetime = NOW, **fields: Any) -> list[Step]:
    return history(make_code("jane@b.co", "or-x", now=now, **fields), now=now)


def history(code: OneTimeCode, *, now: datetime) -> list[Step]:
    return list(timeline(code, events=events_of(code), now=now))


def texts(steps: list[Step]) -> list[str]:
    return [step.text for step in steps]


def test_a_queued_code_is_due() -> None:
    steps = steps_of()
    assert texts(steps) == ["Requested; email queued", "Email due", "Expires"]
    assert [step.to_come for step in steps] == [False, True, True]


def test_a_code_in_the_hands_of_a_worker_says_until_when() -> None:
    steps = steps_of(delivery="sending", tries=2, next_try_at=NOW + timedelta(seconds=60))
    assert texts(steps)[1:] == ["A worker is sending it (try 2). If it stops, another one takes over", "Expires"]
    assert steps[1].at == NOW + timedelta(seconds=60)


def test_a_failure_shows_the_mail_servers_reply_and_the_next_try() -> None:
    steps = steps_of(delivery="failed", tries=3, last_error="451 later", next_try_at=NOW + timedelta(seconds=45))
    assert texts(steps)[1:] == ["Try 3 failed", "Next try", "Expires"]
    assert (steps[1].detail, steps[1].at, steps[2].at) == ("451 later", None, NOW + timedelta(seconds=45))


def test_a_code_for_an_unknown_name_says_so_and_counts_guesses() -> None:
    steps = steps_of(delivery="no recipient", handled_at=NOW, guesses=3)
    assert texts(steps)[1:] == [
        "Not sent: no recipient",
        "3 wrong guesses",
        "Expires",
    ]


@pytest.mark.parametrize(
    ("closed", "text"),
    [
        ("consumed", "Presented and used up"),
        ("expired", "Expired"),
        ("superseded", "Replaced by a new code: it was about to expire or had no guesses left"),
        ("revoked", "Revoked"),
    ],
)
def test_an_ended_code_ends_with_how(closed: str, text: str) -> None:
    steps = steps_of(age=timedelta(hours=1), closed_as=closed, delivery="sent", sent_at=NOW - timedelta(minutes=59))
    assert texts(steps)[-1] == text
    assert not any(step.to_come for step in steps)
    assert steps[-1].detail == ""


def test_a_code_that_no_sweep_has_closed_yet_shows_as_expired() -> None:
    steps = steps_of(age=timedelta(minutes=11), delivery="failed", last_error="451", tries=4)
    assert texts(steps)[1:] == ["Try 4 failed", "Expired"]
    assert steps[-1].detail == "It was never sent."


def test_a_spent_code_counts_its_wrong_guesses_without_the_right_one() -> None:
    steps = steps_of(closed_as="consumed", guesses=3)
    assert "2 wrong guesses" in texts(steps)


def test_a_real_delivery_is_told_step_by_step(mailoutbox: list[Any]) -> None:
    jane: Person = make_person()
    pk = issue_code(jane.account.recipient, purpose=CodePurpose.LOGIN, requester=SOMEWHERE, now=NOW)
    deliver_at(NOW + timedelta(seconds=1))
    issue_code(jane.account.recipient, purpose=CodePurpose.LOGIN, requester=SOMEWHERE, now=NOW + timedelta(minutes=2))
    asked_again = history(OneTimeCode.objects.get(pk=pk), now=NOW + timedelta(minutes=2))
    assert texts(list(asked_again)) == [
        "Requested; email queued",
        "Handed to the mail server",
        "Requested again: same code",
        "Email due",
        "Expires",
    ]
    deliver_at(NOW + timedelta(minutes=2, seconds=1))
    assert len(mailoutbox) == 2
    code = OneTimeCode.objects.get(pk=pk)
    assert OneTimeCode.objects.record_guess(code=code, matched=True, cap=10, now=NOW + timedelta(minutes=3))
    at = NOW + timedelta(minutes=3)
    record_event(AuditKind.CODE_PRESENTED, account=jane.account, requester=SOMEWHERE, now=at, purpose="login")
    told = history(OneTimeCode.objects.get(pk=pk), now=NOW + timedelta(hours=1))
    assert texts(told) == [
        "Requested; email queued",
        "Handed to the mail server",
        "Requested again: same code",
        "Handed to the mail server",
        "Presented and used up",
    ]
    assert [told[0].detail, told[-1].detail] == ["192.0.2.1 · tests", "From where it was requested"]
    assert ">+1.0" in when(told[1], begin=NOW)


def test_events_of_another_purpose_are_not_told(scene: AdminRecords) -> None:
    other = OneTimeCode.objects.get(purpose="recovery")
    OneTimeCode.objects.filter(pk=other.pk).update(account=scene.account)
    assert "Handed to the mail server" not in texts(history(OneTimeCode.objects.get(pk=other.pk), now=NOW))


def test_times_are_the_operators_own(operator: Client, scene: AdminRecords, settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    OneTimeCode.objects.filter(pk=scene.code.pk).update(issued_at=datetime(2026, 3, 1, 15, 30, tzinfo=UTC))
    page = operator.get(page_of("onetimecode", scene.code.pk)).content.decode()
    assert "March 2, 2026, 00:30:00" in page
    assert "Times are in" in page
