"""The pages as served: headers, redirects, and the organization they are for."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dfns_login.models import Organization, SecondFactor
from dfns_login.proofs import Ceremony, redeem_challenge
from tests.support.api_browser import Browser
from tests.support.factories import Person, make_organization, make_person

pytestmark = pytest.mark.django_db

PAGES = ["/login/", "/register/", "/recover/"]
ALL = [*PAGES, "/account/", "/account/secure/"]


@pytest.fixture
def jane() -> Person:
    return make_person(make_organization("Acme"))


@pytest.fixture
def signed_in(jane: Person) -> Browser:
    browser = Browser()
    assert browser.sign_in(jane).status_code == 200
    return browser


class Markup(HTMLParser):
    """Collects what a strict policy forbids, and what the page loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self._open = tag
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag in {"script", "link", "img", "iframe"}:
            self.loaded += [str(given[name]) for name in ("src", "href") if name in given]
        if tag == "script" and "src" not in given:
            self.inline.append("script")

    def handle_data(self, data: str) -> None:
        if self._open == "style" and data.strip():
            self.inline.append("style")


def policy_of(response: Any) -> dict[str, str]:
    parts = [each.strip().partition(" ") for each in response["Content-Security-Policy"].split(";")]
    return {name: value for name, _, value in parts}


@pytest.mark.parametrize("path", ALL)
def test_security_headers(signed_in: Browser, path: str) -> None:
    """R-90, R-92, R-93."""
    if path == "/login/":
        signed_in.cookies.clear()
    response = signed_in.get(path)
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "publickey-credentials-get=(self)" in response["Permissions-Policy"]
    policy = policy_of(response)
    assert policy.pop("default-src") == "'none'"
    assert policy.pop("base-uri") == "'none'"
    assert policy.pop("frame-ancestors") == "'none'"
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert policy.pop("trusted-types") == "dfns-login"
    assert policy.pop("img-src") == "'self' data:"
    assert set(policy) == {"script-src", "style-src", "font-src", "connect-src", "worker-src", "form-action"}
    assert set(policy.values()) == {"'self'"}
    assert "unsafe" not in response["Content-Security-Policy"]


@pytest.mark.parametrize("path", [*PAGES, "/account/", "/account/secure/", "/logout/"])
def test_redirects_and_refusals_have_security_headers_too(path: str) -> None:
    """R-90, R-92."""
    for response in (Client().get(path), Client().delete(path)):
        assert response["Cache-Control"] == "no-store"
        assert policy_of(response)["default-src"] == "'none'"


@pytest.mark.parametrize("path", ALL)
def test_pages_have_nothing_inline_and_load_nothing_from_elsewhere(signed_in: Browser, path: str) -> None:
    """R-97."""
    if path == "/login/":
        signed_in.cookies.clear()
    markup = Markup(signed_in.get(path).content.decode())
    assert markup.inline == []
    assert markup.loaded
    assert [each for each in markup.loaded if not each.startswith("/static/")] == []
    assert "noscript" in markup.tags


def test_the_policy_allows_the_origin_of_static_files_and_no_other(settings: Any) -> None:
    settings.STATIC_URL = "https://static.example.com/"
    policy = policy_of(Client().get("/login/"))
    assert policy["script-src"] == policy["style-src"] == "'self' https://static.example.com"
    assert policy["connect-src"] == "'self' https://static.example.com/dfns_login/dist/words.json"
    assert policy["worker-src"] == "'self'"


def test_the_account_page_redirects_to_sign_in_and_back() -> None:
    response = Client().get("/account/")
    assert (response.status_code, response["Location"]) == (302, "/login/?next=%2Faccount%2F")


def test_the_sign_in_page_redirects_a_signed_in_person(signed_in: Browser) -> None:
    assert signed_in.get("/login/?next=/wallets/")["Location"] == "/wallets/"
    assert signed_in.get("/login/?next=//evil.example")["Location"] == "/account/"
    assert signed_in.get("/login/")["Location"] == "/account/"


@pytest.mark.parametrize("path", ALL)
def test_pages_only_accept_get_and_head(signed_in: Browser, path: str) -> None:
    """R-95: GET changes no state, and pages accept no other method."""
    assert signed_in.post(path, headers={"X-CSRFToken": signed_in.csrf}).status_code == 405


def organization_of(response: Any) -> tuple[Organization | None, str]:
    return response.context["organization"], response.context["organization_id"]


def test_pages_are_for_the_only_organization(jane: Person) -> None:
    acme = jane.account.organization
    assert organization_of(Client().get("/login/")) == (acme, acme.pk)
    make_organization("Closed").__class__.objects.filter(name="Closed").update(active=False)
    assert organization_of(Client().get("/login/")) == (acme, acme.pk)


def test_a_link_selects_the_organization_without_revealing_whether_it_exists(jane: Person) -> None:
    make_organization("Other")
    assert organization_of(Client().get("/login/")) == (None, "")
    for named in (jane.account.organization_id, "or-nobody"):
        assert organization_of(Client().get(f"/login/?organization={named}")) == (None, named)
        assert b"Acme" not in Client().get(f"/login/?organization={named}").content


