"""Weight and speed of the pages in Chromium on a slow network, behind nginx, as Markdown tables: `make bench-pages`.

    python -m benchmarks.pages

Starts the runnable project without DEBUG (SQLite, Valkey) behind nginx with `docs/deploy/nginx.conf`. The network is
Chromium's emulation: 400 kbit/s each way, and 400 ms for each round trip. Long tasks are measured on a processor that
is slowed down to a quarter. Bytes are those of headers and compressed bodies.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import django
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from project.processes import ROOT, Program
from tests.support.proxies import nginx, write_certificate
from tests.support.servers import Site, Valkey, free_port

PAGES: Final = ("/login/", "/register/", "/recover/")
BITS_PER_SECOND: Final = 400_000
ROUND_TRIP_MILLISECONDS: Final = 400
SLOWDOWN: Final = 4
EMAIL_SECONDS: Final = 30
PASSWORD: Final = "quatre baleines sous la pluie"  # noqa: S105  of an account that exists for a minute
ADDRESS: Final = "jane@example.com"
OBSERVE: Final = """
globalThis.longTasks = []
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) globalThis.longTasks.push(each.duration)
}).observe({ type: 'longtask', buffered: true })
const usable = () => document.querySelector('main button[type=submit]:not(:disabled)')
new MutationObserver((_, observer) => {
  if (!usable()) return
  globalThis.usableAt = performance.now()
  observer.disconnect()
}).observe(document, { subtree: true, childList: true, attributes: true })
"""


class Nginx(Program):
    """nginx with the example configuration."""

    name = "nginx"

    def __init__(self, folder: Path, *, upstream: int) -> None:
        super().__init__(folder, {"PATH": os.environ["PATH"]})
        self.port = free_port()
        write_certificate(folder)
        self._command = nginx(folder, port=self.port, upstream=upstream)
        main = folder / "main.conf"  # `$host` has no port, and the browser's origin has
        main.write_text(main.read_text().replace("Host $host", "Host $http_host"))

    def command(self) -> list[str]:
        return self._command

    def is_ready(self) -> bool:
        return (self.folder / "pid").exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One load of a page. Times are milliseconds from the first byte to the first paint, and until its button works."""

    requests: int
    received: int
    painted: float
    usable: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The site, as browsers reach it."""

    site: Site
    url: str

    def codes(self) -> list[str]:
        """Return the emailed codes, oldest first. A code is on the last line, behind the host."""
        lines = (mail.text.rstrip().rpartition("\n")[2] for mail in self.site.mails())
        return [line.rpartition("#")[2] for line in lines if line.startswith("@")]

    def code(self, *, number: int) -> str:
        """Wait for the code of this number."""
        deadline = time.monotonic() + EMAIL_SECONDS
        while len(codes := self.codes()) < number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"No email came within {EMAIL_SECONDS} seconds.")
            time.sleep(0.05)
        return codes[number - 1]


def _new_keys() -> str:
    command = [sys.executable, str(ROOT / "manage.py"), "dfns", "keys", "--json"]
    return subprocess.run(  # noqa: S603  our own program
        command, env={"DEBUG": "1", "PATH": ""}, capture_output=True, text=True, check=True
    ).stdout


@contextmanager
def service() -> Iterator[Service]:
    """Start the project behind nginx, with one organization."""
    with tempfile.TemporaryDirectory(prefix="dfns-") as name, Valkey() as valkey:
        folder = Path(name)
        environment = {
            "DEBUG": "0",
            "SECRET_KEY": "x" * 50,
            "DEFAULT_FROM_EMAIL": "login@example.com",
            "DFNS_LOGIN_KEYS": _new_keys(),
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "TRUSTED_PROXY_HOPS": "1",
            "STATIC_ROOT": f"{folder}/static",
        }
        site = Site(folder, database_url=f"sqlite:///{folder}/db", redis_url=valkey.url, environment=environment)
        proxy = Nginx(folder, upstream=int(site.url.rpartition(":")[2]))
        site.environment["PUBLIC_URL"] = f"https://localhost:{proxy.port}"
        site.manage("collectstatic", "--noinput", "--verbosity=0", "--ignore=admin", "--ignore=rest_framework")
        with site, proxy:
            site.manage("dfns", "organization", "create", "Example")
            yield Service(site=site, url=site.environment["PUBLIC_URL"])


@contextmanager
def visitor(browser: Browser) -> Iterator[tuple[Page, CDPSession]]:
    """Open a new browser profile, whose cache is empty."""
    with browser.new_context(ignore_https_errors=True, viewport={"width": 390, "height": 800}) as context:
        context.add_init_script(OBSERVE)
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        yield page, session


def slow_network(session: CDPSession) -> None:
    bytes_per_second = BITS_PER_SECOND // 8
    conditions: dict[str, Any] = {"offline": False, "latency": ROUND_TRIP_MILLISECONDS}
    conditions |= {"downloadThroughput": bytes_per_second, "uploadThroughput": bytes_per_second}
    session.send("Network.emulateNetworkConditions", conditions)


def slow_processor(session: CDPSession) -> None:
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})


def visit(browser: Browser, url: str) -> Visit:
    """Load the page once on the slow network."""
    received: list[int] = []
    with visitor(browser) as (page, session):
        session.on("Network.loadingFinished", lambda told: received.append(told["encodedDataLength"]))
        slow_network(session)
        page.goto(url, wait_until="load")
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
        visits = [visit(browser, service.url + path) for _ in range(rounds)]
        painted, usable = (statistics.median(getattr(each, name) for each in visits) for name in ("painted", "usable"))
        first = visits[0]
        print_line(f"| `{path}` | {first.requests} | {first.received:,} bytes | {painted:.0f} ms | {usable:.0f} ms |")


def print_long_tasks(browser: Browser, service: Service) -> None:
    """Register and sign in with a password while the processor is slow, and print the longest task of each."""
    service.site.manage("dfns", "invite", ADDRESS)
    with visitor(browser) as (page, session):
        slow_processor(session)
        page.goto(f"{service.url}/register/#{ADDRESS.replace('@', '%40')}")
        page.get_by_label("Registration code").fill(service.code(number=1))
        page.get_by_label("New password", exact=True).fill(PASSWORD)
        page.get_by_label("Confirm new password").fill(PASSWORD)
        page.locator('[data-strength="4"]').wait_for()
        page.get_by_role("button", name="Continue").filter(visible=True).click()
        page.get_by_role("button", name="Not now").click()
        page.get_by_label("I've saved my recovery kit in a safe place").wait_for()
        print_line(f"longest tasks of registering: {_longest(page)}")
    with visitor(browser) as (page, session):
        slow_processor(session)
        page.goto(f"{service.url}/login/")
        page.get_by_role("textbox", name="Email address").fill(ADDRESS)
        page.get_by_role("button", name="Email me a code").click()
        page.get_by_label("Code", exact=True).fill(service.code(number=2))
        page.get_by_label("Password", exact=True).fill("wrong " + PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_text("wrong", exact=False).filter(visible=True).first.wait_for()
        print_line(f"longest tasks of signing in: {_longest(page)}")


def _longest(page: Page) -> str:
    tasks = sorted(page.evaluate("globalThis.longTasks"), reverse=True)
    return ", ".join(f"{each:.0f} ms" for each in tasks[:5]) or "none over 50 ms"


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
        print_long_tasks(browser, running)


if __name__ == "__main__":
    main()
