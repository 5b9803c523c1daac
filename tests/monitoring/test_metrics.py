"""Prometheus metrics: what is counted, and that no label names anybody (R-138)."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from dfns_login import errors
from dfns_login.models import AuditKind, CodePurpose, DeliveryState, OneTimeCode
from dfns_login.monitoring.metrics import exposition
from dfns_login.monitoring.probes import QUEUES
from dfns_login.settings import DEFAULT_RATES
from dfns_login.settings.rates import is_window
from tests.support.api_client import ask_code, call, complete_login, open_login
from tests.support.factories import Person, issue, make_person
from tests.support.mail import deliver_at, send_through

pytestmark = pytest.mark.django_db(transaction=True)

LABELS = {
    "kind": set(AuditKind.values),
    "purpose": set(CodePurpose.values),
    "email": {*CodePurpose.values, "notice"},
    "outcome": set(DeliveryState.values),
    "refusal": {each.__name__ for each in vars(errors).values() if isinstance(each, type)},
    "service": {"database", "cache", "broker", "mail", "sender", "sign_up"},
}
"""Every value that these labels may have."""


def samples() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(exposition().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        if family.name.startswith("dfns_login_")
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@pytest.fixture
def counted() -> Iterator[Callable[[], dict[str, float]]]:
    """What was counted since the test began, as `name{label=value}`."""
    before = samples()

    def difference() -> dict[str, float]:
        found = {}
        for (name, labels), value in samples().items():
            if name.endswith("_total") and value != (earlier := before.get((name, labels), 0)):
                text = ",".join(f"{label}={each}" for label, each in labels)
                found[f"{name.removeprefix('dfns_login_')}{{{text}}}"] = value - earlier
        return found

    return difference


@pytest.fixture
def jane() -> Person:
    return make_person()


def walk_through(jane: Person, mailoutbox: Any) -> list[str]:
    """Sign in, guess wrong, and return everything that must not be in a metric."""
    client = Client()
    nobody = {**jane.names, "username": "nobody@example.co"}
    assert ask_code(client, jane.names).status_code == 200
    assert ask_code(client, nobody).status_code == 200
    deliver_at(timezone.now())
    code = re.search(r"\d{4}-\d{4}-\d{4}-\d{4}", mailoutbox[0].body)[0]
    assert open_login(client, jane.names, loginCode="0000-0000-0000-0000").status_code == 403
    challenge = open_login(client, jane.names, loginCode=code).json()
    token = complete_login(client, challenge, jane.key).json()["token"]
    assert call(client, "GET", "/auth/sessions", bearer=token).status_code == 200
    assert call(client, "GET", "/auth/sessions", bearer="wrong").status_code == 401
    account = jane.account
    people = [account.email, "nobody@example.co", account.pk, account.organization_id, account.username]
    return [code, token, challenge["challengeIdentifier"], challenge["challenge"], "127.0.0.1", *people]


def test_a_sign_in_is_counted(jane: Person, counted, mailoutbox):
    walk_through(jane, mailoutbox)
    found = counted()
    assert found == {
        "codes_requested_total{purpose=login}": 2,
        "emails_total{email=login,outcome=sent}": 1,
        "emails_total{email=login,outcome=no recipient}": 1,
        "events_total{kind=code.sent}": 1,
        "events_total{kind=code.presented}": 1,
        "events_total{kind=key.released}": 1,
        "events_total{kind=session.opened}": 1,
        "refusals_total{refusal=CodeRefused,where=CreateLoginChallenge}": 1,
        "refusals_total{refusal=TokenRefused,where=SessionTokenAuthentication}": 1,
        "refusals_total{refusal=NotAuthorized,where=Sessions}": 1,
    }


def test_rare_events_begin_at_zero():
    """Or else an alert on an increase would miss the first one."""
    assert ("dfns_login_events_total", (("kind", "organization.voided"),)) in samples()


def test_no_metric_contains_a_secret_or_a_person(jane: Person, mailoutbox):
    secrets = walk_through(jane, mailoutbox)
    text = exposition().decode()
    assert "dfns_login_events_total" in text
    assert [each for each in secrets if each in text] == []


def test_every_label_has_few_values(jane: Person, mailoutbox):
    """None that a request chooses."""
    walk_through(jane, mailoutbox)
    client = Client()
    for path in ("/auth/nobody@example.co", "/auth/x", "/auth/users/us-1234"):
        call(client, "GET", path, bearer="wrong")
    labels = {(label, value) for _, pairs in samples() for label, value in pairs}
    for label, value in labels - {each for each in labels if each[0] == "le"}:
        if label == "window":
            name, _, window = value.partition(" ")
            assert name in DEFAULT_RATES
            assert is_window(window)
        elif label in LABELS:
            assert value in LABELS[label], (label, value)
        else:
            assert label in {"where", "error"}
            assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]*", value), value  # a class, or a view of the project


def test_a_limit_that_is_hit_is_counted_by_its_window(jane: Person, counted, settings):
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "RATES": {"code_per_user": ("1/m", "20/10m")}}
    assert [ask_code(Client(), jane.names).status_code for _ in range(2)] == [200, 429]
    assert counted() == {
        "codes_requested_total{purpose=login}": 1,
        "limits_hit_total{window=code_per_user 1/m}": 1,
        "refusals_total{refusal=RateExceeded,where=SendLoginCode}": 1,
    }


def test_the_budget_of_a_mailbox_is_a_limit_too(jane: Person, counted, settings, mailoutbox):
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "RATES": {"email_per_mailbox": ("1/m", "14/5m")}}
    for purpose in (CodePurpose.LOGIN, CodePurpose.RECOVERY):
        issue(jane.account.recipient, purpose=purpose)
    deliver_at(timezone.now())
    found = counted()
    assert found["limits_hit_total{window=email_per_mailbox 1/m}"] == 1
    assert sum(value for name, value in found.items() if "outcome=failed" in name) == 1


def test_a_failing_mail_server_is_counted(jane: Person, counted, settings):
    send_through(settings, "django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=1)
    issue(jane.account.recipient)
    deliver_at(timezone.now())
    assert counted() == {
        "emails_total{email=login,outcome=failed}": 1,
        "outages_total{error=ConnectionRefusedError,service=mail}": 1,
    }


def test_the_time_to_deliver_is_from_the_request_to_the_mail_server(jane: Person, mailoutbox):
    def total(name: str) -> float:
        return REGISTRY.get_sample_value(f"dfns_login_email_wait_seconds_{name}", {"email": "login"}) or 0.0

    count, seconds = total("count"), total("sum")
    now = datetime.now(UTC)
    issue(jane.account.recipient, now=now)
    deliver_at(now + timedelta(seconds=40))
    assert total("count") - count == 1
    assert total("sum") - seconds == pytest.approx(40)


def test_a_server_error_is_counted(jane: Person, counted, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError(jane.account.email)

    monkeypatch.setattr("dfns_login.api.login.send_code", fail)
    assert ask_code(Client(raise_request_exception=False), jane.names).status_code == 500
    assert counted() == {"refusals_total{refusal=Unexpected,where=SendLoginCode}": 1}


# The queue


def queue(name: str) -> dict[str, float]:
    QUEUES.forget()
    return {dict(labels)["email"]: value for (each, labels), value in samples().items() if each == f"dfns_login_{name}"}


def test_the_queue_has_a_depth_and_an_age(jane: Person):
    assert queue("queue_due") == {"login": 0, "registration": 0, "recovery": 0, "notice": 0}
    now = timezone.now()
    issue(jane.account.recipient, now=now - timedelta(seconds=90))
    issue(jane.account.recipient, purpose=CodePurpose.RECOVERY, now=now - timedelta(seconds=30))
    assert queue("queue_due") == {"login": 1, "registration": 0, "recovery": 1, "notice": 0}
    oldest = queue("queue_oldest_due_seconds")
    assert 90 <= oldest["login"] < 150
    assert 30 <= oldest["recovery"] < 90
    assert (oldest["registration"], oldest["notice"]) == (0, 0)


@pytest.mark.parametrize("state", ["sent", "waiting for its next try", "expired", "of another clock"])
def test_what_is_not_due_is_not_counted(jane: Person, state: str):
    issue(jane.account.recipient, now=timezone.now() - timedelta(seconds=5))
    assert queue("queue_due")["login"] == 1
    later = timezone.now() + timedelta(minutes=1)
    changes: dict[str, dict[str, Any]] = {
        "sent": {"handled_at": timezone.now(), "delivery": DeliveryState.SENT},
        "waiting for its next try": {"delivery": DeliveryState.FAILED, "next_try_at": later},
        "expired": {"expires_at": timezone.now()},
        "of another clock": {"next_try_at": later},
    }
    OneTimeCode.objects.update(**changes[state])
    assert queue("queue_due")["login"] == 0
