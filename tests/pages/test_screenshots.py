"""The docs have a screenshot of every page, step, dialog, email, page of the admin and theme (R-191).

What there is comes from the URLconf, the pages themselves, the emails, the admin's models and `docs/themes`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import call_command
from django.test import RequestFactory
from playwright.sync_api import Browser, Page

from dfns_login.pages.error_pages import ERROR_PAGES, error_page
from dfns_login.pages.urls import urlpatterns
from tests.pages.test_lock import locking_link
from tests.support import page_walks
from tests.support.conformance.browser import Authenticator
from tests.support.live_project import INVITING, Invitee, LiveProject, code_in
from tests.support.page_steps import Resident
from tests.support.page_visitor import answering
from tests.support.screenshots import FOLDER, Album, font_script
from tests.support.shown_pages import ADMIN_PASSWORD, MAKE_ADMIN

EMAIL: Final = "jane@example.com"
OTHERS: Final = ["kim@example.com", "lea@example.com", "omar@example.com"]
ENTRANCES: Final = ("sign-in", "register", "recover")
LAPTOP: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/147.0.0.0 Safari/537.36"
)
PHONE: Final = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Mobile Safari/537.36"
)
VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 640}},
    "arabic": {"locale": "ar"},
}
NAMES: Final = "(parts) => parts.map((each) => each.dataset.step ?? each.dataset.dialog)"


BRANDS: Final = {"bank": "Northbank", "dark": "Nightly", "public-body": "City of Lindale", "startup": "Orbit"}
"""Themes with their names. Their marks are the project's icon in their own colors."""
REBRAND: Final = """async (name) => {
  const brand = getComputedStyle(document.documentElement).getPropertyValue('--dfns-brand')
  const icon = document.querySelector('.dfns-brand img')
  const svg = (await (await fetch(icon.src)).text()).replace('#2f5d50', brand)
  icon.src = `data:image/svg+xml,${encodeURIComponent(svg)}`
  icon.nextSibling.textContent = name
  document.querySelector('h1').textContent = `Sign in to ${name}`
  const footer = document.querySelector('footer').lastChild
  footer.textContent = footer.textContent.replace('Example', name)
  await icon.decode()
}"""

ADDRESSES: Final = "(links) => links.map((each) => each.getAttribute('href'))"


@pytest.fixture
def album(browser: Browser) -> Iterator[Album]:
    album = Album(browser)
    yield album
    album.close()


def test_the_docs_show_every_page(
    album: Album, browser: Browser, scene: LiveProject, tmp_path: Path, settings: Any
) -> None:
    """R-191."""
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "RELYING_PARTY_NAME": "Example"}  # for what is rendered here
    with opened(browser, scene) as page:
        take_errors(page, album)
        show(page, "/", album, "project.home")
    with opened(browser, scene, viewport={"width": 760, "height": 640}) as page:
        take_themes(page, album)
    for look, options in VARIANTS.items():
        with opened(browser, scene, **options) as page:
            for name in ENTRANCES:
                show(page, path(name), album, f"{name}.{look}")
    resident = invite(scene)
    take_walks(browser, album, resident)
    with opened(browser, scene) as page:
        take_lock(page, album, locking_link(scene, resident))
    pages = {str(each.name) for each in urlpatterns if scene.http.get(path(str(each.name))).status_code != 405}
    assert pages - {name.partition(".")[0] for name in album.names} == set()
    take_emails(browser, album, tmp_path)
    with opened(browser, scene, viewport={"width": 1320, "height": 700}) as page:
        take_admin(page, album, scene)
    album.compare()


def take_walks(browser: Browser, album: Album, resident: Resident) -> None:
    """Every step and dialog, as somebody comes to it who registers, signs in and recovers the account."""

    def on(page: Page, name: str) -> page_walks.Walk:
        return page_walks.Walk(page=page, resident=resident, look=lambda step: album.take_once(page, f"{name}.{step}"))

    scene = resident.scene
    with opened(browser, scene) as page:
        code = page_walks.register_too_slowly(on(page, "register"))
    with opened(browser, scene) as page:
        Authenticator.plugged_into(page)
        kit = page_walks.register(on(page, "register"), code)
    with opened(browser, scene) as page:
        page_walks.sign_in_too_slowly(on(page, "sign-in"))
    with opened(browser, scene) as page:
        code = page_walks.recover_too_slowly(on(page, "recover"), kit)
    with opened(browser, scene, user_agent=LAPTOP) as page, opened(browser, scene, user_agent=PHONE) as phone:
        authenticator = Authenticator.plugged_into(page)
        page_walks.recover(on(page, "recover"), kit, code)
        page_walks.sign_in(on(phone, "sign-in"), page_walks.NEW_PASSWORD)
        take_account(page, album)
        page_walks.open_dialogs(on(page, "account"))
        expected = {f"account.{each}" for each in page.locator("dialog[data-dialog]").evaluate_all(NAMES)}
        page_walks.use_the_passkey(on(page, "account"))
        page_walks.add_a_required_passkey(on(page, "sign-in"), authenticator)
        page_walks.sign_in_without_a_password(on(page, "sign-in"))
        for name in ENTRANCES:
            page.goto(path(name))
            expected |= {f"{name}.{each}" for each in page.locator("[data-step]").evaluate_all(NAMES)}
    assert expected - album.names == set()


