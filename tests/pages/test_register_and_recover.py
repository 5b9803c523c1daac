"""Registering from an emailed invitation and recovering with the kit, in a real Chromium."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.conformance.browser import Authenticator
from tests.support.firefox import NO_BODIES, is_firefox
from tests.support.live_project import Invitee, LiveProject, code_in
from tests.support.page_steps import WITHOUT_AUTOFILL, Resident, ask_code, enter_password, newest_mail, present_code
from tests.support.page_visitor import Visitor, body_of, visiting

CHOSEN: Final = "quatre baleines sous la pluie"
CHOSEN_AFTERWARDS: Final = "seven brown boots in a bath"
KIT_KEY: Final = re.compile(r"(?:[0-9A-Z]{4}[\s-]){9}[0-9A-Z]{4}")
KIT_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
NO_NEW_CODE: Final = re.compile("You don't need a new code")
WRONG: Final = "0000-0000-0000-0000"


@pytest.fixture
def visitor(browser: Browser, scene: LiveProject) -> Iterator[Visitor]:
    with visiting(browser, url=scene.site.url, accept_downloads=True) as visitor:
        yield visitor


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A person who registered on the page, and their kit."""

    person: Invitee
    kit_key: str
    kit_file: str


def invitation_link(scene: LiveProject, person: Invitee) -> str:
    found = re.search(r"http\S+/register/\S+", newest_mail(scene, person.email, after=0))
    assert found is not None
    return found[0]


def choose_password(page: Page, password: str) -> None:
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_label("Confirm new password").fill(password)
    page.get_by_role("button", name="Continue").filter(visible=True).click()


def keep_kit(page: Page) -> tuple[str, str]:
    """Download the kit. Returns the displayed kit key and the file's text."""
    page.get_by_role("heading", name="Your kit key").wait_for(timeout=60_000)
    shown = KIT_KEY.search(page.locator("[data-kit-key]").inner_text())
    assert shown is not None
    text = downloaded_kit(page)
    page.get_by_label("I've saved my recovery kit in a safe place").check()
    return shown[0], text


def mistyped(kit_key: str) -> str:
    return kit_key[:-1] + ("1" if kit_key[-1] == "0" else "0")


def another_kit(*, selector: str) -> str:
    """Return a kit key with right check digits, which decrypts nothing."""
    digits = selector + "0" * 26
    number = 0
    for each in digits + "00":
        number = (number * 32 + KIT_DIGITS.index(each)) % 1021
    high, low = divmod((1022 - number) % 1021, 32)
    return "-".join(re.findall("....", digits + KIT_DIGITS[high] + KIT_DIGITS[low]))


def downloaded_kit(page: Page) -> str:
    if is_firefox(page.context.browser):  # Playwright sees no downloads of Firefox: what it prints is the same text
        return page.locator("[data-kit-print-text]").text_content() or ""
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    return Path(downloading.value.path()).read_text()


def register(visitor: Visitor, scene: LiveProject, *, passkey: bool = False) -> Registered:
    person = scene.invite()
    page = visitor.page
    page.goto(invitation_link(scene, person))
    expect(page.get_by_text(person.email).filter(visible=True)).to_have_count(1)
    page.get_by_label("Registration code").fill(person.registration_code)
    choose_password(page, CHOSEN)
    page.get_by_role("button", name="Add a passkey" if passkey else "Not now").click()
    kit_key, kit_file = keep_kit(page)
    page.get_by_role("button", name="Continue").filter(visible=True).click()
    page.wait_for_url("**/account/")  # signed in
    return Registered(person=person, kit_key=kit_key, kit_file=kit_file)


def sign_in_as(visitor: Visitor, resident: Resident, password: str) -> None:
    visitor.page.goto("/login/")
    present_code(visitor.page, ask_code(visitor.page, resident))
    enter_password(visitor.page, password)
    visitor.page.wait_for_url("**/account/")


