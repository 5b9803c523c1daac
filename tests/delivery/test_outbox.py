"""Delivery: the row is the outbox."""

import re
import smtplib
from datetime import datetime
from typing import Any, ClassVar

import pytest
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection

from dfns_login.audit import record_event
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.delivery import deliver_due
from dfns_login.delivery.codes import RECIPIENT_STATES
from dfns_login.delivery.lease import LEASE
from dfns_login.delivery.sending import FIRST_BACKOFF, LONGEST_BACKOFF, backoff
from dfns_login.key_rings import new_rings
from dfns_login.models import (
    Account,
    AccountState,
    AuditEvent,
    AuditKind,
    CodeClosed,
    CodePurpose,
    DeliveryState,
    OneTimeCode,
    Organization,
)
from dfns_login.proofs.codes import derive_code, issue_code
from dfns_login.purge import close_expired_codes
from dfns_login.requester import Requester
from dfns_login.usernames import Recipient
from tests.support.clock import HOUR, MINUTE, NOW, SECOND
from tests.support.factories import SOMEWHERE, make_account, make_organization
from tests.support.mail import deliver_at, send_through

pytestmark = pytest.mark.django_db

Outbox = list[EmailMultiAlternatives]


@pytest.fixture
def jane() -> Account:
    return make_account(make_organization(), "Jane@example.co")


@pytest.fixture
def configure(settings: Any) -> Any:
    def change(**values: object) -> None:
        settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, **values}

    return change


def ask(
    account: Account,
    *,
    now: datetime = NOW,
    purpose: CodePurpose = CodePurpose.LOGIN,
    requester: Requester = SOMEWHERE,
) -> OneTimeCode:
    pk = issue_code(account.recipient, purpose=purpose, requester=requester, now=now)
    return OneTimeCode.objects.get(pk=pk)


def deliver(row: OneTimeCode, *, now: datetime = NOW) -> OneTimeCode:
    deliver_at(now)
    row.refresh_from_db()
    return row


def due_codes(*, now: datetime) -> list[int]:
    """Codes that a run would send now, in order."""
    return list(OneTimeCode.objects.due(now=now).order_by("next_try_at").values_list("pk", flat=True))


def lease(row: OneTimeCode, *, now: datetime) -> bool:
    """Lease the row as another worker would."""
    return OneTimeCode.objects.due(now=now).filter(pk=row.pk).take(limit=1, until=now + LEASE) == [row.pk]


class Unwilling(BaseEmailBackend):
    """Raises, or returns a number."""

    answer: BaseException | int | None = 0
    before: Any = None

    def send_messages(self, _: Any) -> Any:
        if Unwilling.before:
            Unwilling.before()
        if isinstance(Unwilling.answer, BaseException):
            raise Unwilling.answer
        return Unwilling.answer