def invite(scene: LiveProject) -> Resident:
    inviting = INVITING.format(emails=[*OTHERS, EMAIL], organization=scene.organization)
    scene.site.manage("shell", "--command", inviting)
    code = code_in(scene.mail_to(EMAIL))
    return Resident(scene=scene, person=Invitee(email=EMAIL, organization=scene.organization, registration_code=code))


@contextmanager
def opened(browser: Browser, scene: LiveProject, **options: Any) -> Iterator[Page]:
    defaults = {"base_url": scene.site.url, "reduced_motion": "reduce", "viewport": {"width": 560, "height": 640}}
    with browser.new_context(**(defaults | options)) as context:
        context.add_init_script(font_script())
        yield context.new_page()


def path(name: str) -> str:
    return "/" + next(str(each.pattern) for each in urlpatterns if each.name == name)


def show(page: Page, address: str, album: Album, name: str) -> None:
    page.goto(address)
    ready(page)
    album.take(page, name)


def ready(page: Page) -> None:
    page.wait_for_function("document.querySelector('button:disabled') === null")


def take_account(page: Page, album: Album) -> None:
    page.set_viewport_size({"width": 800, "height": 700})
    for name in ("account", "secure"):
        page.goto(path(name))
        page.locator("[data-credentials] [data-do]").filter(visible=True).first.wait_for()
        if name == "account":
            page.locator("[data-activity] [data-name]").first.wait_for()
        album.take(page, name)
    page.set_viewport_size({"width": 560, "height": 640})
    page.goto(path("account"))


def take_lock(page: Page, album: Album, link: str) -> None:
    show(page, link, album, "lock.confirm")
    page.locator("form button").click()
    page.locator("time").wait_for()
    album.take(page, "lock.locked")
    show(page, link, album, "lock.no-link")


def take_errors(page: Page, album: Album) -> None:
    for name in ERROR_PAGES:
        html = error_page(RequestFactory().get("/"), name).content.decode()
        with answering(page, "**/an-error/", body=html, content_type="text/html"):
            show(page, "/an-error/", album, f"error.{name.replace('_', '-')}")


def take_themes(page: Page, album: Album) -> None:
    for theme in sorted((FOLDER.parent / "themes").glob("*.css")):
        with answering(page, "**/login*.css", path=theme, content_type="text/css"):
            page.goto(path("sign-in"))
            ready(page)
            page.evaluate(REBRAND, BRANDS[theme.stem])
            album.take(page, f"theme.{theme.stem}", quality=0.8)  # fine patterns


def take_emails(browser: Browser, album: Album, folder: Path) -> None:
    call_command("dfns", "preview-emails", "--to", str(folder))
    page = browser.new_page(viewport={"width": 480, "height": 400})
    page.add_init_script(font_script())
    page.goto("about:blank")
    for email in sorted(folder.glob("*.html")):
        if email.stem != "index":
            page.set_content(email.read_text().replace("system-ui", "Inter"))
            album.take(page, f"email.{email.stem.replace('_', '-')}")
    page.close()


def take_admin(page: Page, album: Album, scene: LiveProject) -> None:
    """The start pages, and each model's list, its first row, and its form if rows can be added."""
    scene.site.manage("shell", "--no-imports", "-c", MAKE_ADMIN.format(password=ADMIN_PASSWORD))
    show_admin(page, album, "/admin/login/", "admin.login")
    page.locator("#id_username").fill("root")
    page.locator("#id_password").fill(ADMIN_PASSWORD)
    page.locator("[type=submit]").click()
    show_admin(page, album, "/admin/", "admin.index")
    show_admin(page, album, "/admin/dfns_login/", "admin.app")
    for address in page.locator("#content th a[href*='/admin/dfns_login/']").evaluate_all(ADDRESSES):
        model = address.split("/")[3]
        show_admin(page, album, address, f"admin.{model}.list")
        adds = page.locator("#content .addlink").count()
        row = page.locator("#result_list th a").first.get_attribute("href")
        show_admin(page, album, str(row), f"admin.{model}.row")
        if adds:
            show_admin(page, album, f"{address}add/", f"admin.{model}.add")


def show_admin(page: Page, album: Album, address: str, name: str) -> None:
    response = page.goto(address)
    assert response is not None
    assert response.ok, address
    album.take(page, name)
