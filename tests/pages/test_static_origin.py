"""The pages with static files on another origin, such as a CDN's (docs/how-to/static-files.md)."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.support.live_project import LiveProject, live_project
from tests.support.page_steps import Resident, newest_mail, sign_in
from tests.support.page_visitor import visiting


@pytest.fixture(scope="module")
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveProject]:
    folder = tmp_path_factory.mktemp("static")
    settings = "tests.support.static_origin_settings"
    with live_project(request, folder, name="static", settings=settings) as scene:
        yield scene


def test_only_the_workers_come_from_the_pages_own_origin(scene: LiveProject, browser: Browser) -> None:
    """Nothing is blocked: people sign in, and passwords are compared with all words."""
    resident, person = Resident.register(scene), scene.invite()
    with visiting(browser, url=scene.site.url) as visitor:
        sign_in(visitor, resident)
        expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
    with visiting(browser, url=scene.site.url) as visitor:
        page = visitor.page
        page.goto(f"/register/{newest_mail(scene, person.email, after=0).partition('/register/')[2].split()[0]}")
        page.get_by_label("Registration code").fill(person.registration_code)
        page.get_by_label("New password", exact=True).fill("quicksilver")
        expect(page.locator("[data-strength]")).to_contain_text("easy to guess")
        loaded = {urlsplit(each.url) for each in visitor.sent if "/static/" in each.url}
        own = {each.path.rpartition("/")[2] for each in loaded if each.hostname == "localhost"}
        assert own == {"strength.worker.js"}
        assert any(each.path.endswith("/words.json") for each in loaded if each.hostname == "127.0.0.1")
