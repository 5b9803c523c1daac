"""R-170: the sign-in page says why somebody has to sign in, once, and no link can make it say so."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.views import LogoutView
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.utils import timezone

from dfns_login.browsers.cookies import cookie_name
from dfns_login.decorators import recently_signed_in
from dfns_login.models import Session
from tests.support.api_browser import Browser
from tests.support.api_client import log_out, sign_in
from tests.support.factories import Person, issue, make_organization, make_person

pytestmark = pytest.mark.django_db

HERE = "You're signed out."
EXPIRED = "Your session expired."
ELSEWHERE = "You were signed out from another device"
AGAIN = "To continue, sign in again."
UNSAVED = "What you sent was not saved."


@recently_signed_in(within=timedelta(0))
def pay(_request: HttpRequest) -> HttpResponse:
    raise AssertionError


urlpatterns = [
    path("pay/", pay),
    path("bye/", LogoutView.as_view(next_page="dfns_login:sign-in")),
    path("", include("project.urls")),
]


@pytest.fixture(autouse=True)
def urls(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def jane() -> Person:
    return make_person(make_organization("Acme"))


@pytest.fixture
def browser(jane: Person) -> Browser:
    browser = Browser()
    assert browser.sign_in(jane).status_code == 200
    return browser


def said(browser: Browser, path: str = "/login/") -> list[str]:
    """Return the reasons that the page shows, and check that it shows none of them again."""
    text, later = (browser.get(path).content.decode() for _ in range(2))
    reasons = [HERE, EXPIRED, ELSEWHERE, AGAIN, UNSAVED]
    assert [each for each in reasons if each in later] == [AGAIN] * (AGAIN in text)
    return [each for each in reasons if each in text]


def test_a_page_that_nobody_has_signed_in_to_says_nothing() -> None:
    assert said(Browser()) == []


def test_signed_out_here(jane: Person) -> None:
    """By the page's form, by a form of the project, and by scripts."""
    for address in ("/logout/", "/bye/", "/auth/logout"):
        browser = Browser()
        browser.sign_in(jane)
        if address == "/auth/logout":
            assert browser.send("PUT", address, {"allSessions": True}).status_code == 200
        else:
            assert browser.post(address, {"csrfmiddlewaretoken": browser.csrf})["Location"] == "/login/"
        assert said(browser) == [HERE]


@pytest.mark.parametrize("seen_by", ["/auth/sessions", "/login/"])
def test_signed_out_from_another_device(browser: Browser, jane: Person, seen_by: str) -> None:
    token = sign_in(Browser(), jane, loginCode=issue(jane.account.recipient))
    log_out(Browser(), token, {"allSessions": True})
    if seen_by != "/login/":
        assert browser.get(seen_by).status_code == 401
    assert said(browser) == [ELSEWHERE]


@pytest.mark.parametrize("change", [{"expires_at": timedelta(0)}, {"last_seen_at": timedelta(hours=-1)}])
def test_expired_or_idle(browser: Browser, change: dict[str, timedelta]) -> None:
    Session.objects.update(**{name: timezone.now() + value for name, value in change.items()})
    assert browser.get("/account/").status_code == 302  # this ends the session
    assert said(browser) == [EXPIRED]


def test_expired_while_the_browser_was_away(browser: Browser) -> None:
    browser.cookies.pop(settings.SESSION_COOKIE_NAME)
    Session.objects.update(expires_at=timezone.now())
    with CaptureQueriesContext(connection) as statements:
        assert said(browser) == [EXPIRED]
    assert sum(f'FROM "{Session._meta.db_table}"' in each["sql"] for each in statements) == 1


def test_a_deactivated_credential_signs_out_too(browser: Browser, jane: Person) -> None:
    jane.account.credentials.update(active=False)
    assert said(browser) == [ELSEWHERE]


def test_a_recent_sign_in_is_required(browser: Browser) -> None:
    answer = browser.get("/pay/")
    assert said(browser, answer["Location"]) == [AGAIN]
    Session.objects.update(revoked_at=timezone.now())
    assert said(browser) == [ELSEWHERE]


def test_a_form_of_somebody_signed_out_is_not_saved_and_the_page_says_so(browser: Browser) -> None:
    form = {"csrfmiddlewaretoken": browser.csrf, "amount": "12"}
    assert said(browser, browser.post("/pay/", form)["Location"]) == [AGAIN, UNSAVED]
    Session.objects.update(revoked_at=timezone.now())
    assert said(browser, browser.post("/pay/", form)["Location"]) == [ELSEWHERE, UNSAVED]
    assert said(browser, browser.post("/pay/", form)["Location"]) == [UNSAVED]
    browser.post("/pay/", form)
    browser.cookies.pop(cookie_name("unsaved"))
    assert said(browser) == []


@pytest.mark.parametrize("form", [("/language/", "/login/?next=%2Fpay%2F"), ("/forget/", "/pay/")])
def test_a_form_of_the_sign_in_page_itself_was_accepted(form: tuple[str, str]) -> None:
    browser, (address, following) = Browser(), form
    answer = browser.post(address, {"csrfmiddlewaretoken": browser.csrf, "language": "en", "next": following})
    assert answer["Location"] == "/login/?next=%2Fpay%2F"
    assert said(browser, answer["Location"]) == []


def test_signing_in_again_forgets_the_reason(browser: Browser, jane: Person) -> None:
    browser.send("PUT", "/auth/logout", {})
    browser.sign_in(jane)
    Session.objects.update(revoked_at=timezone.now())
    assert said(browser) == [ELSEWHERE]


def test_no_link_and_no_forged_cookie_makes_the_page_say_something(browser: Browser) -> None:
    for query in ("reason=expired", "unsaved=1", "next=/pay/", "again=1", "why=here"):
        assert said(Browser(), f"/login/?{query}") == []
    browser.cookies.pop(settings.SESSION_COOKIE_NAME)
    name = cookie_name("session")
    genuine = browser.cookies[name].value
    for forged in ("1", "1.here", "1:x:y", "x.here:1:2", ""):
        browser.cookies[name] = forged
        assert said(browser) == []
    browser.cookies[name] = genuine  # the control: the session was ended elsewhere
    Session.objects.update(revoked_at=timezone.now())
    assert said(browser) == [ELSEWHERE]
