"""The machine's own Firefox, as `make firefox` uses it.

Playwright drives it by WebDriver BiDi, which every Firefox has, so it needs neither a build of its own nor geckodriver.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from playwright.sync_api import Browser, Error, Playwright

CHANNEL: Final = "moz-firefox"
LAUNCH_MILLISECONDS: Final = 120_000
PROGRAMS: Final = ("firefox", "firefox-esr")
NO_BODIES: Final = "Playwright shows no bodies of Firefox's requests."
ADVICE: Final = "Install `firefox` or `firefox-esr`, or name one in FIREFOX."


def program() -> str | None:
    """Return the path of a Firefox, or None."""
    return os.environ.get("FIREFOX") or next(filter(None, map(shutil.which, PROGRAMS)), None)


def is_firefox(browser: Browser | None) -> bool:
    return browser is not None and browser.browser_type.name != "chromium"


@contextmanager
def firefox(playwright: Playwright) -> Iterator[Browser]:
    """Start a headless Firefox. Ends the run if there is none: a target that tests nothing must not pass."""
    path = program()
    if path is None:
        pytest.exit(f"NOT TESTED in Firefox: there is none on this machine. {ADVICE}", returncode=1)
    try:
        browser = playwright.firefox.launch(executable_path=path, channel=CHANNEL, timeout=LAUNCH_MILLISECONDS)
    except Error as error:
        pytest.exit(f"NOT TESTED in Firefox: {path} does not start. {ADVICE}\n{error}", returncode=1)
    try:
        yield browser
    finally:
        browser.close()
