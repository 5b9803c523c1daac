"""R-140: Django's middleware, and its session backends, with the pages and the API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver

from dfns_login import urls
from tests.support.api_browser import Browser
from tests.support.api_client import list_credentials, log_out, sign_in
from tests.support.factories import Person, issue, make_organization, make_person

pytestmark = pytest.mark.django_db

LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
BACKENDS = ["db", "cache", "cached_db", "file"]


@pytest.fixture
def jane() -> Person:
    return make_person(make_organization("Acme"))


@pytest.fixture
def login_required(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]


def views(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from views(each.url_patterns)
        else:
            yield each


def test_the_runnable_project_chooses_languages_for_pages_only() -> None:
    """Requests of the API skip what they do not need. Their replies are in English, whatever page came before."""
    page = Client().get("/login/", headers={"Accept-Language": "fr"})
    reply = Client().post("/auth/login/code", {}, content_type="application/json")
    assert page.wsgi_request.LANGUAGE_CODE == page.headers["Content-Language"] == "fr"
    assert reply.json()["error"]["details"]["username"] == ["This field is required."]
    assert "Content-Language" not in reply.headers
    assert not {"LANGUAGE_CODE", "_messages"} & set(vars(reply.wsgi_request))


@pytest.mark.parametrize("pattern", list(views(urls.urlpatterns)), ids=lambda each: each.name)
def test_no_view_is_left_to_login_required_middleware(pattern: URLPattern) -> None:
    assert getattr(pattern.callback, "login_required", True) is False


@pytest.mark.parametrize("path", ["/login/", "/register/", "/recover/"])
def test_pages_are_public_behind_login_required_middleware(login_required: None, path: str) -> None:
    assert Client().get(path).status_code == 200


def test_the_lock_page_is_public_behind_login_required_middleware(login_required: None) -> None:
    assert Client().get("/lock/?token=x").status_code == 404
    assert Client().post("/lock/", {"token": "x"}).status_code == 404


def test_login_required_middleware_still_guards_the_projects_own_views(login_required: None, jane: Person) -> None:
    """The control, and where its redirect leads: to a page that answers."""
    browser = Browser()
    answer = browser.get("/", follow=True)
    assert answer.redirect_chain == [("/login/?next=/", 302)]
    assert answer.status_code == 200
    assert browser.sign_in(jane).status_code == 200
    assert browser.get("/").status_code == 200


def test_the_api_works_behind_login_required_middleware(login_required: None, jane: Person) -> None:
    sign_in_everywhere(jane)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_session_backend_that_can_revoke_works(backend: str, jane: Person, settings: Any, tmp_path: Path) -> None:
    """Signed cookies are an error of `check`, because a session in them cannot be revoked."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{backend}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    sign_in_everywhere(jane)


def sign_in_everywhere(jane: Person) -> None:
    """Sign in on the page and through the API, sign a request, and end the browser's session from elsewhere."""
    browser, client = Browser(), Client()
    assert browser.get("/account/").status_code == 302
    assert browser.sign_in(jane).status_code == 200
    assert browser.get("/account/").status_code == 200
    assert browser.get("/login/").status_code == 302
    rename = {"credentialUuid": browser.send("GET", "/auth/credentials").json()["items"][0]["credentialUuid"]}
    answer = browser.signed(jane, "PUT", "/auth/credentials/rename", {**rename, "credentialName": "Blue"})
    assert answer.status_code == 200

    token = sign_in(client, jane, loginCode=issue(jane.account.recipient))
    assert list_credentials(client, token).status_code == 200
    assert log_out(client, token, {"allSessions": True}).status_code == 200
    assert browser.get("/account/").status_code == 302
    assert not browser.is_signed_in()


def test_a_session_cookie_that_the_database_rejects_is_nobodys(jane: Person) -> None:
    """R-98: Django unquotes the cookie, and PostgreSQL rejects NUL."""
    client = Client(headers={"cookie": 'sessionid="abcdefgh\\000abcdefgh"'})
    assert client.get("/login/").status_code == 200
    refused = client.get("/auth/credentials")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "not_authorized")
