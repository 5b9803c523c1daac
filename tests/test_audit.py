"""What happened: one event, one log line, one signal; no secret in any of them (R-116, R-117)."""

import logging
from typing import Any

import pytest
from django.dispatch import Signal

from dfns_login.audit import log_code_request, log_outage, log_refusal, record_event, username_hash
from dfns_login.errors import BodyRefused
from dfns_login.models import Account, AuditEvent, AuditKind
from dfns_login.requester import Requester
from dfns_login.signals import SIGNALS, signed_in
from dfns_login.usernames import Recipient
from tests.support.clock import NOW
from tests.support.factories import make_account, make_organization

HERE = Requester(address="2001:db8::1", agent="Lynx", locale="en")
JANE = Recipient(organization="or-1", username="jane@example.co")


@pytest.fixture
def jane(db: None) -> Account:
    return make_account(make_organization())


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO, logger="dfns_login.audit")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "dfns_login.audit"]


def test_an_event_is_a_row_a_line_and_a_signal(
    jane: Account, lines: Any, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[dict[str, Any]] = []

    def hear(**what: Any) -> None:
        heard.append(what)

    signed_in.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            record_event(AuditKind.SIGNED_IN, account=jane, requester=HERE, now=NOW, session=7)
            assert not heard  # until it is committed
    finally:
        signed_in.disconnect(hear)
    event = AuditEvent.objects.get()
    assert (event.kind, event.account, event.organization, event.at) == (
        AuditKind.SIGNED_IN,
        jane,
        jane.organization,
        NOW,
    )
    assert (event.address, event.agent, event.detail) == ("2001:db8::1", "Lynx", {"session": 7})
    assert lines() == [
        f"session.opened account={jane.pk} organization={jane.organization_id} session=7 prefix=2001:db8::/64"
    ]
    (what,) = heard
    assert what.pop("signal") is signed_in
    assert what == {"sender": AuditEvent, "account": jane, "requester": HERE, "at": NOW, "detail": {"session": 7}}


def test_a_failing_signal_receiver_changes_no_outcome(jane: Account, django_capture_on_commit_callbacks: Any) -> None:
    def fail(**_: Any) -> None:
        raise ValueError

    signed_in.connect(fail)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            record_event(AuditKind.SIGNED_IN, account=jane, requester=None, now=NOW)
    finally:
        signed_in.disconnect(fail)
    assert (AuditEvent.objects.get().address, AuditEvent.objects.get().agent) == ("", "")


def test_an_event_says_when_and_what(jane: Account) -> None:
    record_event(AuditKind.SIGNED_OUT, account=jane, requester=None, now=NOW)
    assert str(AuditEvent.objects.get()) == "session.closed 2026-11-23 12:00:00"


def test_each_signal_is_one_events() -> None:
    assert all(isinstance(signal, Signal) for signal in SIGNALS.values())
    assert len(set(map(id, SIGNALS.values()))) == len(SIGNALS)


def test_a_strangers_noise_is_a_line_without_the_name(lines: Any) -> None:
    """D-10."""
    log_code_request(JANE, purpose="login", code=7, requester=HERE)
    (line,) = lines()
    assert (
        line == f"code.requested organization=or-1 name={username_hash(JANE)} purpose=login code=7 prefix=2001:db8::/64"
    )
    assert "jane" not in line


def test_a_name_has_one_hash_and_no_two_names_have() -> None:
    others = [
        Recipient(organization="or-1", username="john@example.co"),
        Recipient(organization="or-2", username="jane@example.co"),
        Recipient(organization="or-1j", username="ane@example.co"),
    ]
    assert username_hash(JANE) == username_hash(Recipient(organization="or-1", username="jane@example.co"))
    assert len({username_hash(each) for each in [JANE, *others]}) == 4


def test_a_refusal_is_a_line_with_its_private_reason(lines: Any) -> None:
    log_refusal(BodyRefused("fields"), where="CompleteLogin", requester=None)
    log_refusal(BodyRefused(), where="CompleteLogin", requester=HERE)
    assert lines() == [
        "refused where=CompleteLogin refusal=invalid_request reason=fields",
        "refused where=CompleteLogin refusal=invalid_request reason= prefix=2001:db8::/64",
    ]


def test_of_an_outage_only_the_kind_of_error_is_said(lines: Any) -> None:
    log_outage("mail", error=ValueError("jane@example.co 1234-1234-1234-1234"))
    assert lines() == ["outage what=mail error=ValueError"]


@pytest.mark.parametrize("written", ["a\nb", "a\rb", "a\x1b[31mb", "a\u2028b", "a\0b", "é\u202e", "\ud800"])
def test_no_value_forges_a_line(lines: Any, written: str) -> None:
    """CVE-2023-6484."""
    log_refusal(BodyRefused(written), where="x", requester=None)
    (line,) = lines()
    assert line.isascii()
    assert line.isprintable()
