"""An account's own sessions over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import F
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from dfns_login.api.fields import wire_time
from dfns_login.ceremonies.own_sessions import SHOWN
from dfns_login.models import AuditEvent, AuditKind, Credential, Session
from tests.support.api_browser import Browser
from tests.support.api_client import (
    NOT_AUTHORIZED,
    call,
    complete_login,
    list_credentials,
    log_out,
    open_login,
    sign_in,
    told,
)
from tests.support.authenticators import SoftwareKey
from tests.support.clock import HOUR
from tests.support.factories import Person, issue, make_credential, make_organization, make_person
from tests.support.signed_in import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]

NOT_FOUND = (404, "Not found.")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"


@pytest.fixture
def browser(jane: Person) -> Browser:
    """Jane's browser, signed in."""
    browser = Browser()
    assert browser.sign_in(jane).status_code == 200
    return browser


def listed(client: Client, token: str, path: str = "/auth/sessions") -> list[dict[str, Any]]:
    answer = call(client, "GET", path, bearer=token)
    assert answer.status_code == 200, answer.content
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def end(client: Client, token: str, session: object) -> HttpResponse:
    return call(client, "PUT", "/auth/sessions/end", {"sessionId": str(session)}, bearer=token)


def newest() -> Session:
    return Session.objects.latest("pk")


# Sessions


def test_open_sessions_are_listed_newest_first_and_the_current_one_is_marked(client: Client, kim: Person) -> None:
    tokens = [sign_in(client, kim) for _ in range(3)]
    rows = list(Session.objects.order_by("-pk"))
    for token, row in zip(reversed(tokens), rows, strict=True):
        found = listed(client, token)
        assert [each["sessionId"] for each in found] == [str(each.pk) for each in rows]
        assert [each["sessionId"] for each in found if each["isCurrent"]] == [str(row.pk)]


def test_a_session_says_when_and_from_where_it_was_opened(client: Client, kim: Person, jane: Person) -> None:
    for person in (kim, jane):
        client.defaults |= {"HTTP_USER_AGENT": FIREFOX, "REMOTE_ADDR": "2001:db8::7"}
        code = {} if person is kim else {"loginCode": issue(person.account.recipient)}
        token = sign_in(client, person, **code)
        client.defaults |= {"HTTP_USER_AGENT": "curl", "REMOTE_ADDR": "192.0.2.9"}
        row = newest()
        assert listed(client, token) == [
            {
                "sessionId": str(row.pk),
                "dateCreated": wire_time(row.issued_at),
                "dateLastSeen": wire_time(row.last_seen_at),
                "dateExpires": wire_time(row.expires_at),
                "isCurrent": True,
                "address": "2001:db8::7",
                "userAgent": FIREFOX,
            }
        ]
        assert row.expires_at - row.issued_at == 12 * HOUR


def test_the_list_reveals_no_token_or_session_key(client: Client, browser: Browser, jane: Person) -> None:
    token = signed_in(client, jane).token
    answers = [call(client, "GET", path, bearer=token) for path in ("/auth/sessions", "/auth/activity?limit=100")]
    answers.append(browser.send("GET", "/auth/sessions"))
    for answer in answers:
        text = answer.content.decode()
        assert browser.session_key not in text
        assert token not in text
        for row in Session.objects.all():
            assert row.jti not in text
    assert len(answers[0].json()["items"]) == 2


def test_tokens_and_browsers_are_in_one_list(client: Client, browser: Browser, jane: Person) -> None:
    token = signed_in(client, jane).token
    by_browser = browser.send("GET", "/auth/sessions", x_csrftoken="").json()["items"]
    assert [each["isCurrent"] for each in by_browser] == [False, True]
    assert [each["isCurrent"] for each in listed(client, token)] == [True, False]


OVER: dict[str, Callable[[Session], object]] = {
    "ended": lambda row: Session.objects.filter(pk=row.pk).revoke(now=timezone.now()),
    "expired": lambda row: Session.objects.filter(pk=row.pk).update(expires_at=F("issued_at")),
    "idle": lambda row: Session.objects.filter(pk=row.pk).update(last_seen_at=F("issued_at") - HOUR),
    "of a credential that is shut": lambda row: Credential.objects.filter(pk=row.credential_id).update(active=False),
    "of another account": lambda row: Session.objects.filter(pk=row.pk).update(
        account=make_person(row.account.organization, "lee@example.co", SoftwareKey.make()).account
    ),
}


@pytest.mark.parametrize("what", OVER)
def test_ended_sessions_and_those_of_others_are_not_listed(client: Client, kim: Person, what: str) -> None:
    token = sign_in(client, kim)
    second = SoftwareKey.make()
    make_credential(kim.account, second)
    sign_in(client, Person(account=kim.account, keys=(second,)))
    other = newest()
    assert len(listed(client, token)) == 2
    OVER[what](other)
    assert str(other.pk) not in {each["sessionId"] for each in listed(client, token)}
    assert len(listed(client, token)) == 1


def test_the_list_has_a_maximum_length(client: Client, kim: Person) -> None:
    token = sign_in(client, kim)
    row = newest()
    rows = [
        Session(
            jti=str(number),
            account=row.account,
            credential=row.credential,
            issued_at=row.issued_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
        )
        for number in range(SHOWN + 5)
    ]
    Session.objects.bulk_create(rows)
    assert len(listed(client, token)) == SHOWN


# Ending a session


