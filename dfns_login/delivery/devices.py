"""Names of browsers and systems, from the User-Agent header.

Only these names reach an email, never the header itself, which a stranger chooses (R-113).
The same names are in `dfns_login/client/pages/agents.ts`. A library (ua-parser) knows thousands more, but matches
strangers' text with as many regular expressions, and an email would name what the pages do not.
"""

import re
from typing import Final

from django.utils.translation import gettext

Names = tuple[tuple[str, tuple[str, ...]], ...]

BROWSERS: Final[Names] = (
    ("Edge", ("Edg/", "EdgA/", "EdgiOS/")),
    ("Opera", ("OPR/",)),
    ("Samsung Internet", ("SamsungBrowser/",)),
    ("Firefox", ("Firefox/", "FxiOS/")),
    ("Chrome", ("Chrome/", "Chromium/", "CriOS/")),
    ("Safari", ("Safari/",)),
)
SYSTEMS: Final[Names] = (
    ("iPhone", ("iPhone",)),
    ("iPad", ("iPad",)),
    ("Android", ("Android",)),
    ("ChromeOS", ("CrOS",)),
    ("Windows", ("Windows",)),
    ("macOS", ("Mac OS X", "Macintosh")),
    ("Linux", ("Linux",)),
)
"""Names, each with what only the header of that browser or system contains; the first that matches wins."""
VERSIONS: Final = {"Safari/": "Version/"}
"""What comes before the version, if that is not the browser's own name."""


def device_name(agent: str) -> str:
    """Return a name such as "Firefox on Linux", in the active language."""
    return known_device_name(agent) or gettext("unknown")


def known_device_name(agent: str) -> str:
    """Return the same name; empty if the header has no name that we know."""
    return _joined(_first(BROWSERS, agent)[0], _first(SYSTEMS, agent)[0])


def device_with_version(agent: str) -> str:
    """Return a name such as "Firefox 140 on Linux", for operators; empty if the header has no name that we know."""
    browser, mark = _first(BROWSERS, agent)
    number = re.search(re.escape(VERSIONS.get(mark, mark)) + r"([0-9]{1,4})", agent) if mark else None
    return _joined(f"{browser} {number[1]}" if number else browser, _first(SYSTEMS, agent)[0])


def _joined(browser: str, system: str) -> str:
    if browser and system:
        return gettext("{browser} on {system}").format(browser=browser, system=system)
    return browser or system


def _first(names: Names, agent: str) -> tuple[str, str]:
    """Return the first name that matches, and what it matched; two empty strings if none does."""
    return next(((name, part) for name, parts in names for part in parts if part in agent), ("", ""))
