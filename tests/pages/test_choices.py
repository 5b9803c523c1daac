"""What people choose on a page: the organization and the language."""

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.template.loader import render_to_string
from django.test import Client
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Route, expect

from dfns_login.browsers.cookies import cookie_name
from dfns_login.models import Organization
from tests.support.api_browser import Browser
from tests.support.factories import make_organization, make_person
from tests.support.live_project import LiveProject
from tests.support.page_visitor import visiting

NAMES = ["Acme", "Blue", "Cyan"]


def sign_in_to(browser: Browser, name: str) -> Organization:
    person = make_person(Organization.objects.get(name=name), f"jane@{name}.example".lower())
    assert browser.sign_in(person).status_code == 200
    browser.send("PUT", "/auth/logout", {})
    return person.account.organization


def shown(browser: Client, path: str = "/login/") -> tuple[str, list[str]]:
    """Return the organization that the page is for, and all whose names it shows."""
    response = browser.get(path)
    text = response.content.decode()
    assert ('id="organization"' in text) == (not response.context["organization_id"])
    return response.context["organization_id"], [name for name in NAMES if name in text]


@pytest.mark.django_db
def test_a_browser_offers_the_organizations_that_it_has_signed_in_to(settings: Any) -> None:
    """R-172."""
    third = [make_organization(name) for name in NAMES][2]
    browser = Browser()
    assert shown(browser) == ("", [])
    acme = sign_in_to(browser, "Acme")
    other = sign_in_to(browser, "Blue")
    for path in ("/login/", "/recover/"):
        assert shown(browser, path) == (other.pk, ["Acme", "Blue"])
        assert "<h1>" in browser.get(path).content.decode()
    assert "Sign in to Blue" in browser.get("/login/").content.decode()
    assert shown(browser, f"/login/?organization={acme.pk}") == (acme.pk, ["Acme", "Blue"])
    assert shown(browser, f"/login/?organization={third.pk}") == (third.pk, ["Acme", "Blue"])
    assert shown(browser, "/login/?organization=") == ("", ["Acme", "Blue"])
    assert shown(browser, "/register/") == ("", [])
    assert shown(Browser(), f"/login/?organization={acme.pk}") == (acme.pk, [])
    Organization.objects.filter(pk=other.pk).update(active=False)
    assert shown(browser) == (acme.pk, ["Acme"])
    forged = Browser()
    forged.cookies[cookie_name("organizations")] = acme.pk
    assert shown(forged) == ("", [])
    answer = browser.post("/forget/", {"csrfmiddlewaretoken": browser.csrf, "next": "/wallets/"})
    assert answer["Location"] == "/login/?next=%2Fwallets%2F"
    assert shown(browser) == ("", [])
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "ORGANIZATION": acme.pk}
    fixed = Browser()
    sign_in_to(fixed, "Cyan")
    assert cookie_name("organizations") not in fixed.cookies
    assert shown(fixed) == (acme.pk, ["Acme"])


@pytest.mark.django_db
def test_a_language_can_be_chosen_without_a_script(settings: Any) -> None:
    """R-173."""
    browser = Browser()
    page = "/login/?organization=or-a-b&next=%2Fwallets%2F%3Fa%3D1"
    form = {"csrfmiddlewaretoken": browser.csrf, "language": "fr", "next": page}
    assert 'value="/login/?organization=or-a-b&amp;next=%2Fwallets%2F%3Fa%3D1"' in browser.get(page).content.decode()
    for elsewhere in ("https://evil.example/", "//evil.example", "", "/a/../b"):
        answer = browser.post("/language/", {**form, "next": elsewhere})
        assert (answer["Location"], django_settings.LANGUAGE_COOKIE_NAME in answer.cookies) == ("/login/", False)
    assert browser.get("/language/").status_code == 405
    assert browser.post("/language/", {**form, "csrfmiddlewaretoken": ""}).status_code == 403
    assert browser.post("/language/", form)["Location"] == page
    assert '<html lang="fr"' in browser.get("/recover/").content.decode()
    offered = 'action="/language/"'
    assert offered not in browser.get("/lock/").content.decode()  # it needs no cookie
    for off in ({"LANGUAGES": ()}, {"LANGUAGES": ("en", "de")}, {"LANGUAGES": ("fr",)}):
        settings.LANGUAGES = [("en", "English"), ("fr", "French")]
        settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, **off}
        assert offered not in browser.get("/login/").content.decode()
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "LANGUAGES": ("en", "fr")}
    assert offered in browser.get("/login/").content.decode()
    settings.LANGUAGES = [("en", "English"), ("tlh", "tlhIngan Hol")]  # Django doesn't know its name
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "LANGUAGES": ("en", "tlh")}
    assert "TlhIngan Hol</button>" in browser.get("/login/").content.decode()
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "Locale" not in each]
    assert offered not in Client().get("/login/").content.decode()


def without_organization(route: Route) -> None:
    """Answer with the page of a site with several organizations."""
    text = route.fetch().text()
    username = '<div class="dfns-field" data-username-field>'
    start = text.index(username)
    both = render_to_string("dfns_login/parts/account_fields.html", {"organization_id": ""})
    field = both.partition(username)[0]
    chosen = text.partition('data-organization="')[2].partition('"')[0]
    text = text.replace(f'data-organization="{chosen}"', 'data-organization=""')
    route.fulfill(body=text[:start] + field + text[start:])


def test_a_text_that_is_no_id_is_refused_in_its_field(browser: Chromium, scene: LiveProject) -> None:
    """R-172: an id is found in a whole sentence, too."""
    with visiting(browser, url=scene.site.url) as visitor:
        page = visitor.page
        page.route("**/login/", without_organization)
        page.goto("/login/")
        page.get_by_role("textbox", name="Email address").fill("jane@example.com")
        field = page.get_by_label("Organization ID")
        for wrong in ("Example", "jane@example.com", "or-", "for-a-b"):
            field.fill(wrong)
            field.press("Enter")
            expect(field).to_have_attribute("aria-invalid", "true")
            expect(page.get_by_text("This organization ID isn't valid.")).to_be_visible()
        assert not any("/auth/" in each.url for each in visitor.sent)
        field.fill("Your organization ID: or-abcde-fghjk-mnpqrstvwxyz0123.")
        with page.expect_request("**/auth/login/code") as asked:
            field.press("Enter")
        assert asked.value.post_data_json["orgId"] == "or-abcde-fghjk-mnpqrstvwxyz0123"
