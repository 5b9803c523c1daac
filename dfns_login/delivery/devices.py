"""Names of browsers and systems, from the User-Agent header.

Only these names reach an email, never the header itself, which a stranger chooses (R-113).
The same names are in `dfns_login/client/pages/agents.ts`.
"""

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


def device_name(agent: str) -> str:
    """Return a name such as "Firefox on Linux", in the active language."""
    browser, system = _first(BROWSERS, agent), _first(SYSTEMS, agent)
    if browser and system:
        return gettext("{browser} on {system}").format(browser=browser, system=system)
    return browser or system or gettext("unknown")


def _first(names: Names, agent: str) -> str:
    return next((name for name, parts in names if any(part in agent for part in parts)), "")
