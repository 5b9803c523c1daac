"""The site of `benchmarks.pages`: the project without DEBUG, behind nginx and a line that can be slow."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.slow_line import SlowLine
from project.processes import ROOT, Program
from tests.support.proxies import nginx, write_certificate
from tests.support.servers import Site, Valkey, free_port

BITS_PER_SECOND: Final = 400_000
ROUND_TRIP_SECONDS: Final = 0.4
EMAIL_SECONDS: Final = 30


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
class Service:
    """The site, as browsers reach it."""

    site: Site
    line: SlowLine

    @property
    def url(self) -> str:
        return self.site.environment["PUBLIC_URL"]

    @contextmanager
    def slow_network(self) -> Iterator[None]:
        self.line.bits_per_second, self.line.round_trip = BITS_PER_SECOND, ROUND_TRIP_SECONDS
        try:
            yield
        finally:
            self.line.bits_per_second, self.line.round_trip = 0, 0

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
        line = SlowLine(free_port())
        site.environment["PUBLIC_URL"] = f"https://localhost:{line.port}"
        site.manage("collectstatic", "--noinput", "--verbosity=0", "--ignore=admin", "--ignore=rest_framework")
        with site, proxy, line.to(proxy.port):
            site.manage("dfns", "organization", "create", "Example")
            yield Service(site=site, line=line)
