"""Error pages: in the look and language of the pages, with their headers, and without the database (R-165)."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory

from dfns_login import error_handlers
from dfns_login.api.envelope import HEADERS as API_HEADERS
from dfns_login.middleware import RequestIDMiddleware
from dfns_login.pages.error_pages import ERROR_PAGES, error_page
from dfns_login.pages.headers import HEADERS, content_security_policy
from tests.support.endpoints import ENDPOINTS

HTML = "text/html; charset=utf-8"


def is_guarded(response: HttpResponse) -> bool:
    headers = {**HEADERS, "Content-Security-Policy": content_security_policy()}
    return all(response[name] == value for name, value in headers.items())


def answers(path: str) -> dict[str, HttpResponse]:
    """Call every handler as Django does."""
    request = RequestFactory().get(path)
    return {
        "bad_request": error_handlers.bad_request(request, SuspiciousOperation("x")),
        "permission_denied": error_handlers.permission_denied(request, PermissionError("x")),
        "csrf_failure": error_handlers.csrf_failure(request, "x"),
        "page_not_found": error_handlers.page_not_found(request, LookupError("x")),
        "server_error": error_handlers.server_error(request),
        "unavailable": error_handlers.unavailable(request, retry_after=timedelta(seconds=9)),
    }


def test_each_handler_shows_its_page_without_the_database() -> None:
    """No test database is set up here, so a statement would fail."""
    shown = answers("/nothing/")
    shown["too_many_requests"] = error_handlers.too_many_requests(
        RequestFactory().get("/"), retry_after=timedelta(seconds=9)
    )
    assert set(shown) == set(ERROR_PAGES)
    for name, response in shown.items():
        page = ERROR_PAGES[name]
        assert (response.status_code, response["Content-Type"], is_guarded(response)) == (page.status, HTML, True)
        assert f"<h1>{page.title}</h1>".replace("'", "&#x27;") in response.content.decode()
    assert {name for name, each in shown.items() if each.get("Retry-After") == "9"} == {
        "unavailable",
        "too_many_requests",
    }


@pytest.mark.parametrize("path", ["/nothing/", "/auth/x"])
def test_a_client_waits_for_a_second_at_least(path: str) -> None:
    response = error_handlers.unavailable(RequestFactory().get(path), retry_after=timedelta(milliseconds=400))
    assert response["Retry-After"] == "1"


def test_who_may_not_see_a_page_may_sign_in_with_another_account() -> None:
    """Without `again`, somebody who is signed in would be redirected to their own account."""
    for method, back in (("get", "%2Fstaff%2F%3Fx%3D1"), ("post", "")):
        request = getattr(RequestFactory(), method)("/staff/?x=1")
        page = error_handlers.permission_denied(request).content.decode()
        assert f'href="/login/?next={back}&amp;again=1"' in page


@pytest.mark.parametrize("path", ["/auth", "/auth/x", *sorted({each.path for each in ENDPOINTS})])
def test_for_a_path_of_the_api_each_handler_answers_with_the_envelope(path: str) -> None:
    """R-90, R-92, R-98. Clients read nothing else, and neither does our sign-in page."""
    for name, response in answers(path).items():
        assert (response.status_code, response["Content-Type"]) == (ERROR_PAGES[name].status, "application/json")
        assert b'{"error": {"message"' in response.content
        assert all(response[header] == value for header, value in API_HEADERS.items())


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("fr", "ltr"), ("ar", "rtl")])
def test_error_pages_are_in_the_language_of_the_request(language: str, direction: str) -> None:
    request = RequestFactory().get("/")
    request.LANGUAGE_CODE = language
    for name in ERROR_PAGES:
        assert f'<html lang="{language}" dir="{direction}">' in error_page(request, name).content.decode()


def test_a_request_that_was_refused_before_the_language_was_chosen_is_answered_in_it(settings: Any) -> None:
    """Middleware above `LocaleMiddleware` refuses requests too, such as those for another host."""
    settings.SECURE_SSL_REDIRECT = True  # `SecurityMiddleware` reads the host
    refused = Client().get("/", headers={"Host": "elsewhere.example", "Accept-Language": "fr"})
    assert (refused.status_code, '<html lang="fr"' in refused.content.decode()) == (400, True)
    request = RequestFactory().get("/", headers={"Accept-Language": "ar"})
    assert '<html lang="ar"' in error_handlers.too_many_requests(request, retry_after=timedelta(1)).content.decode()
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "Locale" not in each]
    assert '<html lang="en' in error_page(request, "server_error").content.decode()


def test_an_error_page_names_the_request_that_log_lines_name() -> None:
    """Support finds the log lines of a person who reads the id to them. Without the middleware, no line has one."""
    request = RequestFactory().get("/nothing/")
    assert "Request:" not in error_page(request, "page_not_found").content.decode()
    middleware = RequestIDMiddleware(lambda request: error_page(request, "page_not_found"))
    response = middleware(request)
    assert response["X-Request-ID"] in response.content.decode()


def test_an_address_is_escaped_and_stays_on_this_site() -> None:
    request = RequestFactory().get("/?x=<b>")
    request.path = '//elsewhere.example/"><script>'
    page = error_page(request, "server_error").content.decode()
    assert "<script>" not in page
    assert 'href="/%2Felsewhere.example/' in page
    form = error_page(RequestFactory().post("/x/"), "server_error").content.decode()
    assert 'href="/x/"' not in form  # a link would not send the form again


@pytest.mark.parametrize("error", [OperationalError("gone"), ValueError("bug")])
def test_a_database_that_is_down_is_said_as_such(error: Exception) -> None:
    try:
        raise error
    except type(error):
        response = error_handlers.server_error(RequestFactory().get("/"))
    down = isinstance(error, OperationalError)
    assert response.status_code == (503 if down else 500)
    assert response.has_header("Retry-After") == down


def test_a_mistake_in_an_own_template_still_leaves_a_page(
    settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "dfns_login").mkdir()
    (tmp_path / "dfns_login" / "error.html").write_text("{% url 'nowhere' %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    response = error_page(RequestFactory().get("/"), "server_error")
    assert (response.status_code, response["Cache-Control"]) == (500, "no-store")
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert b"<h1>Something went wrong</h1>" in response.content
    assert "error page could not be rendered" in caplog.text


def test_a_project_overrides_a_block_and_names_its_support(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "dfns_login").mkdir()
    own = '{% extends "dfns_login/error.html" %}{% block text %}{{ page.status }}!{% endblock %}'
    (tmp_path / "dfns_login" / "error.html").write_text(own)
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "SUPPORT_EMAIL": "help@shop.example"}
    page = error_page(RequestFactory().get("/"), "page_not_found").content.decode()
    assert "404!" in page
    assert "mailto:help@shop.example" in page


# In the runnable project


@pytest.mark.django_db
def test_the_project_shows_them(django_assert_num_queries: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    with django_assert_num_queries(0):
        missing = client.get("/nothing", headers={"Accept-Language": "ar"})
        forged = client.post("/admin/login/", {"username": "root"})
        wrong = client.get("/", headers={"Host": "elsewhere.example"})
    assert [each.status_code for each in (missing, forged, wrong)] == [404, 403, 400]
    assert all(map(is_guarded, (missing, forged, wrong)))
    assert 'dir="rtl"' in missing.content.decode()
    assert "accept this form" in forged.content.decode()


def test_maintenance_answers_everything_but_health(settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "MAINTENANCE": True}
    client = Client(headers={"Accept-Language": "fr"})
    page, call = client.get("/login/"), client.post("/auth/login/init", {}, content_type="application/json")
    assert (page.status_code, page["Retry-After"], is_guarded(page)) == (503, "300", True)
    assert "Nous revenons" in page.content.decode()
    assert (call.status_code, call.json()["error"]["code"], call["Retry-After"]) == (503, "service_unavailable", "300")
    assert client.get("/healthz").status_code == 200
