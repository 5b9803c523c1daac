"""A reload, a tab that was discarded, and Back resume where the person was (R-160)."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages.test_looks import show
from tests.support.live_project import LiveProject
from tests.support.page_steps import PASSWORD, Resident, ask_code, enter_password, newest_mail, present_code
from tests.support.page_visitor import Visitor, visiting


@pytest.fixture
def visitor(browser: Browser, scene: LiveProject) -> Iterator[Visitor]:
    with visiting(browser, url=scene.site.url) as visitor:
        yield visitor


def new_code(page: Page, resident: Resident) -> str:
    """Ask for a new code with the one click that a reload costs."""
    resident.wait_for_cooldown()
    before = resident.mails()
    page.get_by_role("button", name="Email me a new code").click()
    return resident.code(after=before)


def test_signing_in_resumes_at_every_step(visitor: Visitor, scene: LiveProject) -> None:
    page, resident = visitor.page, Resident.register(scene)
    code_field = page.get_by_label("Code", exact=True)
    page.goto("/login/")
    page.get_by_role("textbox", name="Email address").press_sequentially(resident.email)
    page.keyboard.press("Tab")
    page.reload()
    expect(page.get_by_role("textbox", name="Email address")).to_have_value(resident.email)
    code = ask_code(page, resident)
    page.reload()
    expect(code_field).to_be_focused()
    expect(page.get_by_text(resident.email).filter(visible=True)).to_have_count(1)
    expect(page.get_by_text("It expires in 10 minutes.")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("textbox", name="Email address")).to_have_value(resident.email)
    page.reload()
    page.go_forward()
    present_code(page, code)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    kept = json.dumps([visitor.stored(), page.evaluate("history.state")])
    assert resident.email in kept
    assert code not in kept
    assert code.replace("-", "") not in kept
    assert PASSWORD not in kept
    page.reload()
    expect(page.get_by_text("each code works once").filter(visible=True)).to_contain_text(resident.email)
    show(visitor, "sign-in-7-resumed")
    present_code(page, new_code(page, resident))
    enter_password(page, PASSWORD)
    page.wait_for_url("**/account/")
    assert visitor.stored()["session"] == {}


def test_registering_resumes_at_every_step(visitor: Visitor, scene: LiveProject) -> None:
    """Each step has its heading and title (R-175)."""
    page, person = visitor.page, scene.invite()
    resident = Resident(scene=scene, person=person)
    link = re.search(r"http\S+/register/\S+", newest_mail(scene, person.email, after=0))
    assert link is not None
    page.on("dialog", lambda dialog: dialog.accept())  # the browser warns that the kit is not saved
    page.goto(link[0])
    present_code(page, person.registration_code, label="Registration code")
    page.get_by_label("New password", exact=True).wait_for()
    page.reload()
    present_code(page, new_code(page, resident), label="Registration code")
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm new password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Not now").click()
    page.get_by_role("heading", name="Your kit key").wait_for(timeout=60_000)
    expect(page.get_by_role("heading", level=1, name="Save your recovery kit")).to_be_focused()
    expect(page.get_by_text("Already registered?")).to_be_hidden()
    expect(page).to_have_title(re.compile("^Save your recovery kit · "))
    page.reload()
    expect(page.get_by_role("heading", level=1, name="You're registered")).to_be_focused()
    expect(page.get_by_text("Your recovery kit can't be shown again.")).to_be_visible()
    show(visitor, "register-7-done")
    page.get_by_role("button", name="Continue").filter(visible=True).click()
    page.wait_for_url("**/account/")  # signed in before the kit was shown


def test_recovering_resumes_with_the_code_step(visitor: Visitor, scene: LiveProject) -> None:
    """The code is not kept, and not used up before the kit is entered (R-230)."""
    page, resident = visitor.page, Resident.register(scene)
    code_field, kit = page.get_by_label("Code", exact=True), page.get_by_label("Kit key", exact=True)
    page.goto("/recover/")
    code = ask_code(page, resident)
    page.reload()
    expect(code_field).to_be_focused()
    expect(page.get_by_text(resident.email).filter(visible=True)).to_have_count(1)
    present_code(page, code)
    expect(kit).to_be_focused()
    kept = json.dumps([visitor.stored(), page.evaluate("history.state")])
    assert code not in kept
    page.go_back()
    expect(code_field).to_have_value(code)
    page.go_forward()
    expect(kit).to_be_focused()
    page.reload()
    expect(code_field).to_be_focused()
    expect(code_field).to_have_value("")
