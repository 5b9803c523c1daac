"""People who sign in while servers are taken away, and what must be true afterwards.

They repeat a request that gets no answer, or 503.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException
from threading import Lock
from typing import Any

from dfns_login.models import AuditEvent, AuditKind, DeliveryState, OneTimeCode, Session
from tests.support.factories import Person
from tests.support.parallel_requests import Answer, Call, send
from tests.support.race_calls import asking, presenting
from tests.support.smtp_sink import SmtpSink
from tests.support.timed_requests import wait_until

PATIENCE_SECONDS = 120


@dataclass
class Told:
    """The answers to all people."""

    statuses: Counter[str] = field(default_factory=Counter)
    promised: Counter[str] = field(default_factory=Counter)
    """Accepted requests for a code, by username."""
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    lock: Lock = field(default_factory=Lock)


def attempt(url: str, call: Call, told: Told) -> Answer | None:
    """Send the request. Return None if there was no answer, or one that says to try again later."""
    try:
        answer = send(url, call)
    except (OSError, HTTPException, ValueError):
        answer = None
    with told.lock:
        told.statuses[f"{call.path} {answer.status if answer else 'no answer'}"] += 1
    return None if answer is None or answer.status in {502, 503, 504} else answer


def sign_in(url: str, person: Person, *, sink: SmtpSink, told: Told) -> float:
    """Sign in, however often it has to be tried. Return the seconds that it took."""
    started, tried = time.monotonic(), set[str]()
    username = person.account.username
    while time.monotonic() - started < PATIENCE_SECONDS:
        if answer := attempt(url, asking(person.names), told):
            assert answer.status == 200, answer
            with told.lock:
                told.promised[username] += 1
        asked_at = time.monotonic()
        while time.monotonic() - asked_at < 10:
            for code in [mail.code for mail in sink.of(username) if mail.code not in tried]:
                if token := present(url, person, code, tried=tried, told=told):
                    with told.lock:
                        told.tokens[username] = token
                    return time.monotonic() - started
            time.sleep(0.1)
    raise AssertionError(f"{username} could not sign in")


def present(url: str, person: Person, code: str, *, tried: set[str], told: Told) -> str:
    """Present the code and sign. A code may have been consumed by a request whose answer was lost."""
    answer = attempt(url, presenting(person, code), told)
    if answer is None:
        return ""
    tried.add(code)
    if answer.status != 200:
        assert (answer.status, answer.message) == (403, "Invalid code")
        return ""
    opened: dict[str, Any] = answer.body
    factor = person.key.factor(opened["challenge"])
    login = Call(path="/auth/login", body={"challengeIdentifier": opened["challengeIdentifier"], "firstFactor": factor})
    for _ in range(20):
        signed = attempt(url, login, told)
        if signed is None:
            time.sleep(0.5)
            continue
        if signed.status == 200:
            return str(signed.body["token"])
        assert (signed.status, signed.message) == (400, "Challenge token is not valid.")  # an answer was lost
        return ""
    return ""


def nothing_is_untrue(url: str, people: list[Person], told: Told) -> None:
    """Assert that every returned token is accepted, and that every session has its event."""
    for person in people:
        answer = send(
            url, Call(path="/auth/credentials", body={}, method="GET", bearer=told.tokens[person.account.username])
        )
        assert answer.status == 200, answer
    opened = AuditEvent.objects.filter(kind=AuditKind.SIGNED_IN).values_list("account", flat=True)
    assert Counter(opened) == Counter(Session.objects.values_list("account", flat=True))


def nothing_is_doubled(people: list[Person], sink: SmtpSink) -> None:
    """Assert that a repeated email had the same code: nobody got more codes than there are rows."""
    for person in people:
        username = person.account.username
        codes = {mail.code for mail in sink.of(username) if mail.code}
        assert len(codes) <= OneTimeCode.objects.filter(recipient=username).count()


def nothing_is_lost(people: list[Person], sink: SmtpSink, told: Told) -> None:
    """Assert that everybody whose request for a code succeeded has a row, and got the email."""

    def undelivered() -> set[str]:
        return {person.account.username for person in people if not sink.of(person.account.username)}

    wait_until(lambda: not undelivered(), seconds=90)
    rows = OneTimeCode.objects.all()
    assert {each.recipient for each in rows} >= set(told.promised)
    unsent = rows.exclude(delivery__in=[DeliveryState.SENT, DeliveryState.EXPIRED_UNSENT])
    wait_until(lambda: not unsent.filter(closed_at__isnull=True).exists(), seconds=90)
