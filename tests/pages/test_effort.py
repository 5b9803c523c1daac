"""What a person does from opening a page to their account, as docs/pages.md counts it (R-220)."""

import re
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Browser, Page, expect

from tests.pages.test_register_and_recover import CHOSEN, CHOSEN_AFTERWARDS, KIT_KEY, invitation_link
from tests.support.conformance.browser import Authenticator
from tests.support.live_project import LiveProject
from tests.support.page_steps import WITHOUT_AUTOFILL, Resident
from tests.support.page_visitor import ROOT, visiting

ROW: Final = re.compile(r"^\| (\w[^|]*?) \| (\d+) \| (\d+) \| (\d+) \|", re.MULTILINE)
COLUMNS: Final = "| From the page to the account | fields | clicks | emails |"


@dataclass(kw_only=True)
class Person:
    """Counts the fields that are filled in, and the buttons and boxes that are clicked."""

    page: Page
    resident: Resident
    fields: int = 0
    clicks: int = 0

    def fill(self, **values: str) -> None:
        for field, value in values.items():
            self.page.locator(f"#{field.replace('_', '-')}").fill(value)
            self.fields += 1

    def click(self, selector: str) -> None:
        self.page.locator(selector).filter(visible=True).click(timeout=60_000)
        self.clicks += 1

    def ask_code(self, *, fill: bool = True) -> str:
        self.resident.wait_for_cooldown()
        before = self.resident.mails()
        if fill:
            self.fill(username=self.resident.email)
        expect(self.page.locator("#username")).to_have_value(self.resident.email)
        self.click("[type=submit]")
        expect(self.page.locator("[data-step=code]")).to_be_visible()
        return self.resident.code(after=before)

    def choose_password(self, password: str) -> str:
        """Choose a password and save the kit. Returns the kit's key."""
        self.fill(new_password=password, new_password_again=password)
        self.click("[type=submit]")
        self.click("[data-no-passkey]")
        kit = self.page.locator("[data-kit-key]")
        expect(kit).to_have_text(KIT_KEY, timeout=60_000)
        key = kit.inner_text()
        self.click("[data-step=kit] [type=checkbox]")
        self.click("[type=submit]")
        return key

    def arrived(self) -> tuple[int, int]:
        """Return the numbers of fields and clicks up to the account, and start again."""
        self.page.wait_for_url("**/account/")
        counted = self.fields, self.clicks
        self.fields = self.clicks = 0
        return counted


def counted_in_docs() -> dict[str, tuple[int, ...]]:
    table = (ROOT / "docs" / "pages.md").read_text().partition(COLUMNS)[2].partition("\n\n")[0]
    return {path: tuple(map(int, numbers)) for path, *numbers in ROW.findall(table)}


def test_nobody_is_asked_twice_for_the_same_thing(browser: Browser, scene: LiveProject) -> None:
    """R-220."""
    with visiting(browser, url=scene.site.url) as visitor:
        page = visitor.page
        person = Person(page=page, resident=Resident(scene=scene, person=scene.invite()))
        done: dict[str, tuple[int, ...]] = {}

        page.goto(invitation_link(scene, person.resident.person))
        person.fill(code=person.resident.person.registration_code)
        kit = person.choose_password(CHOSEN)
        done["registration, by the link in the invitation"] = (*person.arrived(), person.resident.mails())

        page.locator("[data-sign-out]").click()
        page.wait_for_url("**/login/**")
        person.fill(code=person.ask_code(fill=False), password=CHOSEN)
        person.click("[type=submit]")
        done["password, in a tab that has just signed out"] = (*person.arrived(), 1)

        page.context.clear_cookies()
        page.goto("/login/")
        person.fill(code=person.ask_code(), password=CHOSEN)
        person.click("[type=submit]")
        done["password"] = (*person.arrived(), 1)

        page.context.clear_cookies()
        page.goto("/recover/")
        code = person.ask_code()
        person.fill(code=code, kit=kit)
        person.choose_password(CHOSEN_AFTERWARDS)
        done["recovery, with the kit's key"] = (*person.arrived(), 1)

        Authenticator.plugged_into(page)
        page.locator("[data-add-passkey] button").click()
        page.locator("#confirm-password").fill(CHOSEN_AFTERWARDS)
        page.keyboard.press("Enter")
        expect(page.locator("[data-credentials] > li")).to_have_count(2, timeout=60_000)
        page.locator("[data-sign-out]").click()  # the virtual authenticator chooses from autofill at once
        page.wait_for_url("**/login/**")
        done["passkey, by autofill"] = (*person.arrived(), 0)

        page.add_init_script(WITHOUT_AUTOFILL)
        with page.expect_navigation(url="**/login/**"):
            page.locator("[data-sign-out]").click()
        person.click("[data-use-passkey]")
        done["passkey, by the button"] = (*person.arrived(), 0)
    assert done == counted_in_docs()
