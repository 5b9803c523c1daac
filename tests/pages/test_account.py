"""The account page in a real Chromium: passkeys, names, password, recovery kit, sessions and signing out."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.conformance.browser import Authenticator
from tests.support.live_project import LiveProject, wait_for
from tests.support.page_steps import (
    PASSWORD,
    WITHOUT_AUTOFILL,
    Resident,
    ask_code,
    enter_password,
    present_code,
    sign_in,
)
from tests.support.page_visitor import Visitor, visiting

CHANGED = "new moon over the old harbour"


@pytest.fixture
def resident(scene: LiveProject) -> Resident:
    return Resident.register(scene)


@pytest.fixture
def visitor(browser: Browser, scene: LiveProject, resident: Resident) -> Iterator[Visitor]:
    """A visitor signed in as the resident."""
    with visiting(browser, url=scene.site.url) as visitor:
        sign_in(visitor, resident)
        yield visitor


def section(page: Page, heading: str) -> Locator:
    return page.get_by_role("region", name=heading)


def rows(page: Page, heading: str) -> Locator:
    return section(page, heading).get_by_role("listitem")


def confirm(page: Page, to: str, *, password: str = PASSWORD) -> None:
    dialog = page.get_by_role("dialog", name=f"Confirm it's you to {to}")
    dialog.get_by_label("Password", exact=True).fill(password)
    dialog.get_by_role("button", name="Confirm").click()


def test_the_page_shows_credentials_sessions_and_activity(visitor: Visitor, resident: Resident) -> None:
    page = visitor.page
    expect(rows(page, "How you sign in")).to_have_count(1)
    expect(rows(page, "Where you're signed in")).to_have_count(1)
    expect(rows(page, "Where you're signed in")).to_contain_text("This device")
    activity = section(page, "Recent activity")
    expect(rows(page, "Recent activity").first).to_contain_text("Signed in with your password")
    activity.get_by_role("button", name="Changes").click()
    expect(rows(page, "Recent activity").first).to_contain_text("You registered")
    expect(activity).not_to_contain_text("Signed in with")
    expect(section(page, "Recovery kit")).to_contain_text("You don't have a recovery kit")
    expect(page.get_by_text(resident.email).first).to_be_visible()


def add_passkey(page: Page) -> Authenticator:
    page.add_init_script(WITHOUT_AUTOFILL)
    authenticator = Authenticator.plugged_into(page)
    section(page, "How you sign in").get_by_role("button", name="Add a passkey").click()
    confirm(page, "add a passkey")
    expect(rows(page, "How you sign in")).to_have_count(2, timeout=30_000)
    return authenticator


def test_renaming_a_credential_needs_the_password(visitor: Visitor) -> None:
    page = visitor.page
    password, passkey = (rows(page, "How you sign in").nth(number) for number in (0, 1))
    expect(password.get_by_role("button", name="Change password")).to_be_visible()
    for action in ("Rename", "Deactivate"):  # it is the only one
        expect(password.get_by_role("button", name=action)).to_be_hidden()
    add_passkey(page)
    page.reload()
    for number, name in enumerate(["My laptop", "<b>Bold</b>"]):
        passkey.get_by_role("button", name="Rename").click()
        dialog = page.get_by_role("dialog", name="Rename passkey")
        dialog.get_by_label("New name").fill(name)
        dialog.get_by_role("button", name="Rename").click()
        if number == 0:
            confirm(page, "rename ", password="not it")
            field = page.get_by_role("dialog", name="Confirm").get_by_label("Password", exact=True)
            expect(field).to_have_attribute("aria-invalid", "true", timeout=30_000)
            visitor.show("account-confirm")
            page.keyboard.type(PASSWORD)  # replaces the wrong one
            page.keyboard.press("Enter")
        expect(passkey.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=30_000)
    page.reload()
    expect(passkey).to_contain_text("<b>Bold</b>")
    expect(section(page, "Recent activity").get_by_role("heading", name="today")).to_be_visible()
    named = "Passkey “<b>Bold</b>” "
    expect(rows(page, "Recent activity")).to_contain_text([f"{named}renamed", f"{named}renamed", f"{named}added"])


def test_after_a_password_change_only_the_new_password_signs_in(
    visitor: Visitor, browser: Browser, scene: LiveProject, resident: Resident
) -> None:
    page = visitor.page
    with visiting(browser, url=scene.site.url) as elsewhere:
        sign_in(elsewhere, resident)
        rows(page, "How you sign in").first.get_by_role("button", name="Change password").click()
        dialog = page.get_by_role("dialog", name="Change password")
        dialog.get_by_label("Current password").fill("not it")
        dialog.get_by_label("New password", exact=True).fill(CHANGED)
        dialog.get_by_label("Confirm new password").fill(CHANGED)
        dialog.get_by_role("button", name="Change password").click()
        expect(dialog.get_by_label("Current password")).to_have_attribute("aria-invalid", "true")
        expect(dialog.get_by_label("New password", exact=True)).to_have_value(CHANGED)
        dialog.get_by_label("Current password").fill(PASSWORD)
        dialog.get_by_role("button", name="Change password").click()
        expect(dialog).to_be_hidden(timeout=30_000)
        expect(page.get_by_text("Your password is changed.")).to_be_visible()
        everything = b"".join(each.body for each in visitor.sent)
        assert CHANGED.encode() not in everything
        assert PASSWORD.encode() not in everything
        elsewhere.page.reload()  # every other session has ended
        elsewhere.page.wait_for_url("**/login/**")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/login/**")
    present_code(page, ask_code(page, resident))
    enter_password(page, PASSWORD)
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")
    enter_password(page, CHANGED)
    page.wait_for_url("**/account/")
    wait_for(
        lambda: any("Your password was changed" in mail.text for mail in scene.mails_to(resident.email)),
        what=lambda: "email about the new password",
    )


def test_another_session_can_be_ended(
    visitor: Visitor, browser: Browser, scene: LiveProject, resident: Resident
) -> None:
    page = visitor.page
    with visiting(browser, url=scene.site.url) as elsewhere:
        sign_in(elsewhere, resident)
        page.reload()
        expect(rows(page, "Where you're signed in")).to_have_count(2)
        section(page, "Where you're signed in").get_by_role(
            "button", name="End session"
        ).click()  # the current session has no such button
        expect(rows(page, "Where you're signed in")).to_have_count(1)
        expect(rows(page, "Recent activity").first).to_contain_text(re.compile("Signed out: (Chrome|Firefox) on Linux"))
        elsewhere.page.goto("/account/")
        elsewhere.page.wait_for_url("**/login/**")
    page.reload()
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()


def test_an_account_is_secured_part_by_part(
    visitor: Visitor, browser: Browser, scene: LiveProject, resident: Resident
) -> None:
    """R-184."""
    page = visitor.page
    with visiting(browser, url=scene.site.url) as elsewhere:
        sign_in(elsewhere, resident)
        page.get_by_role("link", name="Secure your account", exact=True).first.click()
        page.wait_for_url("**/account/secure/")
        expect(page.get_by_text(f"{resident.email} · ")).to_be_visible()
        page.get_by_role("button", name="Sign out everywhere else").click()
        expect(section(page, "1. Sign out everywhere else").get_by_text("Done")).to_be_visible()
        elsewhere.page.goto("/account/")
        elsewhere.page.wait_for_url("**/login/**")
    page.bring_to_front()
    section(page, "2. Choose a new password").get_by_role("button", name="Change password").click()
    dialog = page.get_by_role("dialog", name="Change password")
    dialog.get_by_label("Current password").fill(PASSWORD)
    dialog.get_by_label("New password", exact=True).fill(CHANGED)
    dialog.get_by_label("Confirm new password").fill(CHANGED)
    dialog.get_by_role("button", name="Change password").click()
    expect(section(page, "2. Choose a new password").get_by_text("Done")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("heading", name="3. Review how you sign in")).to_be_focused()
    page.get_by_role("button", name="All of these are mine").click()
    page.reload()
    expect(section(page, "3. Review how you sign in").get_by_text("Done")).to_be_visible()  # a reload keeps it
    page.get_by_role("button", name="Create a recovery kit").click()
    confirm(page, "create a recovery kit", password=CHANGED)
    kit = page.get_by_role("dialog", name="Your new recovery kit")
    kit.get_by_label("I've saved my recovery kit in a safe place").check(timeout=60_000)
    kit.get_by_role("button", name="Done").click()
    expect(page.get_by_role("heading", name="You're done")).to_be_focused()
    visitor.show("account-secured")


def test_a_passkey_can_be_added_used_and_deactivated(visitor: Visitor) -> None:
    page = visitor.page
    assert len(add_passkey(page).passkeys()) == 1
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/login/**")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/account/")
    password = rows(page, "How you sign in").filter(has_text="Password").first
    password.get_by_role("button", name="Deactivate").click()
    page.get_by_role("dialog", name="Deactivate").get_by_role("button", name="Deactivate").click()
    expect(rows(page, "How you sign in")).to_have_count(1)  # the passkey signed the change
    expect(rows(page, "How you sign in").get_by_role("button", name="Rename")).to_be_visible()
    expect(rows(page, "How you sign in").get_by_role("button", name="Deactivate")).to_be_hidden()  # the last one


def test_a_new_recovery_kit_can_be_created(visitor: Visitor) -> None:
    page = visitor.page
    section(page, "Recovery kit").get_by_role("button", name="Create a recovery kit").click()
    confirm(page, "create a recovery kit")
    dialog = page.get_by_role("dialog", name="Your new recovery kit")
    dialog.get_by_label("I've saved my recovery kit in a safe place").check(timeout=60_000)
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_be_hidden()
    expect(section(page, "Recovery kit")).to_contain_text("Active since")
    expect(section(page, "Recovery kit").get_by_role("button", name="Replace recovery kit")).to_be_visible()


def test_signing_out_leaves_nothing_behind(visitor: Visitor, resident: Resident) -> None:
    page = visitor.page
    add_passkey(page)
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/login/**")
    assert visitor.stored() == {"local": {}, "session": {}, "databases": [], "caches": []}
    names = {each["name"] for each in page.context.cookies() if each["value"]}
    assert names == {"__Host-csrftoken", "dfns-device", "dfns-organizations"}
    assert len(page.context.pages) == 1
    assert page.workers == []
    page.go_back()
    page.wait_for_url("**/login/**")  # the browser did not restore the account page


def test_an_ended_session_leads_to_the_sign_in_page_and_back(visitor: Visitor) -> None:
    page = visitor.page
    page.context.clear_cookies(name="__Host-sessionid")
    section(page, "How you sign in").get_by_role("button", name="Add a passkey").click()
    page.wait_for_url("**/login/*next=%2Faccount%2F*")
