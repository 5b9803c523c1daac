"""Run the client in `dfns_login/client` from Python, in Node or in a Chromium page."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Protocol

from playwright.sync_api import Browser, Page

from tests.support.javascript_clients import CLIENTS
from tests.support.servers import ROOT

SOURCES: Final = ROOT / "dfns_login" / "client"
DIST: Final = ROOT / "dfns_login" / "static" / "dfns_login" / "dist"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; base-uri 'none';"
    " require-trusted-types-for 'script'; trusted-types dfns-login"
)
"""Content security policy of the project's pages."""


class ClientError(Exception):
    """The error that the client threw."""

    def __init__(self, told: dict[str, str]) -> None:
        super().__init__(f"{told['name']}: {told['message']}")
        self.name = told["name"]


class Client(Protocol):
    """Runs `tests/support/javascript/signer.mjs`."""

    def do(self, verb: str, **asked: Any) -> Any:
        """Run a verb of the client.

        Raises: ClientError.
        """


class NodeClient:
    """The client in Node, from the built `module`."""

    def __init__(self, module: Path, *, node: str) -> None:
        self._process = subprocess.Popen(
            [node, "signer_driver.mjs", str(module)],
            cwd=CLIENTS,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def do(self, verb: str, **asked: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"do": verb, **asked}) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the client's Node has ended with {self._process.wait()}"
        return _answer(json.loads(line))

    def end(self) -> None:
        self._process.communicate()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageClient:
    """The built client, in a page on its own origin. `violations` are reports about the policy."""

    page: Page
    violations: list[str] = field(default_factory=list)

    def do(self, verb: str, **asked: Any) -> Any:
        return _answer(self.page.evaluate("asked => globalThis.answer(asked)", {"do": verb, **asked}))


def _answer(said: dict[str, Any]) -> Any:
    if "error" in said:
        raise ClientError(said["error"])
    return said["answer"]


class _Handler(SimpleHTTPRequestHandler):
    """Serves files with the policy."""

    def __init__(self, *arguments: Any, policy: str, **options: Any) -> None:
        self._policy = policy
        super().__init__(*arguments, **options)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", self._policy)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def page_client(browser: Browser, folder: Path, *, policy: str = POLICY) -> Iterator[PageClient]:
    """Serve the bundle, and a page that uses it, from an empty folder."""
    assert (DIST / "signer.js").exists(), "The client is not built: `make web` builds it."
    (folder / "dist").symlink_to(DIST)
    (folder / "signer.mjs").symlink_to(CLIENTS / "signer.mjs")
    (folder / "index.html").write_text(
        '<!doctype html><title>Client</title><script type="module" src="page.mjs"></script>'
    )
    (folder / "page.mjs").write_text(
        "import * as client from './dist/signer.js'\nimport { answer } from './signer.mjs'\n"
        "globalThis.answer = (asked) => answer(client, asked)\n"
    )
    handler = partial(_Handler, directory=str(folder), policy=policy)
    with ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        violations: list[str] = []
        page.on("console", lambda message: violations.append(message.text) if message.type == "error" else None)
        page.goto(f"http://localhost:{server.server_port}/index.html")  # wait until its modules have run
        yield PageClient(page=page, violations=violations)
        page.close()
        server.shutdown()


def modules(folder: Path, *, node: str) -> Path:
    """Build `modules.ts` for Node, and return the path."""
    esbuild = [node, "node_modules/esbuild/bin/esbuild", str(Path(__file__).with_name("modules.ts"))]
    options = ["--bundle", "--format=esm", "--splitting", "--out-extension:.js=.mjs", f"--outdir={folder}"]
    subprocess.run([*esbuild, *options, "--log-level=warning"], cwd=SOURCES, check=True)
    return folder / "modules.mjs"
