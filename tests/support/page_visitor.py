"""A browser profile on the live pages. It records requests and problems."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from tests.support.firefox import is_firefox
from tests.support.javascript_clients import CLIENTS

ROOT: Final = Path(__file__).resolve().parents[2]
SCREENSHOTS: Final = ROOT / "var" / "screenshots"
AXE: Final = CLIENTS / "node_modules" / "axe-core" / "axe.min.js"
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PATIENCE_MILLISECONDS: Final = 30_000
LISTEN: Final = """
addEventListener('securitypolicyviolation', (event) => {
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`)
})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request of the browser. The body is empty if there is none."""

    method: str
    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(kw_only=True)
class Visitor:
    """One browser profile with one page. `problems` come from the console, CSP and uncaught errors."""

    page: Page
    look: str
    problems: list[str] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def show(self, name: str) -> None:
        """Take a screenshot, and check the page with axe-core (WCAG 2.2 AA)."""
        self.picture(name)
        self.page.evaluate(_axe())
        found = self.page.evaluate("(rules) => axe.run({runOnly: rules})", RULES)
        violations = [
            f"{each['id']}: {node['html']} {node['failureSummary']}"
            for each in found["violations"]
            for node in each["nodes"]
        ]
        assert violations == [], "\n".join([name, *violations])

    def picture(self, name: str) -> None:
        if is_firefox(self.page.context.browser):
            return  # Playwright would insert a style, which the policy blocks
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}-{self.look}.png", full_page=True, animations="disabled")

    def stored(self) -> dict[str, Any]:
        """Return what the site stores in this browser besides cookies."""
        kept: dict[str, Any] = self.page.evaluate(
            """async () => ({
              local: {...localStorage},
              session: {...sessionStorage},
              databases: (await indexedDB.databases()).map((each) => each.name),
              caches: await caches.keys(),
            })"""
        )
        return kept


@contextmanager
def visiting(browser: Browser, *, url: str, look: str = "light", **options: Any) -> Iterator[Visitor]:
    """Open a new browser profile, and fail at the end if it has problems.

    `options` are Playwright's, such as `locale`, `color_scheme`, `viewport`.
    """
    _skip_what_firefox_lacks(browser, options)
    context = browser.new_context(**{"base_url": url, "reduced_motion": "reduce", **options})
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    context.add_init_script(LISTEN)
    page = context.new_page()
    visitor = Visitor(page=page, look=look)
    page.on("console", lambda message: _note(visitor, message))
    page.on("pageerror", lambda error: visitor.problems.append(f"uncaught: {error}"))
    context.on("request", lambda request: visitor.sent.append(_sent(request)))
    try:
        yield visitor
        assert not visitor.problems, "\n".join(visitor.problems)
    finally:
        context.close()


@contextmanager
def answering(page: Page, addresses: str, **answer: Any) -> Iterator[None]:
    """Answer requests for these addresses in place of the site."""
    page.route(addresses, lambda route: route.fulfill(**answer))
    yield
    page.unroute(addresses)


def _skip_what_firefox_lacks(browser: Browser, options: Mapping[str, Any]) -> None:
    """Skip what Playwright can't ask of Firefox yet. It would ignore these options."""
    if is_firefox(browser):
        if options.get("color_scheme") == "dark":
            pytest.skip("Firefox shows its own color scheme.")
        if options.get("java_script_enabled") is False:
            pytest.skip("Firefox runs scripts.")


def _note(visitor: Visitor, message: ConsoleMessage) -> None:
    # Chromium writes a line for every error response, which is not the page's fault
    refused = message.type == "error" and message.text.startswith("Failed to load resource: the server responded")
    if message.type in {"error", "warning"} and not refused:
        visitor.problems.append(f"{message.type}: {message.text} ({message.location})")


def _sent(request: Request) -> Sent:
    return Sent(method=request.method, url=request.url, headers=request.headers, body=request.post_data_buffer or b"")


@cache
def _axe() -> str:
    return AXE.read_text()


def body_of(sent: Sent) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(sent.body) if sent.body else {}
    return body