def test_an_invited_person_registers_and_is_signed_in(visitor: Visitor, scene: LiveProject) -> None:
    """R-161."""
    made = register(visitor, scene)
    page = visitor.page
    expect(page.get_by_text(made.person.email).first).to_be_visible()
    assert len(scene.mails_to(made.person.email)) == 1
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/login/**")
    expect(page.get_by_role("textbox", name="Email address")).to_have_value(made.person.email)
    assert made.person.email not in page.url
    present_code(page, ask_code(page, Resident(scene=scene, person=made.person)))
    enter_password(page, CHOSEN)
    page.wait_for_url("**/account/")


def test_no_request_contains_the_password_or_the_kit(visitor: Visitor, scene: LiveProject) -> None:
    """R-27."""
    if is_firefox(visitor.page.context.browser):
        pytest.skip(NO_BODIES)
    made = register(visitor, scene)
    digits = re.sub(r"[\s-]", "", made.kit_key)
    everything = b"\n".join(f"{each.url} {each.headers} ".encode() + each.body for each in visitor.sent)
    for secret in (CHOSEN, made.kit_key, digits, digits[12:38]):
        assert secret.encode() not in everything
    assert b"PRIVATE KEY" not in everything
    (sent,) = [body_of(each) for each in visitor.sent if each.url.endswith("/auth/registration")]
    assert {each["credentialKind"] for each in sent.values()} == {"PasswordProtectedKey", "RecoveryKey"}
    for each in sent.values():
        assert each["encryptedPrivateKey"].startswith("-----BEGIN AGE ENCRYPTED FILE-----")
    opened = pyrage.passphrase.decrypt(sent["firstFactorCredential"]["encryptedPrivateKey"].encode(), CHOSEN)
    assert isinstance(load_pem_private_key(opened, password=None), ec.EllipticCurvePrivateKey)


def test_the_kit_file_contains_everything_needed(visitor: Visitor, scene: LiveProject) -> None:
    made = register(visitor, scene)
    assert made.kit_key in made.kit_file
    assert made.person.email in made.kit_file
    assert f"{scene.site.url}/recover/" in made.kit_file
    file = re.search(r"-----BEGIN AGE ENCRYPTED FILE-----.*-----END AGE ENCRYPTED FILE-----", made.kit_file, re.DOTALL)
    assert file is not None
    digits = re.sub(r"[\s-]", "", made.kit_key)
    opened = pyrage.passphrase.decrypt(file[0].encode(), digits[12:38])
    assert isinstance(load_pem_private_key(opened, password=None), ec.EllipticCurvePrivateKey)


def test_a_passkey_can_be_added_at_registration(visitor: Visitor, scene: LiveProject) -> None:
    visitor.page.add_init_script(WITHOUT_AUTOFILL)
    authenticator = Authenticator.plugged_into(visitor.page)
    register(visitor, scene, passkey=True)
    assert len(authenticator.passkeys()) == 1
    visitor.page.get_by_role("button", name="Sign out", exact=True).click()
    visitor.page.wait_for_url("**/login/**")
    visitor.page.get_by_role("button", name="Use a passkey").click()
    visitor.page.wait_for_url("**/account/")


def test_a_wrong_code_shows_an_error_and_keeps_what_was_typed(visitor: Visitor, scene: LiveProject) -> None:
    """The address in the link isn't asked for again, and can be changed (R-175)."""
    person = scene.invite()
    page = visitor.page
    page.goto(invitation_link(scene, person))
    field = page.get_by_label("Registration code")
    field.fill(WRONG)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value(WRONG)
    address = page.get_by_role("textbox", name="Email address")
    expect(page.get_by_text(person.email).filter(visible=True)).to_have_count(1)  # the link says who was invited
    expect(address).to_be_hidden()
    page.get_by_role("button", name="Change").click()
    expect(address).to_be_focused()
    expect(address).to_have_value(person.email)
    field.fill(person.registration_code)
    expect(page.get_by_label("New password", exact=True)).to_be_focused()


