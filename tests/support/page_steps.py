"""People who use the pages, and the steps they take."""

import time
from dataclasses import dataclass, field
from typing import Final

from playwright.sync_api import Page

from tests.support.authenticators import PASSPHRASE, SoftwareKey
from tests.support.live_project import Invitee, LiveProject, code_in, wait_for
from tests.support.page_visitor import Visitor
from tests.support.pages_settings import CODE_COOLDOWN

PASSWORD: Final = PASSPHRASE
WITHOUT_AUTOFILL: Final = """
if (globalThis.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => false
"""
"""A script for tests of the button: the virtual authenticator chooses a passkey as soon as autofill offers one."""

ENDLESS_AUTOFILL: Final = """
if (globalThis.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => true
navigator.credentials.get = ({ signal }) => {
  globalThis.offers = (globalThis.offers ?? 0) + 1
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}
"""
"""A script for tests of autofill from which nobody chooses. It counts the offers."""


@dataclass(frozen=True, kw_only=True)
class Resident:
    """Somebody who has registered a key, encrypted under `PASSWORD`, elsewhere than on a page."""

    scene: LiveProject
    person: Invitee
    asked: list[float] = field(default_factory=list)

    @classmethod
    def register(cls, scene: LiveProject) -> "Resident":
        person = scene.invite()
        scene.register(person, SoftwareKey.with_age_envelope())
        return cls(scene=scene, person=person)

    @property
    def email(self) -> str:
        return self.person.email

    def code(self, *, after: int) -> str:
        """The code of the email behind so many; waits for it."""
        return code_in(self.scene.mail_to(self.email, number=after + 1))

    def wait_for_cooldown(self) -> None:
        """Until asking again has an email sent again."""
        if self.asked:
            time.sleep(max(0.0, self.asked[-1] + CODE_COOLDOWN.total_seconds() + 0.5 - time.monotonic()))
        self.asked.append(time.monotonic())

    def mails(self) -> int:
        return len(self.scene.mails_to(self.email))


def ask_code(page: Page, resident: Resident) -> str:
    """Ask for a code on the sign-in page, and return the code from the email."""
    resident.wait_for_cooldown()
    before = resident.mails()
    page.get_by_role("textbox", name="Email address").fill(resident.email)
    page.get_by_role("button", name="Email me a code").click()
    page.get_by_label("Code", exact=True).wait_for()
    return resident.code(after=before)


def present_code(page: Page, code: str, *, label: str = "Code") -> None:
    """Fill in a whole code, which submits it."""
    page.get_by_label(label, exact=True).fill(code)


def enter_password(page: Page, password: str) -> None:
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_in(visitor: Visitor, resident: Resident, *, password: str = PASSWORD) -> None:
    """The whole sign-in, until the account page is there."""
    page = visitor.page
    page.goto("/login/")
    present_code(page, ask_code(page, resident))
    enter_password(page, password)
    page.wait_for_url("**/account/")


def newest_mail(scene: LiveProject, email: str, *, after: int) -> str:
    """Text of the email behind so many; waits for it."""
    return wait_for(
        lambda: next((mail.text for mail in scene.mails_to(email)[after:]), ""), what=lambda: f"mail to {email}"
    )
