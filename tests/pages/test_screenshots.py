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
from tests.support.account_journey import sign_in_on_the_page
from tests.support.authenticators import SoftwareKey
from tests.support.live_project import LiveProject
from tests.support.page_steps import Resident
from tests.support.screenshots import FOLDER, Album
from tests.support.shown_pages import ADMIN_PASSWORD, MAKE_ADMIN

AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36"
VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 640}},
    "arabic": {"locale": "ar"},
}
STEPS: Final = "[...document.querySelectorAll('[data-step]')].map((each) => each.dataset.step)"
DIALOGS: Final = "[...document.querySelectorAll('dialog[data-dialog]')].map((each) => each.dataset.dialog)"
FILL: Final = """() => {
  const filled = {
    '[data-username]:not([data-account])': 'jane@example.com', '[data-clock]': '9:41',
    '#deactivate-heading': 'Deactivate “My laptop”?',
    '[data-kit-key]': 'ABCD-EFGH-JKMN-PQRS-TVWX-YZ01-2345-6789-ABCD-EFGH',
  }
  for (const [selector, text] of Object.entries(filled)) {
    for (const place of document.querySelectorAll(selector)) place.textContent = text
  }
}"""
SHOW_STEP: Final = """(name) => {
  const steps = [...document.querySelectorAll('[data-step]')]
  const names = steps.map((each) => each.dataset.step)
  for (const step of steps) {
    step.hidden = step.dataset.step !== name
    if (!step.hidden && step.dataset.heading) document.querySelector('h1').textContent = step.dataset.heading
  }
  for (const answer of document.querySelectorAll('[data-answer]')) {
    answer.hidden = names.indexOf(answer.dataset.answer) >= names.indexOf(name)
  }
}"""
OPEN_DIALOG: Final = """(name) => {
  document.querySelector('dialog[open]')?.close()
  document.querySelector(`dialog[data-dialog=${name}]`).showModal()
  document.activeElement.blur()
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
    scene.http.headers["User-Agent"] = AGENT
    resident, key = Resident(scene=scene, person=scene.invite()), SoftwareKey.with_age_envelope()
    scene.register(resident.person, key)
    scene.post("/auth/login/code", resident.person.names)
    cookies = sign_in_on_the_page(scene, resident.person, key, code=resident.code(after=1))
    with opened(browser, scene) as page:
        for name in ("sign-in", "register", "recover"):
            take_steps(page, album, name)
        take_errors(page, album, scene)
        take_themes(page, album)
        show(page, "/", album, "project.home")
    for look, options in VARIANTS.items():
        with opened(browser, scene, **options) as page:
            for name in ("sign-in", "register", "recover"):
                show(page, path(name), album, f"{name}.{look}")
    with opened(browser, scene, viewport={"width": 800, "height": 700}) as page:
        site = {"url": scene.site.url.replace("http:", "https:"), "secure": True}
        page.context.add_cookies([{"name": name, "value": value, **site} for name, value in cookies.items()])  # type: ignore[typeddict-item]
        take_account(page, album)
        show(page, path("secure"), album, "secure")
    with opened(browser, scene) as page:
        take_lock(page, album, locking_link(scene, resident))
    pages = {str(each.name) for each in urlpatterns if scene.http.get(path(str(each.name))).status_code != 405}
    assert pages - {name.partition(".")[0] for name in album.names} == set()
    take_emails(browser, album, tmp_path)
    with opened(browser, scene, viewport={"width": 1200, "height": 700}) as page:
        take_admin(page, album, scene)
    album.compare()


@contextmanager
def opened(browser: Browser, scene: LiveProject, **options: Any) -> Iterator[Page]:
    defaults = {"base_url": scene.site.url, "reduced_motion": "reduce", "viewport": {"width": 560, "height": 640}}
    with browser.new_context(**(defaults | options)) as context:
        yield context.new_page()


@contextmanager
def answering(page: Page, addresses: str, **answer: Any) -> Iterator[None]:
    """Answer requests for these addresses in place of the site."""
    page.route(addresses, lambda route: route.fulfill(**answer))
    yield
    page.unroute(addresses)


def path(name: str) -> str:
    return "/" + next(str(each.pattern) for each in urlpatterns if each.name == name)


def show(page: Page, address: str, album: Album, name: str) -> None:
    page.goto(address)
    ready(page)
    album.take(page, name)


def ready(page: Page) -> None:
    page.wait_for_function("document.querySelector('button:disabled') === null")


def take_steps(page: Page, album: Album, name: str) -> None:
    page.goto(path(name))
    ready(page)
    page.evaluate(FILL)
    for step in page.evaluate(STEPS):
        page.evaluate(SHOW_STEP, step)
        album.take(page, f"{name}.{step}")


def take_account(page: Page, album: Album) -> None:
    page.goto(path("account"))
    page.locator("[data-credentials] [data-do]").filter(visible=True).first.wait_for()
    page.locator("[data-activity] [data-name]").first.wait_for()
    album.take(page, "account")
    page.set_viewport_size({"width": 560, "height": 600})
    page.evaluate(FILL)
    for name in page.evaluate(DIALOGS):
        page.evaluate(OPEN_DIALOG, name)
        album.take(page, f"account.{name}")


def take_lock(page: Page, album: Album, link: str) -> None:
    show(page, link, album, "lock.confirm")
    page.locator("form button").click()
    page.locator("time").wait_for()
    album.take(page, "lock.locked")
    show(page, link, album, "lock.no-link")


def take_errors(page: Page, album: Album, scene: LiveProject) -> None:
    for name in ERROR_PAGES:
        html = error_page(RequestFactory().get("/"), name).content.decode()
        with answering(page, "**/an-error/", body=html, content_type="text/html"):
            show(page, "/an-error/", album, f"error.{name.replace('_', '-')}")


def take_themes(page: Page, album: Album) -> None:
    for theme in sorted((FOLDER.parent / "themes").glob("*.css")):
        with answering(page, "**/login*.css", path=theme, content_type="text/css"):
            show(page, path("sign-in"), album, f"theme.{theme.stem}")


def take_emails(browser: Browser, album: Album, folder: Path) -> None:
    call_command("dfns", "preview-emails", "--to", str(folder))
    page = browser.new_page(viewport={"width": 480, "height": 400})
    for email in sorted(folder.glob("*.html")):
        if email.stem != "index":
            page.set_content(email.read_text())
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