@pytest.fixture
def unwilling(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`unwilling(answer)`: what the mail server says from now on."""
    monkeypatch.setattr(Unwilling, "before", None)

    def change(answer: BaseException | int | None, *, before: Any = None) -> None:
        send_through(settings, f"{__name__}.Unwilling")
        monkeypatch.setattr(Unwilling, "answer", answer)
        monkeypatch.setattr(Unwilling, "before", before)

    return change


BUSY = smtplib.SMTPResponseException(451, b"try later")


# The email


def test_the_mail(jane: Account, mailoutbox: Outbox) -> None:
    row = deliver(ask(jane))
    (mail,) = mailoutbox
    code = derive_code(row)
    assert mail.to == ["Jane@example.co"]  # the stored address, as it was stored
    assert not mail.cc
    assert not mail.bcc
    assert mail.subject == "Your sign-in code for localhost"
    html = str(mail.alternatives[0][0])
    assert code in mail.body
    assert code in html
    assert mail.body.rstrip().endswith(f"@localhost #{code}")
    message = mail.message()
    assert not any(code in str(value) or code.replace("-", "") in str(value) for value in message.values())
    assert not re.search(r"href|src=", html)
    assert message["Auto-Submitted"] == "auto-generated"
    assert (row.delivery, row.sent_at, row.handled_at, row.account, row.last_error) == (
        DeliveryState.SENT,
        NOW,
        NOW,
        jane,
        "",
    )
    event = AuditEvent.objects.get()
    assert (event.kind, event.account, event.detail) == (
        AuditKind.CODE_SENT,
        jane,
        {"purpose": "login", "code": row.pk, "try": 1},
    )


def test_the_email_of_an_invitation(mailoutbox: Outbox) -> None:
    lee = make_account(make_organization("Äcme & <Söhne>"), "lee@example.co", state=AccountState.INVITED)
    row = deliver(ask(lee, purpose=CodePurpose.REGISTRATION))
    (mail,) = mailoutbox
    assert mail.subject == "You've been invited to localhost"
    html = str(mail.alternatives[0][0])
    assert "Äcme & <Söhne>" in mail.body
    assert "Äcme &amp; &lt;Söhne&gt;" in html
    for text in (mail.body, html):
        assert derive_code(row) in text
        assert lee.organization_id in text
        assert lee.username in text
        assert "expires in 24 hours" in text


@pytest.mark.parametrize(("locale", "written"), [("", "en"), ("en", "en"), ("de", "de"), ("xx", "xx")])
def test_the_email_is_in_the_language_of_the_device_or_the_projects(
    jane: Account, mailoutbox: Outbox, locale: str, written: str
) -> None:
    deliver(ask(jane, requester=Requester(address="", locale=locale, device="known")))
    assert f'<html lang="{written}"' in str(mailoutbox[0].alternatives[0][0])


def test_the_email_says_how_long_the_code_is_valid(jane: Account, mailoutbox: Outbox) -> None:
    row = ask(jane)
    deliver(row, now=NOW + 7 * MINUTE + SECOND)
    assert "expires in 3 minutes" in mailoutbox[0].body
    OneTimeCode.objects.update(asked_at=NOW + 9 * MINUTE + SECOND)
    deliver(row, now=NOW + 9 * MINUTE + 30 * SECOND)
    assert "expires in 1 minute." in mailoutbox[1].body


# Who is emailed


def test_an_unknown_name_gets_no_email(mailoutbox: Outbox) -> None:
    nobody = Recipient(organization="or-x", username="nobody@example.co")
    pk = issue_code(nobody, purpose=CodePurpose.LOGIN, requester=SOMEWHERE, now=NOW)
    row = deliver(OneTimeCode.objects.get(pk=pk))
    assert (row.delivery, row.handled_at, row.sent_at, row.account) == (DeliveryState.NO_RECIPIENT, NOW, None, None)
    assert row.closed_at is None  # it stays open, and counts guesses like any other
    assert not mailoutbox
    assert not AuditEvent.objects.exists()
    deliver(row, now=NOW + MINUTE)
    assert row.tries == 1


@pytest.mark.parametrize("purpose", RECIPIENT_STATES)
@pytest.mark.parametrize("state", AccountState)
def test_only_an_account_that_can_use_the_code_is_emailed(
    mailoutbox: Outbox, purpose: CodePurpose, state: AccountState
) -> None:
    account = make_account(make_organization(), state=state)
    wanted = AccountState.INVITED if purpose == CodePurpose.REGISTRATION else AccountState.REGISTERED
    if purpose == CodePurpose.RECOVERY and state == wanted:
        return  # has no email yet
    row = deliver(ask(account, purpose=purpose))
    assert row.delivery == (DeliveryState.SENT if state == wanted else DeliveryState.NO_RECIPIENT)
    assert len(mailoutbox) == (state == wanted)


def test_an_account_of_a_deactivated_organization_is_not_emailed(jane: Account, mailoutbox: Outbox) -> None:
    Organization.objects.update(active=False)
    assert deliver(ask(jane)).delivery == DeliveryState.NO_RECIPIENT
    assert not mailoutbox


def test_the_email_goes_to_the_stored_address(mailoutbox: Outbox) -> None:
    """CVE-2019-19844."""
    organization = make_organization()
    make_account(organization, "mike@example.org")
    for twin in ("m\u0131ke@example.org", "mike@ex\u00e4mple.org", "mike@example.org, eve@example.org"):
        recipient = Recipient(organization=organization.pk, username=twin)
        issue_code(recipient, purpose=CodePurpose.LOGIN, requester=SOMEWHERE, now=NOW)
        deliver_at(NOW)
    assert not mailoutbox


# When


def test_a_delivered_code_is_not_sent_again(jane: Account, mailoutbox: Outbox) -> None:
    row = ask(jane)
    for seconds in (0, 1, 59, 61, 300):
        deliver(row, now=NOW + seconds * SECOND)
    assert len(mailoutbox) == 1
    assert row.tries == 1


def test_a_request_within_a_minute_sends_no_second_email(jane: Account, mailoutbox: Outbox) -> None:
    """R-40."""
    deliver(ask(jane))
    for seconds in (1, 30, 59):
        deliver(ask(jane, now=NOW + seconds * SECOND), now=NOW + seconds * SECOND)
    assert len(mailoutbox) == 1
    deliver(ask(jane, now=NOW + MINUTE), now=NOW + MINUTE)
    assert len(mailoutbox) == 2


def test_a_later_request_sends_the_same_code_again(jane: Account, mailoutbox: Outbox) -> None:
    row = deliver(ask(jane))
    again = deliver(ask(jane, now=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)
    assert again.pk == row.pk
    first, second = (re.findall(r"\d{4}-\d{4}-\d{4}-\d{4}", mail.body)[0] for mail in mailoutbox)
    assert first == second == derive_code(row)
    assert (again.tries, again.sent_at) == (2, NOW + 2 * MINUTE)


def test_asked_again_while_it_is_sent_it_is_sent_again(jane: Account, mailoutbox: Outbox) -> None:
    row = ask(jane)
    assert lease(row, now=NOW + MINUTE)
    ask(jane, now=NOW + MINUTE + SECOND)
    held = OneTimeCode.objects.get()
    held.asked_at = NOW  # as the worker read it
    assert OneTimeCode.objects.record_sent(held, account=jane, now=NOW + MINUTE)
    assert deliver(row, now=NOW + MINUTE + 2 * SECOND).sent_at == NOW + MINUTE + 2 * SECOND


@pytest.mark.parametrize("state", ["expired", "closed"])
def test_a_closed_code_is_never_emailed(jane: Account, mailoutbox: Outbox, state: str) -> None:
    row = ask(jane)
    if state == "closed":
        OneTimeCode.objects.revoke(code=row, now=NOW)
    deliver(row, now=row.expires_at)
    assert not mailoutbox
    assert row.tries == 0


def test_a_code_that_expires_soon_is_emailed(jane: Account, mailoutbox: Outbox) -> None:
    row = ask(jane)
    deliver(row, now=row.expires_at - SECOND)
    assert len(mailoutbox) == 1


def test_the_web_hosts_clock_may_be_ahead(jane: Account, mailoutbox: Outbox) -> None:
    """One email, though the worker handles what, by its own clock, has not been asked for yet."""
    row = ask(jane, now=NOW + 30 * SECOND)
    for seconds in (0, 61, 100, 200):
        deliver(row, now=NOW + seconds * SECOND)
    assert len(mailoutbox) == 1


def test_the_web_hosts_clock_may_be_ahead_for_an_unknown_name() -> None:
    nobody = Recipient(organization="or-x", username="nobody")
    issue_code(nobody, purpose=CodePurpose.LOGIN, requester=SOMEWHERE, now=NOW + 30 * SECOND)
    for seconds in (0, 61, 100):
        deliver_at(NOW + seconds * SECOND)
    assert OneTimeCode.objects.get().tries == 1


# Leases


def test_a_row_is_one_workers_until_the_lease_ends(jane: Account, mailoutbox: Outbox) -> None:
    row = ask(jane)
    assert lease(row, now=NOW)  # and this worker dies
    for seconds in (0, 4, 7):
        deliver(row, now=NOW + seconds * SECOND)
    assert not mailoutbox
    deliver(row, now=NOW + LEASE)
    assert len(mailoutbox) == 1
    assert row.tries == 2


def test_an_outcome_counts_only_under_its_own_lease(jane: Account) -> None:
    row = ask(jane)
    lease(row, now=NOW)
    late = OneTimeCode.objects.get()
    lease(row, now=NOW + LEASE)
    codes = OneTimeCode.objects
    assert not codes.record_failed(late, account=jane, error="late", next_try_at=NOW)
    assert not codes.record_no_recipient(late, now=NOW)
    assert not codes.record_sent(late, account=jane, now=NOW)
    assert OneTimeCode.objects.get().delivery == DeliveryState.SENDING


def test_a_code_that_is_closed_while_it_is_sent_stays_settled(jane: Account, unwilling: Any) -> None:
    row = ask(jane)
    unwilling(
        smtplib.SMTPServerDisconnected("gone"),
        before=lambda: OneTimeCode.objects.revoke(code=row, now=NOW + SECOND),
    )
    deliver(row)
    assert row.closed_as == CodeClosed.REVOKED
    assert row.delivery == DeliveryState.EXPIRED_UNSENT


# Failures


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (smtplib.SMTPResponseException(451, b"greylisted, try \xff later"), "451 greylisted, try \ufffd later"),
        (
            smtplib.SMTPRecipientsRefused({"jane@example.co": (550, b"no such user"), "b": (452, b"full")}),
            "550 no such user; 452 full",
        ),
        (smtplib.SMTPServerDisconnected("Connection unexpectedly closed"), "SMTPServerDisconnected"),
        (ConnectionRefusedError(111, "Connection refused"), "ConnectionRefusedError: Connection refused"),
        (TimeoutError("timed out"), "TimeoutError"),
        (ValueError("to jane@example.co: 1234-1234-1234-1234"), "ValueError"),
        (smtplib.SMTPDataError(550, b"5.7.1 listed by our blocklist"), "550 5.7.1 listed by our blocklist"),
        (smtplib.SMTPRecipientsRefused({"a": (552, b"5.2.2 full")}), "552 5.2.2 full"),
        (smtplib.SMTPRecipientsRefused({"a": (550, b"5.1.8 bad sender")}), "550 5.1.8 bad sender"),
        (smtplib.SMTPSenderRefused(550, b"who are you", "login@example.com"), "550 who are you"),
        (smtplib.SMTPAuthenticationError(535, b"5.7.8 wrong password"), "535 5.7.8 wrong password"),
    ],
)
def test_a_failure_is_written_down_and_tried_again(
    jane: Account, unwilling: Any, answer: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    unwilling(answer)
    row = deliver(ask(jane))
    assert (row.delivery, row.last_error, row.handled_at, row.sent_at, row.account) == (
        DeliveryState.FAILED,
        told,
        None,
        None,
        jane,
    )
    assert row.next_try_at == NOW + FIRST_BACKOFF
    assert "jane@example.co" not in caplog.text
    assert not AuditEvent.objects.exists()


REFUSALS = [
    (smtplib.SMTPDataError(554, "no spam"), "554 no spam"),
    (smtplib.SMTPRecipientsRefused({"a": (550, b"5.1.1 no such user")}), "550 5.1.1 no such user"),
    (smtplib.SMTPRecipientsRefused({"a": (550, b"5.4.1 access denied")}), "550 5.4.1 access denied"),
    (smtplib.SMTPRecipientsRefused({"a": (553, b"no such mailbox")}), "553 no such mailbox"),
]


@pytest.mark.parametrize(("answer", "told"), REFUSALS)
def test_an_email_that_is_refused_for_good_is_not_tried_again(
    jane: Account, unwilling: Any, answer: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    unwilling(answer)
    row = deliver(ask(jane))
    assert (row.delivery, row.last_error, row.handled_at, row.sent_at, row.account) == (
        DeliveryState.REFUSED,
        told,
        NOW,
        None,
        jane,
    )
    assert due_codes(now=row.expires_at - SECOND) == []
    jane.refresh_from_db()
    assert jane.email_refused_at == NOW
    assert "outage" not in caplog.text
    close_expired_codes(now=row.expires_at)
    row.refresh_from_db()
    assert (row.delivery, row.closed_as) == (DeliveryState.REFUSED, CodeClosed.EXPIRED)


def test_requested_again_a_refused_email_is_tried_again(
    jane: Account, unwilling: Any, settings: Any, mailoutbox: Outbox
) -> None:
    unwilling(REFUSALS[0][0])
    deliver(ask(jane))
    send_through(settings, "django.core.mail.backends.locmem.EmailBackend")
    row = deliver(ask(jane, now=NOW + MINUTE), now=NOW + MINUTE)
    jane.refresh_from_db()
    assert (row.delivery, row.last_error, jane.email_refused_at, len(mailoutbox)) == (DeliveryState.SENT, "", None, 1)


@pytest.mark.parametrize("count", [0, None])
def test_a_backend_that_queues_accepts_the_email_whatever_it_returns(
    jane: Account, unwilling: Any, count: int | None
) -> None:
    unwilling(count)
    row = deliver(ask(jane))
    assert (row.delivery, row.tries) == (DeliveryState.SENT, 1)
    assert due_codes(now=row.expires_at - SECOND) == []


def test_a_server_reply_that_quotes_the_email_stores_no_code(jane: Account, unwilling: Any) -> None:
    row = ask(jane)
    code = derive_code(row)
    unwilling(smtplib.SMTPDataError(554, f"refused: {code} {code} " + "x" * 1000))
    deliver(row)
    assert not any(group in row.last_error for group in code.split("-"))
    assert row.last_error.startswith("554 refused: …")
    assert len(row.last_error) <= 500


def test_failures_back_off(jane: Account, unwilling: Any) -> None:
    unwilling(BUSY)
    row = ask(jane)
    now, waits = NOW, []
    for _ in range(6):
        deliver(row, now=now)
        waits.append(row.next_try_at - now)
        now = row.next_try_at
    assert waits == [5 * 2**each * SECOND for each in range(6)]
    assert backoff(9) == 1280 * SECOND
    assert backoff(10) == backoff(300) == LONGEST_BACKOFF


def test_a_failed_delivery_is_retried(jane: Account, unwilling: Any, settings: Any, mailoutbox: Outbox) -> None:
    unwilling(BUSY)
    row = deliver(ask(jane))
    assert due_codes(now=NOW + FIRST_BACKOFF - SECOND) == []
    assert due_codes(now=NOW + FIRST_BACKOFF) == [row.pk]
    send_through(settings, "django.core.mail.backends.locmem.EmailBackend")
    deliver(row, now=NOW + FIRST_BACKOFF)
    assert (row.delivery, row.last_error) == (DeliveryState.SENT, "")
    assert len(mailoutbox) == 1
    assert due_codes(now=NOW + 5 * MINUTE) == []


def test_an_email_that_was_never_sent_is_recorded_when_its_code_expires(jane: Account, unwilling: Any) -> None:
    unwilling(BUSY)
    row = deliver(ask(jane))
    close_expired_codes(now=row.expires_at)
    row.refresh_from_db()
    assert (row.delivery, row.closed_as) == (DeliveryState.EXPIRED_UNSENT, CodeClosed.EXPIRED)


def test_an_email_sent_before_a_failure_stays_sent(jane: Account, unwilling: Any) -> None:
    row = deliver(ask(jane))
    unwilling(BUSY)
    deliver(ask(jane, now=NOW + MINUTE), now=NOW + MINUTE)
    row.refresh_from_db()
    assert row.delivery == DeliveryState.FAILED
    close_expired_codes(now=row.expires_at)
    row.refresh_from_db()
    assert row.delivery == DeliveryState.SENT


def test_a_code_whose_key_was_removed_is_not_emailed(jane: Account, configure: Any, mailoutbox: Outbox) -> None:
    row = ask(jane)
    configure(KEYS=new_rings(now=NOW))
    deliver(row)
    assert row.delivery == DeliveryState.FAILED
    assert "removed from the ring" in row.last_error
    assert not mailoutbox
    assert due_codes(now=row.expires_at - SECOND) == []


# The budget of a mailbox


def test_a_mailbox_has_a_budget(jane: Account, mailoutbox: Outbox, configure: Any) -> None:
    configure(RATES={"email_per_mailbox": ("2/h",)})
    other = make_account(make_organization(), jane.email)
    for account, now in ((jane, NOW), (other, NOW), (jane, NOW + MINUTE)):
        row = deliver(ask(account, now=now), now=now)
    assert len(mailoutbox) == 2
    assert (row.delivery, row.last_error) == (
        DeliveryState.FAILED,
        "email budget of the mailbox: email_per_mailbox 2/h",
    )
    assert SECOND <= row.next_try_at - (NOW + MINUTE) <= HOUR + SECOND
    deliver(row, now=row.next_try_at)
    assert len(mailoutbox) == 2


def test_a_failed_email_uses_the_budget_once(
    jane: Account, unwilling: Any, settings: Any, mailoutbox: Outbox, configure: Any
) -> None:
    """Or nobody would get an email for long after their mail server was down."""
    configure(RATES={"email_per_mailbox": ("2/h",)})
    unwilling(BUSY)
    row = ask(jane)
    for _ in range(4):
        deliver(row, now=row.next_try_at)
    assert row.tries == 4
    send_through(settings, "django.core.mail.backends.locmem.EmailBackend")
    deliver(row, now=NOW + 6 * MINUTE)
    assert len(mailoutbox) == 1


@pytest.mark.parametrize("cache_outage", ["allow", "refuse"])
def test_without_the_cache_the_budget_is_unlimited_or_nothing_is_sent(
    jane: Account, settings: Any, tmp_path: Any, configure: Any, mailoutbox: Outbox, cache_outage: str
) -> None:
    configure(CACHE_OUTAGE=cache_outage)
    default = settings.CACHES["default"]
    settings.CACHES = {"default": {**default, "LOCATION": f"unix://{tmp_path}/nobody.sock?db=0"}}
    row = deliver(ask(jane))
    if cache_outage == "allow":
        assert row.delivery == DeliveryState.SENT
    else:
        assert (row.delivery, row.last_error) == (DeliveryState.FAILED, "email budget of the mailbox: cache down")
        assert row.next_try_at == NOW + 5 * SECOND


# In which order


def test_due_codes_are_sent_oldest_first(jane: Account, mailoutbox: Outbox) -> None:
    lee = make_account(make_organization(), "lee@example.co")
    ask(jane, now=NOW + SECOND)
    ask(lee, now=NOW)
    deliver_at(NOW + SECOND)
    assert [mail.to[0] for mail in mailoutbox] == [lee.email, jane.email]


def test_people_who_wait_come_first(mailoutbox: Outbox, unwilling: Any, settings: Any) -> None:
    """R-129: login and recovery codes, then their retries, then notices, then invitations."""
    organization = make_organization()

    def someone(name: str, state: AccountState = AccountState.REGISTERED) -> Account:
        return make_account(organization, f"{name}@example.co", state=state)

    unwilling(BUSY)
    deliver(ask(someone("retried")))
    send_through(settings, "django.core.mail.backends.locmem.EmailBackend")
    later = NOW + FIRST_BACKOFF
    for number in range(25):
        ask(someone(f"invited-{number}", AccountState.INVITED), purpose=CodePurpose.REGISTRATION)
    notify_owner(record_event(AuditKind.RECOVERED, account=someone("told"), requester=None, now=NOW))
    ask(someone("locked-out"), purpose=CodePurpose.RECOVERY, now=NOW + SECOND)
    ask(someone("waiting"), now=NOW + 2 * SECOND)
    deliver_at(later)
    order = [mail.to[0].partition("@")[0] for mail in mailoutbox]
    assert order[:4] == ["locked-out", "waiting", "retried", "told"]
    assert len(order) == 29


def test_a_code_overtakes_a_batch_at_a_slow_server(jane: Account, unwilling: Any, mailoutbox: Outbox) -> None:
    """R-129: what a worker has leased and not yet sent goes back when it takes long."""
    organization, now = make_organization(), [NOW]
    invited = [make_account(organization, f"{n}@example.co", state=AccountState.INVITED) for n in range(10)]
    for account in invited:
        ask(account, purpose=CodePurpose.REGISTRATION)

    def take_long() -> None:
        if now == [NOW]:
            ask(jane)
        now[0] += 2 * SECOND

    unwilling(1, before=take_long)
    assert deliver_due(clock=lambda: now[0])
    sent = list(
        OneTimeCode.objects.filter(delivery=DeliveryState.SENT).order_by("sent_at").values_list("recipient", flat=True)
    )
    assert sent[1] == jane.username
    assert len(sent) == 3  # in the five seconds of a run
    waiting = OneTimeCode.objects.filter(delivery=DeliveryState.QUEUED)
    assert set(waiting.values_list("tries", flat=True)) == {0}
    assert waiting.count() == 8


# One connection


class Server(BaseEmailBackend):
    """Counts connections; ends one after three emails; refuses one recipient."""

    reachable = True
    opened = 0
    sent: ClassVar[list[str]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.taken = 0

    def open(self) -> bool:
        if not Server.reachable:
            raise ConnectionRefusedError(111, "Connection refused")
        Server.opened += 1
        return True

    def send_messages(self, messages: Any) -> int:
        if self.taken == 3:
            raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")
        (message,) = messages
        if message.to[0].startswith("refused"):
            raise smtplib.SMTPRecipientsRefused({message.to[0]: (550, b"no such user")})
        self.taken += 1
        Server.sent.append(message.to[0])
        return 1


@pytest.fixture
def server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> type[Server]:
    send_through(settings, f"{__name__}.Server")
    for name, value in (("reachable", True), ("opened", 0), ("sent", [])):
        monkeypatch.setattr(Server, name, value)
    return Server


def ask_all(*names: str) -> list[OneTimeCode]:
    organization = make_organization()
    return [ask(make_account(organization, f"{name}@example.co")) for name in names]


def test_a_batch_shares_a_connection_and_opens_another_when_the_server_ends_it(server: type[Server]) -> None:
    ask_all("a", "b", "c", "d", "e")
    deliver_at(NOW)
    assert server.sent == [f"{name}@example.co" for name in "abcde"]
    assert server.opened == 2


def test_a_refused_recipient_delays_no_other_email(server: type[Server]) -> None:
    ask_all("refused", "b")
    deliver_at(NOW)
    assert (server.sent, server.opened) == (["b@example.co"], 1)


def test_a_server_out_of_reach_is_tried_once_for_a_batch(server: type[Server]) -> None:
    rows = ask_all("a", "b", "c")
    server.reachable = False
    deliver_at(NOW)
    for row in rows:
        row.refresh_from_db()
        assert (row.delivery, row.last_error) == (DeliveryState.FAILED, "ConnectionRefusedError: Connection refused")
        assert row.next_try_at == NOW + FIRST_BACKOFF
    server.reachable = True
    deliver_at(NOW + FIRST_BACKOFF)
    assert len(server.sent) == 3


def test_an_email_that_cannot_be_composed_delays_no_other(settings: Any, tmp_path: Any, mailoutbox: Outbox) -> None:
    folder = tmp_path / "dfns_login" / "email"
    folder.mkdir(parents=True)
    (folder / "login_code.txt").write_text("{% if account.username == 'a@example.co' %}{% include 'no' %}{% endif %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    broken, fine = ask_all("a", "b")
    deliver_at(NOW)
    broken.refresh_from_db()
    assert (broken.delivery, broken.last_error) == (DeliveryState.FAILED, "TemplateDoesNotExist")
    assert [mail.to[0] for mail in mailoutbox] == [fine.recipient]


def test_the_error_of_a_template_does_not_log_the_code(
    settings: Any, tmp_path: Any, jane: Account, caplog: pytest.LogCaptureFixture
) -> None:
    """R-06: Django quotes the whole context if an argument of a filter is missing."""
    folder = tmp_path / "dfns_login" / "email"
    folder.mkdir(parents=True)
    (folder / "login_code.txt").write_text("{{ code|default:missing.name }}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    row = ask(jane)
    code = derive_code(row)
    deliver_at(NOW)
    row.refresh_from_db()
    assert (row.delivery, row.last_error) == (DeliveryState.FAILED, "VariableDoesNotExist")
    assert "VariableDoesNotExist" in caplog.text
    assert not [group for group in code.split("-") if group in caplog.text]


# Whose clock


def test_a_new_code_is_sent_though_the_host_that_issued_it_is_ahead(jane: Account, mailoutbox: Outbox) -> None:
    ask(jane, now=NOW + MINUTE)
    deliver_at(NOW)
    assert len(mailoutbox) == 1


def test_asked_again_after_a_failure_it_is_tried_at_once(jane: Account, unwilling: Any) -> None:
    unwilling(BUSY)
    row = ask(jane)
    for _ in range(5):
        deliver(row, now=row.next_try_at)
    now = row.asked_at + 2 * MINUTE
    assert row.next_try_at > now
    assert deliver(ask(jane, now=now), now=now).tries == 6


def test_a_code_closed_while_it_is_leased_is_not_emailed(jane: Account, mailoutbox: Outbox) -> None:
    row = ask(jane)

    def revoke_once_taken(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith("WITH taken") and not OneTimeCode.objects.filter(closed_at__isnull=False).exists():
            OneTimeCode.objects.filter(pk=row.pk).update(closed_at=NOW, closed_as=CodeClosed.CONSUMED, salt=None)
        return result

    with connection.execute_wrapper(revoke_once_taken):
        deliver_at(NOW)
    assert not mailoutbox
    row.refresh_from_db()
    assert row.tries == 1
