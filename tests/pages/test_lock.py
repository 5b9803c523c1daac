"""The page that locks an account, in a browser: from the email to the account that unlocks again (R-130)."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.pages.test_looks import LOOKS, show
from tests.support.live_project import LiveProject
from tests.support.page_steps import PASSWORD, Resident, ask_code, newest_mail, present_code, sign_in
from tests.support.page_visitor import Visitor, visiting

LINK = re.compile(r"http\S+/lock/\?token=\S+")


@pytest.fixture(params=LOOKS)
def visitor(request: pytest.FixtureRequest, browser: Browser, scene: LiveProject) -> Iterator[Visitor]:
    options = LOOKS[request.param]
    with visiting(browser, url=scene.site.url, look=request.param, **options) as visitor:
        yield visitor


def link_in(text: str) -> str:
    found = LINK.search(text)
    assert found is not None, text
    return found[0]


def change_password(visitor: Visitor, resident: Resident) -> str:
    """Change the password on the account page, and return the link in the notice."""
    page, before = visitor.page, resident.mails()
    page.locator("[data-credentials] [data-do=password]").first.click()
    dialog = page.locator("[data-dialog=password]")
    dialog.locator("input[type=password]").first.fill(PASSWORD)
    for field in ("new-password", "new-password-again"):
        dialog.locator(f"#{field}").fill("another rather long one")
    dialog.locator("[type=submit]").click()
    expect(dialog).to_be_hidden(timeout=60_000)
    return link_in(newest_mail(resident.scene, resident.email, after=before))


def test_looks(visitor: Visitor, scene: LiveProject) -> None:
    """The page needs no session: the email may be opened on another device."""
    resident = Resident.register(scene)
    link = locking_link(scene, resident)
    page = visitor.page
    page.goto(link)
    show(visitor, "lock-1-confirm")
    page.locator("form button").click()
    expect(page.locator("time")).to_be_visible()
    show(visitor, "lock-2-locked")
    page.goto(link)
    expect(page.locator("form")).to_have_count(0)
    show(visitor, "lock-3-spent")


def locking_link(scene: LiveProject, resident: Resident) -> str:
    """Have a notice sent by an operator's act, and return its link."""
    before = resident.mails()
    telling = f"""
from django.utils import timezone
from dfns_login.audit import record_event
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.models import Account, AuditKind
from dfns_login.requester import Requester
notify_owner(record_event(AuditKind.CREDENTIAL_ACTIVATED, account=Account.objects.get(email="{resident.email}"),
    requester=Requester(address="198.51.100.7"), now=timezone.now()))
"""
    scene.site.manage("shell", "--command", telling)
    return link_in(newest_mail(scene, resident.email, after=before))


def test_from_the_email_to_the_locked_account(browser: Browser, scene: LiveProject) -> None:
    resident = Resident.register(scene)
    with visiting(browser, url=scene.site.url) as visitor, visiting(browser, url=scene.site.url) as elsewhere:
        sign_in(visitor, resident)
        link = change_password(visitor, resident)
        for method in ("GET", "HEAD", "GET"):  # as link scanners do
            assert httpx.request(method, link).status_code == 200
        visitor.page.reload()
        expect(visitor.page).to_have_url(re.compile("/account/$"))
        elsewhere.page.goto(link)
        elsewhere.page.get_by_role("button", name="Lock my account").click()
        expect(elsewhere.page.get_by_role("heading", name="Your account is locked")).to_be_visible()
        visitor.page.reload()
        expect(visitor.page).to_have_url(re.compile("/login/"))
        present_code(visitor.page, ask_code(visitor.page, resident))
        expect(visitor.page.locator("[data-alert]")).to_have_text(re.compile(r"\S"))
        visitor.show("lock-4-sign-in")


def test_without_javascript(browser: Browser, scene: LiveProject) -> None:
    resident = Resident.register(scene)
    with visiting(browser, url=scene.site.url, look="no-script", java_script_enabled=False) as visitor:
        visitor.page.goto(locking_link(scene, resident))
        visitor.page.get_by_role("button", name="Lock my account").click()
        expect(visitor.page.get_by_role("heading", name="Your account is locked")).to_be_visible()
