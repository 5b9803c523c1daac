"""The Celery tasks, and the wake-ups that requests send."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from kombu.exceptions import OperationalError

from dfns_login.delivery.outbox import BATCH_SIZE
from dfns_login.models import Account, CodeClosed, CodePurpose, DeliveryState, OneTimeCode
from dfns_login.proofs.codes import issue_code
from dfns_login.settings import BEAT_SCHEDULE
from dfns_login.tasks import SWEPT_AT_KEY, chain, deliver, purge_expired, sweep, wake_delivery, wake_ups
from tests.support.factories import SOMEWHERE, make_account, make_organization

pytestmark = pytest.mark.django_db

Outbox = list[EmailMultiAlternatives]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Celery's client is given to send."""
    messages: list[Any] = []

    def send_task(_app: Any, name: str, args: Any, kwargs: Any, **options: Any) -> None:
        messages.append((name, args, kwargs, options["retry"]))

    monkeypatch.setattr("celery.app.base.Celery.send_task", send_task)
    return messages


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError

    monkeypatch.setattr("celery.app.base.Celery.send_task", fail)


@pytest.fixture
def no_cache(settings: Any, tmp_path: Any) -> None:
    default = settings.CACHES["default"]
    settings.CACHES = {"default": {**default, "LOCATION": f"unix://{tmp_path}/nobody.sock?db=0"}}


@pytest.fixture
def wake(django_capture_on_commit_callbacks: Any) -> Any:
    def commit() -> None:
        with django_capture_on_commit_callbacks(execute=True):
            wake_delivery()
        assert wake_ups.finish(seconds=20)

    return commit


def ask(account: Account, *, purpose: CodePurpose = CodePurpose.LOGIN, ago: timedelta = timedelta(0)) -> OneTimeCode:
    pk = issue_code(account.recipient, purpose=purpose, requester=SOMEWHERE, now=timezone.now() - ago)
    return OneTimeCode.objects.get(pk=pk)


def ask_many(number: int) -> None:
    organization = make_organization()
    for each in range(number):
        ask(make_account(organization, f"jane-{each}@example.co"))


@pytest.fixture
def jane() -> Account:
    return make_account(make_organization())


# Wake-ups


def test_a_wake_up_waits_for_the_commit_and_carries_nothing(
    sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    """R-114."""
    with django_capture_on_commit_callbacks(execute=True):
        wake_delivery()
        assert not sent
    assert wake_ups.finish(seconds=20)
    assert sent == [("dfns_login.deliver", None, None, False)]


def test_one_wake_up_waits_at_a_time(sent: list[Any], wake: Any) -> None:
    """R-129."""
    for _ in range(5):
        wake()
    assert len(sent) == 1
    deliver()
    wake()
    assert len(sent) == 2


def test_a_failed_wake_up_fails_no_request_and_delays_none(
    no_broker: None, wake: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        wake()
    assert caplog.text.count("outage what=broker error=OperationalError") == 2


def test_without_the_cache_every_wake_up_is_sent(
    no_cache: None, sent: list[Any], wake: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        wake()
    assert len(sent) == 3
    assert "outage what=cache" in caplog.text


# Runs


def test_a_run_sends_due_emails(jane: Account, mailoutbox: Outbox) -> None:
    row = ask(jane)
    deliver()
    row.refresh_from_db()
    assert row.delivery == DeliveryState.SENT
    assert len(mailoutbox) == 1


def test_a_full_batch_involves_another_worker(sent: list[Any], mailoutbox: Outbox) -> None:
    ask_many(BATCH_SIZE - 1)
    deliver()
    assert not sent
    ask_many(BATCH_SIZE + 1)
    deliver()
    assert wake_ups.finish(seconds=20)
    assert len(sent) == 1
    assert len(mailoutbox) == 2 * BATCH_SIZE


# The sweep


def test_the_sweep_sends_emails_whose_wake_up_was_lost(jane: Account, mailoutbox: Outbox, no_broker: None) -> None:
    """R-115."""
    ask(jane)
    sweep()
    assert len(mailoutbox) == 1
    assert cache.get(SWEPT_AT_KEY) == pytest.approx(timezone.now().timestamp(), abs=5)


def test_the_sweep_closes_expired_codes(jane: Account, mailoutbox: Outbox) -> None:
    row = ask(jane, ago=timedelta(hours=1))
    sweep()
    row.refresh_from_db()
    assert (row.closed_as, row.salt) == (CodeClosed.EXPIRED, None)
    assert not mailoutbox


def test_a_sweep_without_a_cache_does_its_work(
    jane: Account, no_cache: None, mailoutbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    ask(jane)
    sweep()
    assert len(mailoutbox) == 1
    assert "outage what=cache" in caplog.text


def test_a_worker_with_another_clock_still_sweeps() -> None:
    """R-129: the expiry of a message is a time on the scheduler's clock, compared with the worker's."""
    assert all(entry["options"]["expires"] >= 3600 for entry in BEAT_SCHEDULE.values())


@pytest.mark.parametrize("task", [chain, deliver, purge_expired, sweep])
def test_a_task_expires_whichever_scheduler_sends_it(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-129. Other schedulers than beat know nothing of the options in `BEAT_SCHEDULE`."""
    options: dict[str, Any] = {}
    monkeypatch.setattr("celery.app.base.Celery.send_task", lambda *_, **given: options.update(given))
    task.apply_async()
    assert options["expires"] >= 3600


def test_the_purge_runs() -> None:
    purge_expired()
