"""Walks through the pages as people take them. They stop at each step and dialog, for a picture.

A walk opens nothing itself: what a page shows only after a click, or once time has passed, is shown that way.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Dialog, Page, expect

from project.mailbox import Email
from tests.support.conformance.browser import Authenticator
from tests.support.live_project import code_in, wait_for
from tests.support.page_steps import PASSWORD, WITHOUT_AUTOFILL, Resident

NEW_PASSWORD: Final = "seven brown boots in a bath"
SLOW: Final = 60_000
A_CHALLENGE: Final = "30:00"
"""Longer than a challenge is valid."""
SECOND_FACTOR: Final = "from dfns_login.models import Organization; Organization.objects.update(second_factor={!r})"


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A person on a page. `look` is called with the name of each step or dialog, once it is shown."""

    page: Page
    resident: Resident
    look: Callable[[str], None]

    def step(self, name: str) -> None:
        expect(self.page.locator(f"[data-step={name}]")).to_be_visible(timeout=SLOW)
        self.look(name)

    def dialog(self, name: str) -> None:
        expect(self.page.locator(f"dialog[data-dialog={name}]")).to_be_visible(timeout=SLOW)
        self.look(name)

    def cancel(self) -> None:
        self.page.locator("dialog[open] [data-cancel]").click()

    def submit(self) -> None:
        self.page.locator("main [type=submit], dialog[open] [type=submit]").filter(visible=True).last.click()

    def new_code(self) -> str:
        """Click the button that sends a code, and return the code. Notices may come before its email."""
        self.resident.wait_for_cooldown()
        before = self.resident.mails()
        self.submit()
        return code_in(wait_for(lambda: self._code_email(before), what=lambda: "email with a code"))

    def _code_email(self, after: int) -> Email | None:
        emails = self.resident.scene.mails_to(self.resident.email)[after:]
        return next((each for each in emails if each.text.rstrip().rpartition("\n")[2].startswith("@")), None)

    def ask_code(self) -> str:
        self.page.locator("#username").fill(self.resident.email)
        return self.new_code()

    def expire(self) -> None:
        """Wait until the challenge expires, and then load the page again."""
        self.page.clock.fast_forward(A_CHALLENGE)
        self.step("expired")
        self.page.reload()
        self.step("resumed")

    def enroll(self, password: str) -> str:
        """From the new password to the account, with a passkey and a recovery kit. Return the kit's key."""
        self.page.on("dialog", _accept)  # the browser warns that the kit is not saved
        self.page.locator("#new-password").fill(password)
        self.page.locator("#new-password-again").fill(password)
        self.submit()
        self.step("passkey")
        self.submit()
        shown = self.page.locator("[data-kit-key]")
        expect(shown).to_have_text(re.compile(r"\S"), timeout=SLOW)
        key = shown.inner_text()
        self.step("kit")
        self.page.reload()
        self.step("done")
        self.submit()
        self.page.wait_for_url("**/account/")
        return key


def _accept(dialog: Dialog) -> None:
    dialog.accept()


def register_too_slowly(walk: Walk) -> str:
    """Return the code that is sent in place of the one that was used up."""
    walk.page.clock.install()
    walk.page.goto(f"/register/#{walk.resident.email}")
    walk.step("code")
    walk.page.locator("#code").fill(walk.resident.person.registration_code)
    walk.step("password")
    walk.expire()
    return walk.new_code()


def register(walk: Walk, code: str) -> str:
    """Return the kit's key."""
    walk.page.goto(f"/register/#{walk.resident.email}")
    walk.page.locator("#code").fill(code)
    expect(walk.page.locator("#new-password")).to_be_focused()
    return walk.enroll(PASSWORD)


def sign_in_too_slowly(walk: Walk) -> None:
    walk.page.clock.install()
    walk.page.goto("/login/")
    walk.step("username")
    code = walk.ask_code()
    walk.step("code")
    walk.page.locator("#code").fill(code)
    walk.step("password")
    walk.expire()