@pytest.mark.parametrize(
    ("password", "again", "told"),
    [("short", "short", "8 characters"), ("password", "password", "guess"), (CHOSEN, CHOSEN + "r", "don't match")],
)
def test_an_unacceptable_password_shows_an_error(
    visitor: Visitor, scene: LiveProject, password: str, again: str, told: str
) -> None:
    person = scene.invite()
    page = visitor.page
    page.goto(invitation_link(scene, person))
    page.get_by_label("Registration code").fill(person.registration_code)
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_label("Confirm new password").fill(again)
    page.get_by_role("button", name="Continue").filter(visible=True).click()
    expect(page.locator("[aria-invalid=true]")).to_have_count(1)
    error = page.locator("[aria-invalid=true]").get_attribute("aria-describedby")
    assert error is not None
    expect(page.locator(f"#{error.split()[-1]}")).to_contain_text(told)


def test_a_password_is_judged_at_once_and_better_once_all_words_are_there(visitor: Visitor, scene: LiveProject) -> None:
    """R-196. The verdict moves no button (R-231)."""
    held: list[Route] = []
    visitor.page.context.route("**/words*.json", lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    person, page = scene.invite(), visitor.page
    page.goto(invitation_link(scene, person))
    page.get_by_label("Registration code").fill(person.registration_code)
    field, verdict = page.get_by_label("New password", exact=True), page.locator("[data-strength]")
    button = page.get_by_role("button", name="Continue").filter(visible=True)
    field.fill(CHOSEN)
    before = button.bounding_box()
    expect(verdict).to_contain_text("strong")
    assert button.bounding_box() == before
    field.fill("password123")
    expect(verdict).to_contain_text("easy to guess")
    field.fill("quicksilver")
    expect(verdict).not_to_contain_text("easy to guess")
    held.pop().continue_()
    expect(verdict).to_contain_text("easy to guess")
    assert held == []
    page.get_by_role("button", name="Show").click()  # one button for both fields
    expect(page.locator("input[type=password]").filter(visible=True)).to_have_count(0)


def enter_kits(visitor: Visitor, made: Registered, file: Path) -> None:
    """Enter what can't be the kit, then the kits of others, then the file of the person's own kit."""
    page = visitor.page
    kit, error = page.get_by_label("Kit key", exact=True), page.locator("#kit-error")

    def presented() -> int:
        return len([each for each in visitor.sent if each.url.endswith("/recover/user/init")])

    expect(kit).to_be_focused()
    kit.fill(mistyped(made.kit_key).replace("-", "\n"))
    expect(kit).to_have_value(mistyped(made.kit_key))
    page.keyboard.press("Enter")
    expect(error).to_contain_text("typo")
    file.write_text("no kit")
    page.locator("#kit-file").set_input_files(file)
    expect(error).to_contain_text("kit.txt")
    assert presented() == 0

    kit.fill(another_kit(selector="0" * 12))
    expect(error).to_have_text(NO_NEW_CODE)
    kit.fill(another_kit(selector=made.kit_key.replace("-", "")[:12]))
    expect(error).to_be_hidden()
    expect(error).to_have_text(NO_NEW_CODE, timeout=60_000)
    assert presented() == 2

    file.write_text(made.kit_file)
    with page.expect_file_chooser() as choosing:
        page.get_by_role("button", name="Choose the kit file instead").click()
    choosing.value.set_files(file)
    page.get_by_label("New password", exact=True).wait_for(timeout=60_000)
    assert presented() == 2


def test_the_kit_and_an_emailed_code_set_a_new_password(visitor: Visitor, scene: LiveProject, tmp_path: Path) -> None:
    """A kit key that is pasted in lines is regrouped (R-175). No wrong kit takes a new code (R-230)."""
    made = register(visitor, scene)
    resident = Resident(scene=scene, person=made.person)
    page = visitor.page
    page.context.clear_cookies()
    page.goto("/recover/")
    present_code(page, ask_code(page, resident))
    enter_kits(visitor, made, tmp_path / "kit.txt")
    choose_password(page, CHOSEN_AFTERWARDS)
    page.get_by_role("button", name="Not now").click()
    new_kit, _ = keep_kit(page)
    assert new_kit != made.kit_key
    page.get_by_role("button", name="Continue").filter(visible=True).click()
    page.wait_for_url("**/account/")  # signed in
    page.context.clear_cookies()
    digits = re.sub(r"[\s-]", "", made.kit_key)
    assert not [each for each in visitor.sent if digits[12:38].encode() in each.body]

    # only the new password signs in
    page.goto("/login/")
    present_code(page, ask_code(page, resident))
    enter_password(page, CHOSEN)
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")
    enter_password(page, CHOSEN_AFTERWARDS)
    page.wait_for_url("**/account/")

    # the old kit no longer works
    page.goto("/recover/")
    code = ask_code(page, resident)
    present_code(page, WRONG)
    page.get_by_label("Kit key", exact=True).fill(made.kit_key)
    expect(page.get_by_label("Code", exact=True)).to_have_attribute("aria-invalid", "true")
    present_code(page, code)
    expect(page.locator("#kit-error")).to_have_text(NO_NEW_CODE)  # the kit is not asked for again


def test_what_a_code_released_is_not_used_for_another_person(visitor: Visitor, scene: LiveProject) -> None:
    """R-230. Otherwise, the kit would recover an account that the page does not name."""
    made, other = register(visitor, scene), Resident.register(scene)
    page = visitor.page
    kit, error = page.get_by_label("Kit key", exact=True), page.locator("#kit-error")
    page.context.clear_cookies()
    page.goto("/recover/")
    present_code(page, ask_code(page, Resident(scene=scene, person=made.person)))
    kit.fill(another_kit(selector=made.kit_key.replace("-", "")[:12]))
    expect(error).to_have_text(NO_NEW_CODE, timeout=60_000)  # the key was released

    before = other.mails()
    scene.post("/auth/recover/user/code", other.person.names)
    code = other.code(after=before)
    page.get_by_role("button", name="Change").filter(visible=True).click()
    page.get_by_role("textbox", name="Email address").fill(other.email)
    page.get_by_role("button", name="I already have a code").click()
    with page.expect_response("**/recover/user/init"):
        present_code(page, code)
    with page.expect_response("**/recover/user/init") as presented:
        kit.fill(made.kit_key)
    assert presented.value.status == 401
    expect(error).to_have_text(NO_NEW_CODE)


def test_the_registration_code_can_be_sent_again(visitor: Visitor, scene: LiveProject) -> None:
    person = scene.invite()
    page = visitor.page
    page.goto(invitation_link(scene, person))
    page.wait_for_timeout(2500)  # longer than the cooldown in these settings
    page.get_by_role("button", name=re.compile("Send again")).click()
    assert code_in(scene.mail_to(person.email, number=2)) == person.registration_code


def test_the_pages_work_in_a_base_template_without_a_language(visitor: Visitor, scene: LiveProject) -> None:
    """A project's own base template decides on `<html lang>`; the dates are in the language of the texts."""

    def without_lang(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=re.sub('<html lang="[^"]*"', "<html", response.text()))

    visitor.page.route(re.compile("/(register|account)/"), without_lang)
    made = register(visitor, scene)
    assert re.search(r"^Created on: [A-Z][a-z]+ \d{1,2}, \d{4}$", made.kit_file, re.MULTILINE)
    expect(visitor.page.locator("html:not([lang])")).to_have_count(1)
    expect(visitor.page.get_by_text("Added on")).to_have_count(1)


def test_an_error_that_no_step_expects_has_a_message(browser: Browser, scene: LiveProject) -> None:
    context = browser.new_context(base_url=scene.site.url)
    context.add_init_script("Intl.DateTimeFormat = () => { throw new RangeError('broken') }")
    page, person = context.new_page(), scene.invite()
    page.goto(invitation_link(scene, person))
    page.get_by_label("Registration code").fill(person.registration_code)
    choose_password(page, CHOSEN)
    message = page.get_by_text("Something went wrong in your browser.")
    page.evaluate("() => { setTimeout(() => Promise.reject(new Error('of a browser extension'))) }")
    page.get_by_role("button", name="Not now").wait_for()
    expect(message).to_have_count(0)
    page.get_by_role("button", name="Not now").click()
    expect(message).to_be_visible(timeout=60_000)
    context.close()
