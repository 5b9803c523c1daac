"""The mail server is away, refuses, stalls; the worker dies while it waits for it (R-115)."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from dfns_login.delivery.lease import LEASE
from dfns_login.models import Account, CodeClosed, DeliveryState, OneTimeCode
from dfns_login.proofs.codes import derive_code
from tests.outages.conftest import StartSite
from tests.support.parallel_requests import PARALLEL, send_at_once
from tests.support.race_calls import asking
from tests.support.servers import Site, Valkey
from tests.support.smtp_sink import KNOWN, STALLED, TAKEN, ReceivedMail, SmtpSink
from tests.support.timed_requests import asking_all, make_accounts, names_of, open_row, send_all, timed, wait_until


@pytest.fixture(scope="module")
def site(start_site: StartSite) -> Site:
    """The project with a sweep every second."""
    return start_site(SWEEP_SECONDS=1.0)


@pytest.fixture
def jane(database_url: str) -> Account:
    return make_accounts(1)[0]


def ask(site: Site, account: Account) -> None:
    assert timed(site.url, asking(names_of(account))).answer.status == 200


def wait_for(account: Account, delivery: DeliveryState, *, seconds: float = 30) -> None:
    wait_until(lambda: open_row(account).delivery == delivery, seconds=seconds)


def wait_for_sweeps(site: Site, number: int) -> None:
    """Return once the worker has swept so often from now on."""

    def sweeps() -> int:
        return site.worker.log.count("Task dfns_login.sweep")

    wanted = sweeps() + 2 * number  # received, and done
    wait_until(lambda: sweeps() >= wanted)


def test_sixty_requests_at_once_send_one_email(site: Site, smtp_sink: SmtpSink, jane: Account) -> None:
    assert {each.status for each in send_at_once(site.url, [asking(names_of(jane))] * PARALLEL)} == {200}
    wait_for(jane, DeliveryState.SENT)
    wait_for_sweeps(site, 2)
    assert [mail.code for mail in smtp_sink.of(jane.email)] == [derive_code(open_row(jane))]


def test_a_worker_killed_while_sending_leaves_the_email_to_the_next_one(
    site: Site, smtp_sink: SmtpSink, jane: Account
) -> None:
    smtp_sink.stall_before = True
    ask(site, jane)
    assert smtp_sink.stalled.acquire(timeout=30)
    code = derive_code(open_row(jane))
    site.worker.kill()
    smtp_sink.behave()
    site.worker.start()
    assert not smtp_sink.of(jane.email)
    wait_for(jane, DeliveryState.SENT, seconds=15)
    assert [mail.code for mail in smtp_sink.of(jane.email)] == [code]
    assert open_row(jane).tries == 2


def test_a_slow_server_gets_an_email_once(site: Site, smtp_sink: SmtpSink, jane: Account) -> None:
    """The worker renews its lease while it waits."""
    smtp_sink.stall_after = True
    ask(site, jane)
    assert smtp_sink.stalled.acquire(timeout=30)
    time.sleep(LEASE.total_seconds() + 1)
    assert open_row(jane).delivery == DeliveryState.SENDING
    smtp_sink.go_on.set()
    wait_for(jane, DeliveryState.SENT)
    assert len(smtp_sink.of(jane.email)) == open_row(jane).tries == 1


def test_a_worker_killed_after_the_email_was_accepted_causes_a_resend_of_the_same_code(
    site: Site, smtp_sink: SmtpSink, jane: Account
) -> None:
    smtp_sink.stall_after = True
    ask(site, jane)
    assert smtp_sink.stalled.acquire(timeout=30)
    site.worker.kill()
    smtp_sink.behave()
    site.worker.start()
    wait_for(jane, DeliveryState.SENT, seconds=15)
    assert [mail.code for mail in smtp_sink.of(jane.email)] == [derive_code(open_row(jane))] * 2


def test_emails_of_a_killed_worker_are_sent_when_its_lease_ends(
    site: Site, own_valkey: Valkey, smtp_sink: SmtpSink
) -> None:
    accounts = make_accounts(50)
    site.worker.kill()
    send_all(site.url, asking_all(accounts))
    OneTimeCode.objects.update(delivery=DeliveryState.SENDING, tries=1, next_try_at=datetime.now(UTC))
    with own_valkey.client() as client:
        client.flushdb()  # every wake-up: the sweep is what finds them
    site.worker.start()
    for account in accounts:
        wait_for(account, DeliveryState.SENT)
        assert [mail.code for mail in smtp_sink.of(account.email)] == [derive_code(open_row(account))]


def test_the_row_shows_the_mail_servers_reply_until_it_accepts_the_email(site: Site, smtp_sink: SmtpSink) -> None:
    busy, strict, full, rejected = accounts = make_accounts(4)
    to_recipient = {busy.email: "451 4.3.2 try later", strict.email: "550 5.7.1 sender not allowed"}
    to_mail = {full.email: "452 4.2.2 mailbox full", rejected.email: "554 5.7.1 rejected"}
    smtp_sink.answer_recipient = lambda recipient: to_recipient.get(recipient, KNOWN)
    smtp_sink.answer_mail = lambda mail: to_mail.get(mail.recipient, TAKEN)
    send_all(site.url, asking_all(accounts))
    for account in accounts:
        wait_for(account, DeliveryState.FAILED)
        row = open_row(account)
        assert row.last_error == (to_recipient | to_mail)[account.email]
        assert row.next_try_at > row.asked_at + timedelta(seconds=4)
    smtp_sink.behave()
    for account in accounts:
        wait_for(account, DeliveryState.SENT)
        assert [mail.code for mail in smtp_sink.of(account.email)] == [derive_code(open_row(account))]
        assert open_row(account).last_error == ""


def test_a_permanently_refused_email_is_not_retried(site: Site, smtp_sink: SmtpSink, jane: Account) -> None:
    smtp_sink.answer_recipient = lambda _recipient: "550 5.1.1 nobody here"
    ask(site, jane)
    wait_for(jane, DeliveryState.REFUSED)
    smtp_sink.behave()
    wait_for_sweeps(site, 2)
    assert not smtp_sink.of(jane.email)


def test_an_email_is_sent_when_the_mail_server_is_back(site: Site, smtp_sink: SmtpSink, jane: Account) -> None:
    smtp_sink.stop()
    ask(site, jane)
    wait_for(jane, DeliveryState.FAILED)
    assert open_row(jane).last_error == "ConnectionRefusedError: Connection refused"
    smtp_sink.start()
    wait_for(jane, DeliveryState.SENT)
    assert [mail.code for mail in smtp_sink.of(jane.email)] == [derive_code(open_row(jane))]


def test_a_code_that_expires_before_the_mail_server_is_back_is_never_emailed(
    site: Site, smtp_sink: SmtpSink, jane: Account
) -> None:
    smtp_sink.stop()
    ask(site, jane)
    wait_for(jane, DeliveryState.FAILED)
    code = expire(jane)
    smtp_sink.start()
    wait_until(lambda: OneTimeCode.objects.get(pk=code.pk).closed_at)
    wait_for_sweeps(site, 2)
    assert_expired_unsent(code)
    assert not smtp_sink.of(jane.email)


def test_a_code_that_expires_while_the_mail_server_stalls_is_not_retried(
    site: Site, smtp_sink: SmtpSink, jane: Account
) -> None:
    smtp_sink.stall_before = True
    ask(site, jane)
    assert smtp_sink.stalled.acquire(timeout=30)
    code = expire(jane)
    wait_until(lambda: OneTimeCode.objects.get(pk=code.pk).closed_at)
    smtp_sink.go_on.set()
    wait_until(lambda: OneTimeCode.objects.get(pk=code.pk).last_error == STALLED)
    smtp_sink.behave()
    wait_for_sweeps(site, 2)
    assert_expired_unsent(code)
    assert not smtp_sink.of(jane.email)


def expire(account: Account) -> OneTimeCode:
    """Let the life of the open code end now."""
    row = open_row(account)
    OneTimeCode.objects.filter(pk=row.pk).update(expires_at=datetime.now(UTC))
    return row


def assert_expired_unsent(code: OneTimeCode) -> None:
    code.refresh_from_db()
    assert (code.closed_as, code.delivery, code.salt) == (CodeClosed.EXPIRED, DeliveryState.EXPIRED_UNSENT, None)


@pytest.mark.parametrize("echo", ["{0}", "{1}", "{2}"], ids=["as it was written", "bare", "in part"])
def test_a_mail_server_reply_that_quotes_the_code_is_not_stored(
    site: Site, smtp_sink: SmtpSink, jane: Account, echo: str
) -> None:
    def repeat(mail: ReceivedMail) -> str:
        return "554 5.7.1 rejected: " + echo.format(mail.code, mail.code.replace("-", ""), mail.code[:9])

    smtp_sink.answer_mail = repeat
    ask(site, jane)
    wait_for(jane, DeliveryState.FAILED)
    row = open_row(jane)
    assert row.last_error.startswith("554 5.7.1 rejected: ")
    for group in derive_code(row).split("-"):
        assert group not in row.last_error
        assert group not in site.worker.log.partition("rejected")[2]
