"""Steps, dialogs and states that `test_looks.py` doesn't pass, in the same four looks. axe-core must find nothing."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from django.test import RequestFactory
from playwright.sync_api import Browser, Route, expect

from dfns_login.pages.error_pages import ERROR_PAGES, error_page
from tests.pages.test_choices import without_organization
from tests.pages.test_looks import LOOKS, fill, show, shown
from tests.support import page_walks
from tests.support.conformance.browser import Authenticator
from tests.support.firefox import is_firefox
from tests.support.live_project import LiveProject
from tests.support.page_steps import PASSWORD, Resident
from tests.support.page_visitor import Visitor, answering, visiting

NO_REPLY: Final = "**/auth/**"
SCRIPTS: Final = "**/dist/*.js"
LATE_MILLISECONDS: Final = 6_500
"""Until a page says that its script did not start."""
REFUSALS: Final[dict[str, dict[str, Any]]] = {
    "too_many_requests": {"status": 429, "headers": {"Retry-After": "90"}},
    "service_unavailable": {"status": 503, "headers": {"Retry-After": "90"}},
    "unexpected": {"status": 500},
    "account_deactivated": {"status": 403},
}


@pytest.fixture(params=LOOKS)
def look(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def visitor(look: str, browser: Browser, scene: LiveProject) -> Iterator[Visitor]:
    with visiting(browser, url=scene.site.url, look=look, **LOOKS[look]) as visitor:
        yield visitor


def reads_as_one_line(visitor: Visitor, selector: str) -> None:
    """A message with an element in it, such as the time left, is not laid out in columns beside its icon."""
    assert visitor.page.locator(selector).first.evaluate("(message) => message.childNodes.length") == 1


def test_every_step_and_dialog(look: str, browser: Browser, scene: LiveProject) -> None:
    """As somebody comes to it who registers, recovers the account, and then uses passkeys alone."""
    if is_firefox(browser):
        pytest.skip("Only Chromium has a virtual authenticator.")
    resident = Resident(scene=scene, person=scene.invite())

    @contextmanager
    def walking(name: str) -> Iterator[page_walks.Walk]:
        with visiting(browser, url=scene.site.url, look=look, **LOOKS[look]) as visitor:
            yield page_walks.Walk(
                page=visitor.page, resident=resident, look=lambda step: show(visitor, f"{name}-step-{step}")
            )

    with walking("register") as walk:
        code = page_walks.register_too_slowly(walk)
    with walking("register") as walk:
        Authenticator.plugged_into(walk.page)
        kit = page_walks.register(walk, code)
    with walking("sign-in") as walk:
        page_walks.sign_in_too_slowly(walk)
    with walking("recover") as walk:
        code = page_walks.recover_too_slowly(walk, kit)
    with walking("account") as walk:
        authenticator = Authenticator.plugged_into(walk.page)
        page_walks.recover(walk, kit, code)
        page_walks.open_dialogs(walk)
        page_walks.use_the_passkey(walk)
        walk.page.locator("[data-former] summary").click()
        walk.look("former")
        page_walks.add_a_required_passkey(walk, authenticator)
        page_walks.sign_in_without_a_password(walk)


def test_what_is_missing_or_refused_at_sign_in(visitor: Visitor) -> None:
    page = visitor.page
    page.goto("/login/")
    fill(visitor, "username", "")
    expect(page.locator("#username-error")).to_be_visible()
    show(visitor, "sign-in-missing-username")
    page.locator("#username").fill("jane@gmial.com")
    page.locator("#username").blur()
    expect(page.locator("[data-step=username] [data-suggestion]")).to_have_text(re.compile("gmail"))
    show(visitor, "sign-in-suggestion")
    reads_as_one_line(visitor, "[data-step=username] [data-suggestion]")
    for code, answer in REFUSALS.items():
        body = {"error": {"message": code, "code": code}}
        with answering(page, NO_REPLY, json=body, **answer):
            fill(visitor, "username", "jane@gmail.com")
            expect(page.locator("[data-alert]").first).to_have_text(re.compile(r"\S"))
        show(visitor, f"sign-in-{code.replace('_', '-')}")
        reads_as_one_line(visitor, "[data-alert]")
    page.route(NO_REPLY, lambda route: route.abort())
    fill(visitor, "username", "jane@gmail.com")
    expect(page.locator("[data-alert]").first).to_have_text(re.compile(r"\S"))
    show(visitor, "sign-in-unreachable")
    page.unroute(NO_REPLY)
    visitor.problems.clear()  # Chromium logs the failed request
    held: list[Route] = []
    page.route(NO_REPLY, lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    fill(visitor, "username", "jane@gmail.com")
    expect(page.locator("[data-step=username] [aria-busy=true]")).to_be_visible()
    show(visitor, "sign-in-busy")
    held.pop().continue_()
    page.unroute(NO_REPLY)
    shown(visitor, "code")
    expect(page.locator("[data-inbox-line]")).to_be_visible()
    fill(visitor, "code", "")
    page.locator("#code").press("Enter")
    expect(page.locator("#code-error")).to_be_visible()
    show(visitor, "sign-in-missing-code")


def test_an_organization_id_is_asked_for(visitor: Visitor) -> None:
    page = visitor.page
    page.route("**/login/", without_organization)
    page.goto("/login/")
    page.locator("#organization").fill("Example")
    fill(visitor, "username", "jane@example.com")
    expect(page.locator("#organization")).to_have_attribute("aria-invalid", "true")
    show(visitor, "sign-in-organization")


def test_the_account_page_while_it_loads_and_when_it_fails(visitor: Visitor, scene: LiveProject) -> None:
    resident, page = Resident.register(scene), visitor.page
    walk = page_walks.Walk(page=page, resident=resident, look=lambda step: show(visitor, step))
    page_walks.sign_in(walk, PASSWORD)
    held: list[Route] = []
    page.route(NO_REPLY, lambda route: held.append(route))  # noqa: PLW0108
    page.goto("/account/")
    page.wait_for_timeout(500)
    show(visitor, "account-loading")
    assert held
    for route in held:
        route.abort()
    page.unroute(NO_REPLY)
    expect(page.locator("[data-account] [data-alert]")).to_have_text(re.compile(r"\S"))
    expect(page.locator("[data-loading]")).to_have_count(3)
    expect(page.locator("[data-loading]").first).not_to_contain_text("…")  # nothing is loading anymore
    show(visitor, "account-unreachable")
    visitor.problems.clear()
    page.route("**/auth/activity*", lambda route: route.fulfill(json={"items": []}))
    page.reload()
    expect(page.locator("[data-activity-empty]")).to_be_visible()
    show(visitor, "account-empty")
    page.locator("[data-sign-out]").click()
    page.wait_for_url("**/login/**")
    expect(page.locator("#username")).to_be_enabled()
    show(visitor, "sign-in-signed-out")


def test_pages_without_a_script_of_theirs(visitor: Visitor) -> None:
    """Error pages, the project's own, and pages whose script does not start."""
    page = visitor.page
    request = RequestFactory().get("/", headers={"Accept-Language": "ar" if visitor.look == "rtl" else "en"})
    for name in ERROR_PAGES:
        html = error_page(request, name).content.decode()
        with answering(page, "**/an-error/", body=html, content_type="text/html"):
            page.goto("/an-error/")
        show(visitor, f"error-{name.replace('_', '-')}")
    page.goto("/")
    show(visitor, "home")
    page.route(SCRIPTS, lambda route: route.abort())
    page.goto("/login/")
    page.wait_for_timeout(LATE_MILLISECONDS)
    expect(page.locator("[data-not-started]")).to_be_visible()
    show(visitor, "sign-in-not-started")
    visitor.problems.clear()
