"""A real Chromium with a virtual authenticator, and the official clients in a page of the live project."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, CDPSession, Error, Page, Playwright

from tests.support.authenticators import Members
from tests.support.firefox import is_firefox
from tests.support.javascript_clients import CLIENTS

PATH: Final = "/conformance"
"""Path of the page. The browser gets it from the test instead of the project."""
LAUNCH_MILLISECONDS: Final = 120_000
ADVICE: Final = "Name one in CHROMIUM, install `chromium`, or have `make test` install the package @sparticuz/chromium."


class PageError(Exception):
    """An error thrown in the page. name: `DfnsError`, or the name of the browser's own error."""

    def __init__(self, told: Members) -> None:
        super().__init__(f"{told['name']}: {told['message']}")
        self.name: str = told["name"]
        self.message: str = told["message"]
        self.http_status: int | None = told.get("httpStatus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """A virtual authenticator with discoverable passkeys and a verified user."""

    session: CDPSession
    id: str

    @classmethod
    def plugged_into(cls, page: Page) -> "Authenticator":
        if is_firefox(page.context.browser):
            pytest.skip("Only Chromium has a virtual authenticator.")
        session = page.context.new_cdp_session(page)
        session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return cls(session=session, id=made["authenticatorId"])

    def unplug(self) -> None:
        self.session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self.id})

    def verify_user(self, *, verified: bool) -> None:
        """Decide whether the next requests find their person, or are declined."""
        self.session.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": verified})

    def touch(self, *, at_once: bool) -> None:
        """Decide whether the person touches it as soon as a page asks for a passkey, or lets the page wait."""
        options = {"authenticatorId": self.id, "enabled": at_once}
        self.session.send("WebAuthn.setAutomaticPresenceSimulation", options)

    def passkeys(self) -> list[Members]:
        found: list[Members] = self.session.send("WebAuthn.getCredentials", {"authenticatorId": self.id})["credentials"]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The official clients in the page."""

    page: Page
    organization: str

    def do(self, verb: str, **asked: Any) -> Any:
        """Call `dfns.<verb>(…)` of `tests/support/javascript/page.mjs`. Raises PageError."""
        said = self.page.evaluate(
            "([verb, asked]) => globalThis.dfns[verb](asked)", [verb, {"orgId": self.organization, **asked}]
        )
        if "error" in said:
            raise PageError(said["error"])
        return said.get("answer")


@contextmanager
def chromium(playwright: Playwright, *, node: str) -> Iterator[Browser]:
    program, environment = _program(node)
    try:
        browser = playwright.chromium.launch(
            executable_path=program, env={**os.environ, **environment}, timeout=LAUNCH_MILLISECONDS
        )
    except Error as error:
        msg = f"{program} does not start. {ADVICE}"
        raise AssertionError(msg) from error
    try:
        yield browser
    finally:
        browser.close()


def _program(node: str) -> tuple[str, dict[str, str]]:
    """Return the path of a Chromium and the environment it needs."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if found:
        return found, {}
    done = subprocess.run([node, "chromium.mjs"], cwd=CLIENTS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"There is no Chromium. {ADVICE}\n{done.stderr}"
    program, libraries = done.stdout.splitlines()
    return program, {"LD_LIBRARY_PATH": libraries}


def bundle(folder: Path, *, node: str) -> Path:
    """Build the script that loads the clients into a page."""
    script = folder / "page.js"
    esbuild = [node, "node_modules/esbuild/bin/esbuild", "page.mjs", "--bundle", "--format=iife", "--log-level=warning"]
    subprocess.run([*esbuild, f"--outfile={script}"], cwd=CLIENTS, check=True)
    return script


def open_page(browser: Browser, *, origin: str, script: Path) -> Page:
    """Open a blank page of that origin with the script."""
    page = browser.new_page()
    html = "<!doctype html><title>Official clients</title>"
    page.route(f"{origin}{PATH}", lambda route: route.fulfill(content_type="text/html", body=html))
    page.goto(f"{origin}{PATH}")
    page.add_script_tag(path=script)
    return page
