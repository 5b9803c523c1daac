"""What lists and pages say in words: guesses, browsers, the details of events, and lists without rows (R-205)."""

from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from dfns_login.admin.guesses import guesses_in_words
from dfns_login.admin.rendering import origin, whole_agent
from dfns_login.audit import record_event
from dfns_login.models import AuditEvent, AuditKind, OneTimeCode, Session
from tests.support.admin_records import ADMIN, MODELS, SCRIPT, AdminRecords, page_of, staff_client

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Not entered yet"),
        ({"closed_at": timezone.now()}, "Never entered"),
        ({"guesses": 1}, "1 guess by a stranger · 9 guesses left"),
        ({"guesses": 9}, "9 guesses by strangers · 1 guess left"),
        ({"guesses": 2, "device_guesses": 1}, "2 guesses by strangers · 1 guess from a known device · 8 guesses left"),
        ({"caller": "device", "device_guesses": 11}, "11 guesses from known devices · 0 guesses left"),
        ({"guesses": 3, "closed_at": timezone.now()}, "3 guesses by strangers"),
        ({"purpose": "registration", "guesses": 1}, "1 guess by a stranger"),  # of a million
    ],
)
def test_guesses_say_who_made_them(fields: dict[str, Any], words: str) -> None:
    assert guesses_in_words(OneTimeCode(**({"purpose": "login"} | fields))) == words


def test_a_browser_is_named_and_its_whole_header_kept() -> None:
    assert origin("192.0.2.7", CHROME) == (
        f'192.0.2.7<span class="dfns-under" title="{CHROME}">Chrome 141 on Windows</span>'
    )
    assert whole_agent(CHROME).startswith("Chrome 141 on Windows<span")
    assert CHROME in whole_agent(CHROME)
    assert whole_agent("curl/8.5.0") == "curl/8.5.0"
    assert "<script>" not in origin("", SCRIPT) + whole_agent(SCRIPT)
    assert origin("", "") == whole_agent("") == "\N{EN DASH}"


def test_an_event_leads_to_its_objects(operator: Client, scene: AdminRecords) -> None:
    user = operator.session["_auth_user_id"]
    detail = {
        "code": scene.code.pk,
        "credentials": [scene.credential.pk],
        "session": scene.session.pk,
        "operator": user,
    }
    event = record_event(
        AuditKind.CODE_PRESENTED, account=scene.account, requester=None, now=timezone.now(), **detail, purpose="login"
    )
    objects = [
        page_of("onetimecode", scene.code.pk),
        page_of("credential", scene.credential.pk),
        page_of("session", scene.session.pk),
    ]
    for page in (page_of("auditevent", event.pk), f"{ADMIN}/auditevent/"):
        body = operator.get(page).content.decode()
        assert all(f'<a href="{each}">' in body for each in objects), page
        assert f"/admin/auth/user/{user}/change/" in body


def test_details_are_in_words(operator: Client, scene: AdminRecords) -> None:
    kept = {"with_code": True, "recoverable_from": "2026-11-29T12:00:00+00:00", "request": "0f" * 32, "mount": "/shop"}
    event = record_event(AuditKind.CODE_PRESENTED, account=scene.account, requester=None, now=timezone.now(), **kept)
    page = operator.get(page_of("auditevent", event.pk)).content.decode()
    assert "<dt>with an emailed code</dt>" in page
    assert "<dt>can be completed from</dt>" in page
    assert "Nov. 29, 2026" in page
    assert not [each for each in ("with_code", "recoverable_from", kept["request"], "/shop") if each in page]


def test_an_object_that_is_gone_has_no_link_on_the_page_of_the_event(operator: Client, scene: AdminRecords) -> None:
    gone = {"code": 10**12, "session": "x", "credential": SCRIPT, "notice": {"odd": 1}}
    event = record_event(AuditKind.CODE_SENT, account=scene.account, requester=None, now=timezone.now())
    QuerySet(AuditEvent).filter(pk=event.pk).update(detail=gone)
    body = operator.get(page_of("auditevent", event.pk)).content.decode()
    assert "1000000000000 (deleted)" in body
    assert "<script>alert" not in body
    assert operator.get(f"{ADMIN}/auditevent/").status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_a_list_without_rows_says_what_to_do(operator: Client, db: None, model: str) -> None:
    page = operator.get(f"{ADMIN}/{model}/").content.decode()
    assert " yet." in page
    assert ('account/add/">Invite a person</a>' in page) == (model != "organization")  # an account needs one
    searched = operator.get(f"{ADMIN}/{model}/?q=nobody").content.decode()
    assert "Nothing matches." in searched
    assert " yet." not in searched
    assert "account/add/" not in staff_client(f"view_{model}").get(f"{ADMIN}/{model}/").content.decode()


def test_pages_are_named_by_what_they_are_about(operator: Client, scene: AdminRecords) -> None:
    event = scene.account.events.filter(kind=AuditKind.CODE_SENT).get()
    for model, pk, begin in (("onetimecode", scene.code.pk, "Login"), ("auditevent", event.pk, "Code sent")):
        assert f"<h2>{begin} · " in operator.get(page_of(model, pk)).content.decode()
    assert "Aaguid" not in operator.get(page_of("credential", scene.credential.pk)).content.decode()


def test_the_form_of_a_filter_keeps_the_rest(operator: Client, scene: AdminRecords) -> None:
    page = operator.get(f"{ADMIN}/auditevent/", {"kind": "code.sent", "when": "hour", "q": "x"}).content.decode()
    assert '<option value="code.sent" selected>Code sent</option>' in page
    assert '<input type="hidden" name="when" value="hour">' in page


def test_a_session_shows_where_it_was_opened(operator: Client, scene: AdminRecords) -> None:
    Session.objects.update(agent=CHROME)
    assert "Chrome 141 on Windows" in operator.get(f"{ADMIN}/session/").content.decode()