def test_the_page_has_a_challenge_for_passkey_autofill_and_stores_nothing(jane: Person) -> None:
    """R-162: it is as any login challenge that names nobody, so it is good once, and only where a passkey suffices."""
    with CaptureQueriesContext(connection) as queries:
        opened = [Client().get("/login/").context["passkey"] for _ in range(2)]
    assert {each["sql"].partition(" ")[0] for each in queries.captured_queries} == {"SELECT"}
    found = [redeem_challenge(each.identifier, ceremony=Ceremony.LOGIN, now=timezone.now()) for each in opened]
    assert found[0].jti != found[1].jti
    assert {(each.organization, each.account_id, each.code_presented) for each in found} == {
        (jane.account.organization_id, "", False)
    }
    assert 'autocomplete="username webauthn"' in Client().get("/login/").content.decode()
    Organization.objects.update(second_factor=SecondFactor.REQUIRED)
    assert Client().get("/login/").context["passkey"] is None
    make_organization("Other")
    assert Client().get("/login/").context["passkey"] is None


def test_a_setting_selects_one_of_several_organizations(jane: Person, settings: Any) -> None:
    other = make_organization("Other")
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "ORGANIZATION": other.pk}
    assert organization_of(Client().get("/login/")) == (other, other.pk)
    assert organization_of(Client().get(f"/login/?organization={other.pk}")) == (other, other.pk)
    assert organization_of(Client().get("/login/?organization=or x")) == (other, other.pk)


def test_the_organization_in_an_invitation_wins(jane: Person, settings: Any) -> None:
    """Otherwise the page is for an organization in which the person was not invited, and any code is wrong."""
    acme, other = jane.account.organization, make_organization("Other")
    for chosen in ({"ORGANIZATION": other.pk}, {"ORGANIZATION_FOR_REQUEST": f"{__name__}.the_other_one"}):
        settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, **chosen}
        page = Client().get(f"/register/?organization={acme.pk}")
        assert organization_of(page) == (None, acme.pk)
        assert b"Other" not in page.content


def test_who_may_sign_up_is_told_how_to_get_a_code(settings: Any) -> None:
    """R-152."""
    invited_only = Client().get("/register/").content.decode()
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "SIGN_UP": f"{__name__}.the_other_one"}
    open_to_all = Client().get("/register/").content.decode()
    told = [("from your invitation email" in page, "Email me a code" in page) for page in (invited_only, open_to_all)]
    assert told == [(True, False), (False, True)]
    assert 'data-text="refused.user_unavailable"' in invited_only


def the_other_one(_request: object) -> str:
    return Organization.objects.get(name="Other").pk


@pytest.mark.parametrize("named", ["<script>", "or x", "a" * 65, "or-x\x00"])
def test_an_invalid_organization_id_is_ignored(named: str) -> None:
    assert organization_of(Client().get("/login/", {"organization": named})) == (None, "")


@pytest.mark.parametrize("path", PAGES)
def test_query_parameters_are_escaped(path: str) -> None:
    text = Client().get(path, {"next": '/"><script>x</script>', "organization": '"><script>'}).content.decode()
    assert "<script>x" not in text
    assert '"><script>' not in text


@pytest.mark.parametrize("path", ["/account/", "/account/secure/"])
def test_signed_in_pages_contain_username_and_organization_and_no_secret(
    signed_in: Browser, jane: Person, path: str
) -> None:
    """R-183. The organization is the session's, whatever the link says."""
    text = signed_in.get(path, {"organization": make_organization("Other").pk}).content.decode()
    assert jane.account.username in text
    assert "Acme" in text
    assert "Other" not in text
    assert signed_in.session_key not in text
    assert "BEGIN AGE" not in text


def test_pages_follow_the_accepted_language() -> None:
    for language, direction in (("en", "ltr"), ("fr", "ltr"), ("ar", "rtl")):
        response = Client().get("/login/", headers={"Accept-Language": language})
        head = re.search(r"<html[^>]*>", response.content.decode())
        assert head is not None
        assert f'lang="{language}"' in head[0]
        assert f'dir="{direction}"' in head[0]


def test_every_page_has_a_url_name() -> None:
    names = ("sign-in", "register", "recover", "account", "secure", "sign-out")
    assert [reverse(f"dfns_login:{name}") for name in names] == [*ALL, "/logout/"]


def test_hsts_is_sent() -> None:
    """R-91."""
    response = Client().get("/login/", secure=True)
    assert response["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize(
    "origin",
    ["null", "http://testserver", "http://evil.example", "http://a.testserver", "http://testserver.evil.example"],
)
@pytest.mark.parametrize("path", ["/login/", "/login/complete", "/auth/login/init", "/auth/credentials"])
def test_other_origins_cannot_read_responses(signed_in: Browser, path: str, origin: str) -> None:
    """R-94."""
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for response in (
        signed_in.get(path, headers={"Origin": origin}),
        signed_in.post(path, b"{}", content_type="application/json", headers={"Origin": origin}),
        signed_in.options(path, headers={"Origin": origin, **preflight}),
    ):
        assert [name for name in response.headers if name.lower().startswith("access-control-")] == []


def test_help_and_inboxes_are_linked_by_settings(settings: Any) -> None:
    """R-174."""
    plain = [Client().get(path).content.decode() for path in PAGES]
    assert all("mailto:" not in page and ">Help<" not in page for page in plain)
    assert all('data-inbox="https://mail.google.com/"' in page for page in plain)
    help_ = {"SUPPORT_EMAIL": "help@shop.example", "HELP_URL": "https://shop.example/help?a=1&b=2"}
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, **help_, "INBOX_LINKS": False}
    for path in (*PAGES, "/lock/"):
        page = Client().get(path).content.decode()
        assert '<a href="mailto:help@shop.example">' in page
        assert '<a href="https://shop.example/help?a=1&amp;b=2">Help</a>' in page
        assert "data-inbox=" not in page
