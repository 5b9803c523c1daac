"""Valkey, which is cache and broker at once: killed, started again, frozen, full (R-35, R-115)."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db.models import QuerySet

from dfns_login.models import Account, CodeClosed, DeliveryState, OneTimeCode
from dfns_login.proofs.codes import derive_code
from tests.outages.conftest import StartSite
from tests.support.race_calls import Figure
from tests.support.servers import Site, Valkey
from tests.support.smtp_sink import SmtpSink
from tests.support.timed_requests import (
    asking_all,
    assert_answered_alike,
    make_accounts,
    open_row,
    send_all,
    strangers_to,
    wait_until,
)

RECOVERY_SECONDS = 90.0
"""A sweep may have handed over, right before the end, what it then leaves alone for a minute."""


@pytest.fixture(scope="module")
def site(start_site: StartSite) -> Site:
    return start_site()


@pytest.fixture(autouse=True)
def valkey_runs_again(clean_scene: None, own_valkey: Valkey) -> Iterator[None]:
    yield
    if own_valkey.running:
        os.kill(own_valkey.pid, signal.SIGCONT)
    else:
        own_valkey.start()


def supervise(site: Site) -> None:
    """Start the worker again where it has ended, as whatever supervises one does: Celery's now and then ends, with an
    error of its own, when its broker goes in the middle of a step.
    """
    if not site.worker.running:
        site.worker.start()


def wait_until_none(site: Site, rows: QuerySet[OneTimeCode]) -> None:
    def are_gone() -> bool:
        supervise(site)
        return not rows.exists()

    wait_until(are_gone, seconds=RECOVERY_SECONDS)


def wait_until_delivered(site: Site, accounts: list[Account]) -> None:
    mine = OneTimeCode.objects.open().filter(organization=accounts[0].organization_id)
    wait_until_none(site, mine.filter(handled_at=None))


def assert_mailed_once(accounts: list[Account], smtp_sink: SmtpSink) -> None:
    """Each got one email, with the code that is open, in time; nobody else got any."""
    rows = {row.recipient: row for row in map(open_row, accounts)}
    domain = accounts[0].email.partition("@")[2]
    mails = [mail for mail in smtp_sink.mails if mail.recipient.endswith(domain)]
    assert sorted(mail.recipient for mail in mails) == sorted(rows)
    for mail in mails:
        row = rows[mail.recipient]
        assert (mail.code, row.delivery) == (derive_code(row), DeliveryState.SENT)
        assert mail.at < row.expires_at.timestamp()


def test_valkey_is_killed_and_restarted_during_two_hundred_requests_for_codes(
    site: Site, own_valkey: Valkey, smtp_sink: SmtpSink, record_property: Figure
) -> None:
    known = make_accounts(200)
    unknown = strangers_to(known[0], 40)
    answers = send_all(site.url, asking_all(known, unknown), meanwhile={60: own_valkey.kill, 180: own_valkey.start})
    assert_answered_alike(answers, known=known, unknown=unknown, record_property=record_property)
    came_back = time.monotonic()
    wait_until_delivered(site, known)
    record_property("delivered_after", time.monotonic() - came_back)
    record_property("mails", len(smtp_sink.mails))
    assert_mailed_once(known, smtp_sink)


def test_a_frozen_valkey_delays_requests_briefly(
    site: Site, own_valkey: Valkey, smtp_sink: SmtpSink, record_property: Figure
) -> None:
    known = make_accounts(12)
    unknown = strangers_to(known[0], 4)
    os.kill(own_valkey.pid, signal.SIGSTOP)
    answers = send_all(site.url, asking_all(known, unknown), parallel=8)
    assert_answered_alike(answers, known=known, unknown=unknown, record_property=record_property)
    assert not any(smtp_sink.of(account.email) for account in known)
    os.kill(own_valkey.pid, signal.SIGCONT)
    wait_until_delivered(site, known)
    assert_mailed_once(known, smtp_sink)


def test_a_full_valkey_delays_no_request(
    site: Site, own_valkey: Valkey, smtp_sink: SmtpSink, record_property: Figure
) -> None:
    known = make_accounts(10)
    unknown = strangers_to(known[0], 5)
    with own_valkey.client() as client:
        client.config_set("maxmemory", "1")
        answers = send_all(site.url, asking_all(known, unknown))
        client.config_set("maxmemory", "0")
    assert_answered_alike(answers, known=known, unknown=unknown, record_property=record_property)
    wait_until_delivered(site, known)
    assert_mailed_once(known, smtp_sink)


def test_a_code_that_expires_while_valkey_is_down_is_never_emailed(
    site: Site, own_valkey: Valkey, smtp_sink: SmtpSink, record_property: Figure
) -> None:
    own_valkey.kill()
    time.sleep(2)  # a delivery that the worker has begun may still send what is due
    *late, punctual = make_accounts(4)
    assert {each.answer.status for each in send_all(site.url, asking_all([*late, punctual]))} == {200}
    issued = OneTimeCode.objects.filter(recipient__in=[account.username for account in late])
    unsent = list(issued.filter(delivery=DeliveryState.QUEUED).values_list("pk", flat=True))
    rows = OneTimeCode.objects.filter(pk__in=unsent)
    assert rows.filter(delivery=DeliveryState.QUEUED).update(expires_at=datetime.now(UTC)) == len(unsent) > 0
    own_valkey.start()
    wait_until_none(site, rows.filter(closed_at=None))
    wait_until_delivered(site, [punctual])
    assert set(rows.values_list("closed_as", "delivery", "salt")) == {
        (CodeClosed.EXPIRED, DeliveryState.EXPIRED_UNSENT, None)
    }
    assert_mailed_once([punctual], smtp_sink)


def test_no_log_line_reports_an_unhandled_error(site: Site) -> None:
    assert '"logger": "dfns_login.api"' not in site.web.log
    assert "raised unexpected" not in site.worker.log
