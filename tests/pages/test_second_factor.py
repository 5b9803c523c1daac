"""Pages of an organization that requires a passkey as well as the password, among several organizations."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.conformance.browser import Authenticator
from tests.support.live_project import LiveProject, live_project, operate
from tests.support.page_steps import Resident, ask_code, enter_password, newest_mail, present_code
from tests.support.page_visitor import Visitor, body_of, visiting

PASSWORD = "quatre baleines sous la pluie"
REQUIRE = "from dfns_login.models import Organization; Organization.objects.update(second_factor='required')"


@pytest.fixture(scope="module")
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveProject]:
    folder = tmp_path_factory.mktemp("strict")
    with live_project(request, folder, name="strict", settings="tests.support.pages_settings") as scene:
        operate(scene.site, "organization", "create", "Another")
        scene.site.manage("shell", "-c", REQUIRE)
        yield scene


@pytest.fixture
def visitor(browser: Browser, scene: LiveProject) -> Iterator[Visitor]:
    with visiting(browser, url=scene.site.url) as visitor:
        yield visitor


def test_a_required_passkey_is_requested_at_registration_sign_in_and_for_changes(
    visitor: Visitor, scene: LiveProject
) -> None:
    page, person = visitor.page, scene.invite()
    authenticator = Authenticator.plugged_into(page)
    link = re.search(r"http\S+/register/\S+", newest_mail(scene, person.email, after=0))
    assert link is not None
    page.goto(link[0])
    page.get_by_label("Registration code").fill(person.registration_code)
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm new password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").filter(visible=True).click()
    page.get_by_role("button", name="Not now").click()  # the server refuses only later
    expect(page.get_by_text("Your organization requires a passkey.").first).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_label("I've saved my recovery kit in a safe place").check(timeout=60_000)
    authenticator.verify_user(verified=False)
    expect(page.get_by_text("Already registered?")).to_be_hidden()
    page.get_by_role("button", name="Continue").filter(visible=True).click()
    expect(page.get_by_text("Already registered?")).to_be_visible(timeout=30_000)  # a way on without the passkey
    authenticator.verify_user(verified=True)
    page.get_by_role("button", name="Continue").filter(visible=True).click()
    page.wait_for_url("**/account/")  # signed in with one more tap
    page.context.clear_cookies()

    page.goto(f"/login/?organization={scene.organization}#{person.email}")
    expect(page.get_by_label("Organization ID")).to_be_hidden()
    present_code(page, ask_code(page, Resident(scene=scene, person=person)))
    enter_password(page, PASSWORD)
    page.wait_for_url("**/account/")  # the passkey was requested after the password
    for signed in [body_of(each) for each in visitor.sent if each.url.endswith("/login/complete")]:
        assert (signed["firstFactor"]["kind"], signed["secondFactor"]["kind"]) == ("PasswordProtectedKey", "Fido2")

    page.get_by_role("button", name="Rename").first.click()
    dialog = page.get_by_role("dialog", name="Rename")
    dialog.get_by_label("New name").fill("Mine")
    dialog.get_by_role("button", name="Rename").click()
    confirm = page.get_by_role("dialog", name=re.compile("^Confirm it's you to rename ."))
    confirm.get_by_label("Password", exact=True).fill(PASSWORD)
    confirm.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Mine", exact=True)).to_be_visible(timeout=30_000)


def test_with_several_organizations_the_page_asks_for_the_id(visitor: Visitor, scene: LiveProject) -> None:
    page = visitor.page
    page.goto("/login/")
    page.get_by_role("textbox", name="Email address").fill("nobody@example.co")
    page.get_by_role("button", name="Email me a code").click()
    expect(page.get_by_label("Organization ID")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Organization ID").fill(scene.organization)
    page.get_by_role("button", name="Email me a code").click()
    expect(page.get_by_label("Code", exact=True)).to_be_visible()
