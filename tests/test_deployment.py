"""The example configurations of `docs/deploy/`, run by the programs themselves (R-138): `make programs`.

Behind each proxy is a server that tells what it was sent.
"""

import json
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.proxies import FOLDER, HOST, caddy, nginx, write_certificate
from tests.support.servers import ROOT, free_port

ANALYZE = shutil.which("systemd-analyze")
UNITS = sorted(FOLDER.glob("*.service"))
Proxy = Callable[..., httpx.Response]


class Echo(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815  http.server's names

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, tmp_path: Path, upstream: int) -> Iterator[Proxy]:
    """Send a request to the proxy, with its host's name and over TLS."""
    assert shutil.which(request.param.__name__), f"{request.param.__name__} is not installed"
    write_certificate(tmp_path)
    port = free_port()
    command = request.param(tmp_path, port=port, upstream=upstream)
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    environment = {"HOME": str(tmp_path), "PATH": str(Path(str(shutil.which(command[0]))).parent)}
    with (
        (tmp_path / "output").open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environment) as program,
        httpx.Client(verify=trust, timeout=30) as client,
    ):

        def send(method: str, path: str, **options: Any) -> httpx.Response:
            headers = {"Host": HOST, **options.pop("headers", {})}
            extensions = {"sni_hostname": HOST}
            return client.request(
                method, f"https://127.0.0.1:{port}{path}", headers=headers, extensions=extensions, **options
            )

        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    send("GET", "/")
                    break
                except httpx.TransportError:
                    assert program.poll() is None, (tmp_path / "output").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield send
        finally:
            program.terminate()


@pytest.mark.programs
def test_a_proxy_says_who_the_client_is_and_takes_nothing_else_over(proxy: Proxy):
    forged = {"X-Request-ID": "forged", "X-Forwarded-Proto": "http", "X-Forwarded-For": "203.0.113.9"}
    told = proxy("GET", "/login/", headers=forged).json()
    assert told["host"] == HOST
    assert told["x-forwarded-proto"] == "https"
    assert told["x-forwarded-for"].split(", ")[-1] == "127.0.0.1"  # the only one that TRUSTED_PROXY_HOPS=1 reads
    assert told["x-request-id"] != "forged"
    assert len(told["x-request-id"]) >= 32


@pytest.mark.programs
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/metrics?x=1"])
def test_a_proxy_keeps_metrics_and_health_to_itself(proxy: Proxy, path: str):
    assert proxy("GET", path).status_code == 404
    assert proxy("GET", "/login/").status_code == 200  # the control


@pytest.mark.programs
def test_a_proxy_logs_no_token_of_a_lock_link(proxy: Proxy, tmp_path: Path):
    """R-77. Whoever has the token can lock the account."""
    proxy("GET", "/login/?next=/logged/")
    proxy("GET", "/lock/?token=secret")
    logged = "".join(file.read_text() for name in ("access.log", "log", "output") if (file := tmp_path / name).exists())
    assert "secret" not in logged
    assert "/logged/" in logged or not (tmp_path / "access.log").exists()  # Caddy logs no requests unless told to


@pytest.mark.programs
def test_a_proxy_bounds_bodies(proxy: Proxy):
    assert proxy("POST", "/auth/login", content=b"x" * 60_000).status_code == 200
    assert proxy("POST", "/auth/login", content=b"x" * 70_000).status_code in {413, 502}  # 502: Caddy before 2.7


@pytest.mark.programs
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_accepts_the_units(unit: Path, tmp_path: Path):
    """With a program that is there."""
    assert ANALYZE, "systemd-analyze is not installed"
    program, _, _ = unit.read_text().partition("ExecStart=")[2].partition(" ")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace(program, "/bin/true"))
    done = subprocess.run([ANALYZE, "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])


def test_every_unit_and_every_process_is_started_as_the_docs_say():
    processes = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    assert set(processes) == {"release", *(path.stem.rpartition("-")[2] for path in UNITS)}
    for path in UNITS:
        started = path.read_text().partition("ExecStart=/srv/login/.venv/bin/")[2].splitlines()[0].split()
        assert processes[path.stem.rpartition("-")[2]].split()[0] == started[0]
        # gunicorn would open its control socket in a home folder, which a service may not have
        assert ("--no-control-socket" in processes[path.stem.rpartition("-")[2]]) == (started[0] == "gunicorn")
