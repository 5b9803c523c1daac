"""Weight and speed of the pages in Chromium on a slow network, behind nginx, as Markdown tables: `make bench-pages`.

    python -m benchmarks.pages

Starts the runnable project without DEBUG (SQLite, Valkey) behind nginx with `docs/deploy/nginx.conf`. A proxy between
Chromium and nginx makes the network slow: 400 kbit/s each way, and 400 ms for each round trip. Tasks are measured on a
processor that is slowed down to a quarter, as the time for which the page's main thread ran (and, in parentheses, until
the task was done). Bytes are those of headers and compressed bodies.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import django
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.page_service import EMAIL_SECONDS, Service, service

PAGES: Final = ("/login/", "/register/", "/recover/")
SLOWDOWN: Final = 4
PASSWORD: Final = "quatre baleines sous la pluie"  # noqa: S105  of an account that exists for a minute
ADDRESS: Final = "jane@example.com"
OBSERVE: Final = """
const usable = () => document.querySelector('main button[type=submit]:not(:disabled)')
new MutationObserver((_, observer) => {
  if (!usable()) return
  globalThis.usableAt = performance.now()
  observer.disconnect()
}).observe(document, { subtree: true, childList: true, attributes: true })
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One load of a page. Times are milliseconds from the first byte to the first paint, and until its button works."""

    requests: int
    received: int
    painted: float
    usable: float


@contextmanager
def visitor(browser: Browser) -> Iterator[tuple[Page, CDPSession]]:
    """Open a new browser profile, whose cache is empty."""
    with browser.new_context(ignore_https_errors=True, viewport={"width": 390, "height": 800}) as context:
        context.add_init_script(OBSERVE)
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        yield page, session


@contextmanager
def slow_processor(browser: Browser, page: Page, session: CDPSession) -> Iterator[None]:
    """Slow the processor down, and print the longest tasks of the page's main thread."""
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
    browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline", "__metadata"])
    yield
    events = json.loads(browser.stop_tracing())["traceEvents"]
    names = {(each["pid"], each["tid"]): each["args"]["name"] for each in events if each["name"] == "thread_name"}
    tasks = sorted(
        (each["tdur"] / 1000, each["dur"] / 1000)
        for each in events
        if each["name"] == "RunTask" and "tdur" in each and names.get((each["pid"], each["tid"])) == "CrRendererMain"
    )
    print_line("longest tasks of signing in: " + ", ".join(f"{cpu:.0f} ms ({wall:.0f})" for cpu, wall in tasks[:-6:-1]))


def visit(browser: Browser, service: Service, path: str) -> Visit:
    """Load the page once on the slow network."""
    received: list[int] = []
    with visitor(browser) as (page, session), service.slow_network():
        session.on("Network.loadingFinished", lambda told: received.append(told["encodedDataLength"]))
        page.goto(service.url + path, wait_until="load")
        page.wait_for_function("globalThis.usableAt")
        usable, painted = page.evaluate(
            """() => {
              const { responseStart } = performance.getEntriesByType('navigation')[0]
              const { startTime } = performance.getEntriesByName('first-contentful-paint')[0]
              return [globalThis.usableAt - responseStart, startTime - responseStart]
            }"""
        )
        return Visit(
            requests=sum(each > 0 for each in received), received=int(sum(received)), painted=painted, usable=usable
        )


def print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def print_visits(browser: Browser, service: Service, *, rounds: int) -> None:
    print_line("| page | requests | received | first paint | usable |\n| --- | --- | --- | --- | --- |")
    for path in PAGES:
        visits = [visit(browser, service, path) for _ in range(rounds)]
        painted, usable = (statistics.median(getattr(each, name) for each in visits) for name in ("painted", "usable"))
        first = visits[0]
        print_line(f"| `{path}` | {first.requests} | {first.received:,} bytes | {painted:.0f} ms | {usable:.0f} ms |")


def register(browser: Browser, service: Service) -> None:
    """Register the person with a password and no passkey."""
    service.site.manage("dfns", "invite", ADDRESS)
    with visitor(browser) as (page, _):
        page.goto(f"{service.url}/register/#{ADDRESS.replace('@', '%40')}")
        page.get_by_label("Registration code").fill(service.code(number=1))
        page.get_by_label("New password", exact=True).fill(PASSWORD)
        page.get_by_label("Confirm new password").fill(PASSWORD)
        page.get_by_role("button", name="Continue").filter(visible=True).click()
        page.get_by_role("button", name="Not now").click()
        page.get_by_label("I've saved my recovery kit in a safe place").wait_for()


def print_long_tasks(browser: Browser, service: Service) -> None:
    """Present a code and a wrong password while the processor is slow, by the keyboard alone.

    Playwright's locators run scripts in the page, whose tasks are longer than those of the page.
    """
    with visitor(browser) as (page, session), slow_processor(browser, page, session):
        page.goto(f"{service.url}/login/")
        _wait_for(session, "globalThis.usableAt && (document.querySelector('#username').focus(), true)")
        page.keyboard.type(ADDRESS + "\n")
        code = service.code(number=2)
        _wait_for(session, "document.activeElement.autocomplete === 'one-time-code'")
        page.keyboard.type(code)
        _wait_for(session, "document.activeElement.type === 'password'")
        page.keyboard.type("wrong " + PASSWORD + "\n")
        _wait_for(session, "document.activeElement.getAttribute('aria-invalid') === 'true'")


def _wait_for(session: CDPSession, expression: str) -> None:
    deadline = time.monotonic() + EMAIL_SECONDS
    while not session.send("Runtime.evaluate", {"expression": expression})["result"].get("value"):
        if time.monotonic() > deadline:
            raise TimeoutError(expression)
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="loads of each page; the times are medians")
    arguments = parser.parse_args()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    node = shutil.which("node", path=path) or "node"
    os.environ |= {"DEBUG": "1", "DJANGO_SETTINGS_MODULE": "project.settings"}  # for the import; the site has its own
    django.setup()
    from tests.support.conformance.browser import chromium  # noqa: PLC0415  needs Django's apps

    with service() as running, sync_playwright() as playwright, chromium(playwright, node=node) as browser:
        print_visits(browser, running, rounds=arguments.rounds)
        register(browser, running)
        print_long_tasks(browser, running)


if __name__ == "__main__":
    main()