def sign_in(walk: Walk, password: str) -> None:
    walk.page.goto("/login/")
    walk.page.locator("#code").fill(walk.ask_code())
    walk.page.locator("#password").fill(password)
    walk.submit()
    walk.page.wait_for_url("**/account/")


def recover_too_slowly(walk: Walk, kit: str) -> str:
    """Return the code that is sent in place of the one that was used up."""
    walk.page.clock.install()
    walk.page.goto("/recover/")
    walk.step("username")
    code = walk.ask_code()
    walk.step("code")
    walk.page.locator("#code").fill(code)
    walk.step("unlock")
    walk.page.locator("#kit").fill(kit)  # submits itself
    walk.step("password")
    walk.expire()
    return walk.new_code()


def recover(walk: Walk, kit: str, code: str) -> None:
    walk.page.goto(f"/recover/#{walk.resident.email}")
    walk.page.locator("[data-have-code]").click()
    walk.page.locator("#code").fill(code)
    walk.page.locator("#kit").fill(kit)
    expect(walk.page.locator("#new-password")).to_be_focused(timeout=SLOW)
    walk.enroll(NEW_PASSWORD)


def open_dialogs(walk: Walk) -> None:
    """On the account page of a person who signed in with the password and has a passkey."""
    page = walk.page
    passkey = page.locator("[data-credentials] > [data-kind=Fido2]")
    for action in ("rename", "deactivate"):
        passkey.locator(f"[data-do={action}]").click()
        walk.dialog(action)
        walk.cancel()
    page.locator("[data-do=password]").filter(visible=True).click()
    walk.dialog("password")
    walk.cancel()
    page.locator("[data-new-kit]").click()
    walk.dialog("confirm")
    page.locator("#confirm-password").fill(NEW_PASSWORD)
    walk.submit()
    walk.dialog("kit")
    page.locator("dialog[open] [type=checkbox]").check()
    walk.submit()
    expect(page.locator("dialog[open]")).to_have_count(0, timeout=SLOW)


def use_the_passkey(walk: Walk) -> None:
    """Sign in with the passkey instead. A password can't be changed then, but deactivated."""
    page = walk.page
    page.add_init_script(WITHOUT_AUTOFILL)  # the virtual authenticator would answer at once
    _sign_in_with_passkey(page)
    page.locator("[data-do=password]").filter(visible=True).click()
    walk.dialog("again")
    walk.cancel()


def add_a_required_passkey(walk: Walk, authenticator: Authenticator) -> None:
    """Sign in where the organization requires both: up to the passkey, for which the browser asks."""
    site = walk.resident.scene.site
    site.manage("shell", "--command", SECOND_FACTOR.format("required"))
    authenticator.touch(at_once=False)
    walk.page.context.clear_cookies()
    walk.page.goto("/login/")
    walk.page.locator("#code").fill(walk.ask_code())
    walk.page.locator("#password").fill(NEW_PASSWORD)
    walk.submit()
    walk.step("second")
    site.manage("shell", "--command", SECOND_FACTOR.format("optional"))
    walk.page.goto("about:blank")  # the page would resume at this step
    authenticator.touch(at_once=True)


def sign_in_without_a_password(walk: Walk) -> None:
    """Deactivate the password, and ask for a code: only the passkey is left."""
    page = walk.page
    _sign_in_with_passkey(page)
    page.locator("[data-credentials] > [data-kind=PasswordProtectedKey] [data-do=deactivate]").click()
    walk.submit()
    expect(page.locator("dialog[open]")).to_have_count(0, timeout=SLOW)
    page.context.clear_cookies()
    page.goto("/login/")
    page.locator("#code").fill(walk.ask_code())
    walk.step("passkey")


def _sign_in_with_passkey(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/login/")
    page.locator("[data-use-passkey]").filter(visible=True).click()
    page.wait_for_url("**/account/")
    expect(page.locator("[data-credentials] [data-do]").filter(visible=True).first).to_be_visible()
