"""Pages with errors and results: light, dark, zoomed by 200 %, 320 pixels wide, right to left and with forced colors.

axe-core must find nothing. `test_states.py` has the steps, dialogs and other states. Screenshots: `var/screenshots/`.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, expect

from tests.support.live_project import LiveProject, code_in
from tests.support.page_steps import PASSWORD, Resident, sign_in
from tests.support.page_visitor import Visitor, visiting

LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark", "viewport": {"width": 640, "height": 360}},  # zoomed by 200 %
    "phone": {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True},
    "rtl": {"locale": "ar", "color_scheme": "light", "forced_colors": "active"},
}
"""Four looks, because each of them walks through every state. No page has other rules for a wide window in the dark."""
WRONG: Final = "0000-0000-0000-0000"


@pytest.fixture(params=LOOKS)
def visitor(request: pytest.FixtureRequest, browser: Browser, scene: LiveProject) -> Iterator[Visitor]:
    options = LOOKS[request.param]
    with visiting(browser, url=scene.site.url, look=request.param, **options) as visitor:
        yield visitor


def fill(visitor: Visitor, field: str, value: str) -> None:
    """Fill in a field by id, because labels depend on the language. A whole code submits itself."""
    visitor.page.locator(f"#{field}").fill(value)
    if field != "code":
        visitor.page.locator(f"#{field}").press("Enter")


def shown(visitor: Visitor, step: str) -> None:
    expect(visitor.page.locator(f"[data-step={step}]")).to_be_visible(timeout=60_000)


SELECTED: Final = "(field) => field.selectionStart === 0 && field.selectionEnd === field.value.length"


READ_WITH_IT: Final = """(field) => field.getAttribute('aria-describedby').split(' ')
  .filter((id) => document.getElementById(id).checkVisibility()).map((id) => id.replace(`${field.id}-`, ''))"""
"""What a screen reader reads with a field, of what is shown beside it."""


def refused(visitor: Visitor, field: str) -> None:
    """The next try replaces what was refused. The hint stays, because it says what is accepted."""
    found = visitor.page.locator(f"#{field}")
    expect(found).to_have_attribute("aria-invalid", "true")
    expect(found).to_be_focused()
    assert found.evaluate(SELECTED)
    assert found.evaluate(READ_WITH_IT)[-2:] == ["hint", "error"]


CUT_OFF: Final = """() => {
  const cut = (part, card) => part.width > 0 && (part.left < card.left - 1 || part.right > card.right + 1)
  return [...document.querySelectorAll('.dfns-page-wide .dfns-card :not(.dfns-unseen)')]
    .filter((each) => cut(each.getBoundingClientRect(), each.closest('.dfns-card').getBoundingClientRect()))
    .map((each) => each.outerHTML)
}"""


def no_wider_than_the_window(visitor: Visitor) -> None:
    """Check that nothing needs horizontal scrolling (WCAG 1.4.10), and that no card of a list cuts anything off."""
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert visitor.page.evaluate(CUT_OFF) == []


def show(visitor: Visitor, name: str) -> None:
    visitor.show(name)
    no_wider_than_the_window(visitor)


def test_signing_in(visitor: Visitor, scene: LiveProject) -> None:
    page, resident = visitor.page, Resident.register(scene)
    page.goto("/login/")
    expect(page.locator("#username")).to_be_enabled()
    before = resident.mails()
    fill(visitor, "username", resident.email)
    shown(visitor, "code")
    fill(visitor, "code", WRONG)
    refused(visitor, "code")
    show(visitor, "sign-in-1-wrong-code")
    fill(visitor, "code", resident.code(after=before))
    shown(visitor, "password")
    fill(visitor, "password", "not it")
    refused(visitor, "password")
    show(visitor, "sign-in-2-wrong-password")
    fill(visitor, "password", PASSWORD)
    page.wait_for_url("**/account/")
    look_at_the_account(visitor)


def look_at_the_account(visitor: Visitor) -> None:
    page = visitor.page
    row = page.locator("[data-credentials] [data-do]").filter(visible=True)
    expect(row.first).to_be_visible()
    show(visitor, "account-1")
    page.locator("[data-credentials] [data-do=password]").click()
    dialog = page.locator("[data-dialog=password]")
    dialog.locator("#new-password").fill("a rather long password")
    expect(dialog.locator("[data-strength]")).to_be_visible()
    show(visitor, "account-2-strength")
    dialog.locator("[data-cancel]").click()
    page.locator("[data-new-kit]").click()
    expect(page.locator("[data-dialog=confirm]")).to_be_visible()
    fill(visitor, "confirm-password", PASSWORD)
    expect(page.locator("[data-dialog=kit]")).to_be_visible(timeout=60_000)
    page.locator("[data-dialog=kit] #kit-kept").check()
    page.locator("[data-dialog=kit] [type=submit]").click()
    expect(page.locator("[data-dialog=kit]")).to_be_hidden(timeout=30_000)
    expect(page.locator("[data-kit-made]")).to_be_visible()
    show(visitor, "account-3-done")
    page.locator("[data-activity-category=changes]").click()
    expect(page.locator("[data-activity-category=changes]")).to_have_attribute("aria-pressed", "true")
    show(visitor, "account-4-changes")
    page.goto("/account/secure/")
    expect(page.locator("[data-credentials] [data-do]").filter(visible=True).first).to_be_visible()
    page.locator("[data-end-others]").click()
    expect(page.locator("[data-part=others] [data-part-done]")).to_be_visible()
    show(visitor, "account-5-secure")


def test_registering(visitor: Visitor, scene: LiveProject) -> None:
    page, person = visitor.page, scene.invite()
    link = re.search(r"http\S+/register/\S+", scene.mail_to(person.email).text)
    assert link is not None
    page.goto(link[0])
    expect(page.locator("#username")).to_have_value(person.email)
    fill(visitor, "code", person.registration_code)
    shown(visitor, "password")
    page.locator("#new-password").fill("password")
    fill(visitor, "new-password-again", "password")
    refused(visitor, "new-password")
    show(visitor, "register-1-weak-password")
    page.locator("#new-password").fill(PASSWORD)
    fill(visitor, "new-password-again", PASSWORD)
    shown(visitor, "passkey")
    page.locator("[data-no-passkey]").click()
    shown(visitor, "kit")
    expect(page.locator("[data-kit-key]")).to_have_text(re.compile(r"\S"))
    page.locator("[data-step=kit] [type=submit]").click()
    expect(page.locator("#kit-kept-error")).to_be_visible()
    show(visitor, "register-2-kit-not-saved")
    page.emulate_media(media="print")
    visitor.picture("register-3-printed-kit")


def test_recovering(visitor: Visitor, scene: LiveProject) -> None:
    page, resident = visitor.page, Resident.register(scene)
    page.goto("/recover/")
    expect(page.locator("#username")).to_be_enabled()
    before = resident.mails()
    fill(visitor, "username", resident.email)
    shown(visitor, "code")
    page.locator("#code").fill(code_in(scene.mail_to(resident.email, number=before + 1)))
    shown(visitor, "unlock")
    fill(visitor, "kit", "ABCD")
    refused(visitor, "kit")
    show(visitor, "recover-1-mistyped-kit")


def test_without_javascript(browser: Browser, scene: LiveProject) -> None:
    """Each page has a heading, and says why it needs a script and what to do."""
    with visiting(browser, url=scene.site.url) as visitor:
        sign_in(visitor, Resident.register(scene))
        signed_in = visitor.page.context.storage_state()
    for state, paths in (
        (None, ("/login/", "/register/", "/recover/")),
        (signed_in, ("/account/", "/account/secure/")),
    ):
        options: dict[str, Any] = {"java_script_enabled": False, "storage_state": state}
        with visiting(browser, url=scene.site.url, look="no-script", **options) as visitor:
            for path in paths:
                page = visitor.page
                page.goto(path)
                expect(page.get_by_role("heading")).to_have_text(["This page needs JavaScript"])
                expect(page.get_by_role("heading", level=1)).to_have_count(1)
                expect(page.locator("noscript p").first).to_contain_text(
                    "Turn on JavaScript for this site, then reload"
                )
                expect(page.get_by_role("link", name="Reload the page")).to_have_attribute("href", "")
                visitor.picture(path.strip("/").replace("/", "-"))  # axe-core is a script
