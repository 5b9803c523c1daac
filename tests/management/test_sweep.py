"""`dfns sweep` does what beat and a worker do, once, and its exit status tells failures (R-139)."""

import smtplib
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.mail.backends.base import BaseEmailBackend
from django.db import OperationalError
from django.utils import timezone

from dfns_login.delivery.outbox import BATCH_SIZE
from dfns_login.models import Account, CodeClosed, DeliveryState, OneTimeCode
from dfns_login.signals import email_handled
from dfns_login.tasks import SWEPT_AT_KEY
from tests.support.factories import issue, make_account, make_organization
from tests.support.mail import send_through
from tests.support.servers import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING = {"closed": 0, "sent": 0, "failed": 0, "refused": 0, "more": False}


class RefusingBackend(BaseEmailBackend):
    def send_messages(self, messages: Any) -> int:
        raise smtplib.SMTPRecipientsRefused({"jane@example.co": (550, b"5.1.1 no such user")})


@pytest.fixture
def jane() -> Account:
    return make_account(make_organization())


def test_what_is_due_is_sent_once(dfns, jane: Account, mailoutbox):
    issue(jane.recipient)
    said = dfns("sweep", "--json")
    assert (said.error, said.json) == ("", {**NOTHING, "sent": 1})
    assert [mail.to for mail in mailoutbox] == [[jane.email]]
    assert dfns("sweep", "--json").json == NOTHING
    assert len(mailoutbox) == 1


def test_more_than_one_batch_is_sent(dfns, jane: Account, mailoutbox):
    for number in range(BATCH_SIZE + 1):
        issue(make_account(jane.organization, f"p{number}@example.co").recipient)
    assert dfns("sweep", "--json").json == {**NOTHING, "sent": BATCH_SIZE + 1}


def test_expired_codes_are_closed(dfns, jane: Account):
    issue(jane.recipient, now=timezone.now() - timedelta(days=1))
    assert dfns("sweep", "--json").json == {**NOTHING, "closed": 1}
    assert OneTimeCode.objects.get().closed_as == CodeClosed.EXPIRED


def test_doctor_learns_of_it(dfns):
    cache.delete(SWEPT_AT_KEY)
    dfns("sweep")
    assert abs(cache.get(SWEPT_AT_KEY) - time.time()) < 60


def test_it_is_done_without_a_cache(dfns, jane: Account, mailoutbox, settings):
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    issue(jane.recipient)
    assert dfns("sweep", "--json").json == {**NOTHING, "sent": 1}


def test_a_mail_server_that_is_down_is_a_failure(dfns, jane: Account, settings):
    send_through(settings, "django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=1)
    issue(jane.recipient)
    said = dfns("sweep", "--json")
    assert said.json == {**NOTHING, "failed": 1}
    assert said.error == "Emails that could not be sent: 1. See the log, and the codes in the admin."
    assert jane.email not in said.out + said.err + said.error
    assert dfns("sweep", "--json").json == NOTHING  # it waits for its next try


def test_an_email_that_is_refused_for_good_is_a_failure(dfns, jane: Account, settings):
    send_through(settings, f"{__name__}.RefusingBackend")
    issue(jane.recipient)
    said = dfns("sweep", "--json")
    assert (said.json, bool(said.error)) == ({**NOTHING, "refused": 1}, True)
    assert OneTimeCode.objects.get().delivery == DeliveryState.REFUSED


def test_a_name_that_is_unknown_is_no_failure(dfns, jane: Account):
    issue(type(jane.recipient)(organization=jane.organization_id, username="nobody@example.co"))
    said = dfns("sweep", "--json")
    assert (said.json, said.error) == (NOTHING, "")


def test_a_database_that_is_down_is_a_failure(dfns, monkeypatch):
    def fail(**_: object) -> None:
        raise OperationalError("secret")

    monkeypatch.setattr("dfns_login.management.sweep.start_sweep", fail)
    said = dfns("sweep", "--json")
    assert "secret" not in said.error + said.out
    assert said.json == {"error": said.error}


def test_it_goes_on_for_as_long_as_it_is_told(dfns, jane: Account, mailoutbox, monkeypatch):
    """A code that is requested meanwhile is sent by the next round."""

    def sleep(seconds: float) -> None:
        assert seconds <= 5
        if not mailoutbox:
            issue(jane.recipient)
        else:
            monkeypatch.setattr("dfns_login.management.sweep.time.monotonic", lambda: float("inf"))

    monkeypatch.setattr("dfns_login.management.sweep.time.sleep", sleep)
    assert dfns("sweep", "--for", "55", "--json").json == {**NOTHING, "sent": 1}


@pytest.mark.parametrize("wrong", ["-1", "x", "3601", "1e3", "٣", ""])
def test_other_times_are_refused(dfns, wrong: str):
    assert "argument --for: not a number of seconds from 0 to 3600" in dfns("sweep", f"--for={wrong}").error


def test_nothing_listens_afterwards(dfns):
    before = len(email_handled.receivers)
    dfns("sweep")
    assert len(email_handled.receivers) == before


def test_the_exit_status_is_what_cron_sees(tmp_path):
    command = [sys.executable, str(ROOT / "manage.py"), "dfns", "sweep"]
    environment = {"PATH": "/usr/bin", "DEBUG": "1", "DATABASE_URL": f"sqlite:///{tmp_path}/empty"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("CommandError: Database error")