def test_another_session_is_ended(client: Client, kim: Person) -> None:
    token, other = sign_in(client, kim), sign_in(client, kim)
    row = newest()
    assert list_credentials(client, other).status_code == 200
    assert end(client, token, row.pk).json() == {"message": "success"}
    assert told(list_credentials(client, other)) == NOT_AUTHORIZED
    assert list_credentials(client, token).status_code == 200
    event = AuditEvent.objects.get(kind=AuditKind.SIGNED_OUT)
    assert (event.account, event.detail) == (kim.account, {"session": row.pk})


def test_the_current_session_is_ended(client: Client, kim: Person) -> None:
    token, other = sign_in(client, kim), sign_in(client, kim)
    (current,) = [each["sessionId"] for each in listed(client, token) if each["isCurrent"]]
    assert end(client, token, current).status_code == 200
    assert told(list_credentials(client, token)) == NOT_AUTHORIZED
    assert list_credentials(client, other).status_code == 200


def test_a_session_is_ended_once(client: Client, kim: Person) -> None:
    token = sign_in(client, kim)
    sign_in(client, kim)
    for _ in range(2):
        assert end(client, token, newest().pk).status_code == 200
    assert AuditEvent.objects.filter(kind=AuditKind.SIGNED_OUT).count() == 1


def test_a_browser_can_be_signed_out_from_elsewhere(client: Client, browser: Browser, jane: Person) -> None:
    row = newest()
    token = signed_in(client, jane).token
    assert browser.is_signed_in()
    assert end(client, token, row.pk).status_code == 200
    assert not browser.is_signed_in()


def test_a_browser_signs_itself_out_and_others(client: Client, browser: Browser, jane: Person) -> None:
    own = newest()
    token = signed_in(client, jane).token
    others = newest()
    body = {"sessionId": str(others.pk)}
    assert browser.send("PUT", "/auth/sessions/end", body).status_code == 200
    assert told(list_credentials(client, token)) == NOT_AUTHORIZED
    assert browser.is_signed_in()
    assert browser.send("PUT", "/auth/sessions/end", {"sessionId": str(own.pk)}).status_code == 200
    assert not browser.is_signed_in()
    assert AuditEvent.objects.filter(kind=AuditKind.SIGNED_OUT).count() == 2


def test_all_sessions_are_ended(client: Client, browser: Browser, jane: Person) -> None:
    tokens = [signed_in(client, jane).token for _ in range(2)]
    assert log_out(client, tokens[0], {"allSessions": True}).status_code == 200
    assert [list_credentials(client, each).status_code for each in tokens] == [401, 401]
    assert not browser.is_signed_in()
    assert not Session.objects.filter(revoked_at__isnull=True).exists()


def test_every_other_session_ends_and_what_was_issued_to_them_is_void(
    client: Client, browser: Browser, jane: Person
) -> None:
    """R-184."""
    mine, other = signed_in(client, jane), signed_in(client, jane)
    path = "/auth/credentials/rename"
    stolen = other.open_action("PUT", path)
    code, challenge = issue(jane.account.recipient), open_login(client, jane.names).json()
    answer = call(client, "PUT", "/auth/sessions/end-others", bearer=mine.token)
    assert (answer.status_code, answer.json()) == (200, {"message": "success"})
    assert [each["isCurrent"] for each in listed(client, mine.token)] == [True]
    assert told(list_credentials(client, other.token)) == NOT_AUTHORIZED
    assert not browser.is_signed_in()
    assert other.complete_action(stolen).status_code == 401
    assert open_login(client, jane.names, loginCode=code).status_code == 403
    assert complete_login(client, challenge, jane.key).status_code == 401
    event = AuditEvent.objects.get(kind=AuditKind.SIGNED_OUT)
    assert event.detail == {"sessions": 2}


@pytest.mark.parametrize("over", [{"expires_at": F("issued_at")}, {"last_seen_at": F("last_seen_at") - HOUR}])
def test_a_session_that_expired_is_not_counted_as_ended(client: Client, jane: Person, over: dict[str, Any]) -> None:
    """Otherwise the owner reads of a month's sessions, and looks for strangers."""
    signed_in(client, jane)
    Session.objects.update(**over)
    gone, mine = newest(), signed_in(client, jane)
    assert end(client, mine.token, gone.pk).status_code == 200
    assert call(client, "PUT", "/auth/sessions/end-others", bearer=mine.token).status_code == 200
    assert not AuditEvent.objects.filter(kind=AuditKind.SIGNED_OUT).exists()
    signed_in(client, jane)
    assert log_out(client, mine.token, {"allSessions": True}).status_code == 200
    assert AuditEvent.objects.get(kind=AuditKind.SIGNED_OUT).detail == {"sessions": 2}
    assert not Session.objects.filter(revoked_at__isnull=True).exists()


@pytest.mark.parametrize("whose", ["a neighbour's", "a namesake's"])
def test_only_own_sessions_can_be_ended(client: Client, kim: Person, whose: str) -> None:
    """R-87."""
    organization = kim.account.organization if whose == "a neighbour's" else make_organization()
    email = "lee@example.co" if whose == "a neighbour's" else kim.account.email
    theirs = sign_in(client, make_person(organization, email, SoftwareKey.make()))
    row = newest()
    token = sign_in(client, kim)
    assert told(end(client, token, row.pk)) == NOT_FOUND
    assert list_credentials(client, theirs).status_code == 200
    assert [each["isCurrent"] for each in listed(client, token)] == [True]


@pytest.mark.parametrize(
    "session", ["0", "-1", "+1", "1.0", " 1", "1 ", "1_0", "0x1", "٣", "²", "x", "9" * 18, "9" * 19, "9" * 64]
)
def test_an_unknown_session_is_not_found(client: Client, token: str, session: str) -> None:
    assert told(end(client, token, session)) == NOT_FOUND
    assert list_credentials(client, token).status_code == 200
