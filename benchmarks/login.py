"""The three requests of a login against the floor, as a table and a plot: `make bench`.

    python -m benchmarks.login --rounds 5 --concurrency 8

Starts PostgreSQL (with fsync), Valkey and two gunicorns of two sync workers on this machine: the runnable project with
its own middleware, and the floor. Each round sends every kind of request, in an order that changes. Rates are counted
but never reached; no worker runs. Prints a Markdown table and writes docs/performance.svg.
"""

import argparse
import base64
import http.client
import json
import secrets
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psutil
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.servers import ORIGIN, servers
from project.processes import ROOT, Program

FLOOR = "floor"
PATHS = {
    FLOOR: "/floor",
    "login/code": "/auth/login/code",
    "login/init with the code": "/auth/login/init",
    "login": "/auth/login",
}
BEFORE = {"login/code": 0.21, "login/init with the code": 0.15, "login": 0.17}
"""Ratios before the work that docs/performance.md describes."""
KEY = ec.generate_private_key(ec.SECP256R1())


@dataclass(slots=True)
class Measured:
    """Figures of one kind of request, one of each round. cpu: milliseconds per request of each program."""

    per_second: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=dict)


class Load:
    """Prepares requests, and sends them over some connections at once."""

    def __init__(self, programs: dict[str, Program], *, users: int, concurrency: int) -> None:
        from benchmarks import dfns_login_hooks  # noqa: PLC0415  needs Django

        self.hooks, self.programs, self.concurrency = dfns_login_hooks, programs, concurrency
        self.emails = [f"u{each:07d}@example.test" for each in range(users)]
        self.credential_ids = [_base64url(secrets.token_bytes(12)) for _ in self.emails]
        pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        made = [
            {"email": email, "public_key_pem": pem, "cred_id": credential_id}
            for email, credential_id in zip(self.emails, self.credential_ids, strict=True)
        ]
        self.organization = self.hooks.seed(made)["orgId"]

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        """Return one request for each user. What a login answers is opened first."""
        named = [{"username": email, "orgId": self.organization} for email in self.emails]
        self.hooks.clean()
        if kind in {FLOOR, "login/code"}:
            return named
        codes = self.hooks.codes(self.emails)
        presenting = [body | {"loginCode": code} for body, code in zip(named, codes, strict=True)]
        if kind != "login":
            return presenting
        opened = self.send(PATHS["login/init with the code"], presenting)[0]
        return [_answer(*each) for each in zip(opened, self.credential_ids, strict=True)]

    def send(self, path: str, bodies: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[float]]:
        """Send the requests. Return the replies in order, and how many seconds each took."""
        port = self.programs["floor" if path == PATHS[FLOOR] else "web"].port  # type: ignore[attr-defined]

        def one(body: dict[str, Any]) -> tuple[dict[str, Any], float]:
            started = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            reply = response.read()
            connection.close()
            if response.status != http.client.OK:
                raise RuntimeError(f"{path}: {response.status}")
            return json.loads(reply), time.perf_counter() - started

        with ThreadPoolExecutor(self.concurrency) as pool:
            done = list(pool.map(one, bodies))
        return [reply for reply, _ in done], [seconds for _, seconds in done]

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time of each program with its processes so far."""
        return {name: _cpu_seconds(program) for name, program in self.programs.items()}


def measure(load: Load, kind: str, into: Measured) -> None:
    """Send one round of this kind."""
    bodies = load.bodies(kind)
    before, started = load.cpu_seconds(), time.perf_counter()
    _, seconds = load.send(PATHS[kind], bodies)
    took, after = time.perf_counter() - started, load.cpu_seconds()
    into.per_second.append(len(bodies) / took)
    into.seconds += seconds
    for name, spent in after.items():
        into.cpu.setdefault(name, []).append((spent - before[name]) * 1000 / len(bodies))


def table(measured: dict[str, Measured]) -> Iterator[str]:
    """Yield the lines of the table. Ratios are medians of the rounds' own ratios."""
    yield "| | requests/s | ratio to the floor | p50 | p99 | CPU: web | PostgreSQL | Valkey |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for kind, each in measured.items():
        web = each.cpu["floor" if kind == FLOOR else "web"]
        cpu = [statistics.median(values) for values in (web, each.cpu["PostgreSQL"], each.cpu["Valkey"])]
        cut = statistics.quantiles(each.seconds, n=100)
        figures = [f"{statistics.median(each.per_second):.0f}", f"{ratio(measured, kind):.2f}"]
        figures += [f"{1000 * cut[49]:.1f} ms", f"{1000 * cut[98]:.1f} ms", *(f"{each:.2f} ms" for each in cpu)]
        yield f"| {kind} | {' | '.join(figures)} |"


def ratio(measured: dict[str, Measured], kind: str) -> float:
    pairs = zip(measured[kind].per_second, measured[FLOOR].per_second, strict=True)
    return statistics.median(own / floor for own, floor in pairs)


def plot(ratios: dict[str, float]) -> str:
    """Return an SVG of the ratios, with those from before beside them."""
    rows = []
    for position, (kind, now) in enumerate(ratios.items()):
        y = 40 + position * 60
        rows.append(f'<text x="10" y="{y + 22}">{kind}</text>')
        for offset, value, color in ((0, now, "#2563eb"), (18, BEFORE.get(kind), "#94a3b8")):
            if value:
                rows.append(f'<rect x="190" y="{y + offset}" width="{400 * value:.0f}" height="15" fill="{color}"/>')
                rows.append(f'<text x="{196 + 400 * value:.0f}" y="{y + offset + 12}">{value:.2f}</text>')
    head = '<svg xmlns="http://www.w3.org/2000/svg" width="660" height="300" font-family="sans-serif" font-size="13">'
    paper = '<rect width="660" height="300" fill="#fff"/>'
    title = '<text x="10" y="22">Requests per second, as ratios to the floor</text>'
    return "\n".join([head, paper, title, *rows, '<text x="10" y="290">blue: now, gray: before</text>', "</svg>\n"])


def main() -> None:
    """Measure, print the table, write the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--users", type=int, default=500)
    options = parser.parse_args()
    measured = {kind: Measured() for kind in PATHS}
    with servers() as programs:
        load = Load(programs, users=options.users, concurrency=options.concurrency)
        for kind in PATHS:
            measure(load, kind, Measured())  # warm up
        for each in range(options.rounds):
            for kind in list(PATHS)[:: -1 if each % 2 else 1]:
                measure(load, kind, measured[kind])
        memory = [each.memory_info().rss / 2**20 for each in _family(programs["web"])[1:]]
    print("\n".join(table(measured)))  # noqa: T201
    print(f"\nMemory of each web process: {max(memory):.0f} MiB.")  # noqa: T201
    (ROOT / "docs" / "performance.svg").write_text(plot({kind: ratio(measured, kind) for kind in PATHS}))


def _family(program: Program) -> list[psutil.Process]:
    return [process := psutil.Process(program.pid), *process.children(recursive=True)]


def _cpu_seconds(program: Program) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in _family(program))


def _answer(opened: dict[str, Any], credential_id: str) -> dict[str, Any]:
    members = {"type": "key.get", "challenge": opened["challenge"], "origin": ORIGIN, "crossOrigin": False}
    client_data = json.dumps(members).encode()
    assertion = {
        "credId": credential_id,
        "clientData": _base64url(client_data),
        "signature": _base64url(KEY.sign(client_data, ec.ECDSA(SHA256()))),
    }
    factor = {"kind": "PasswordProtectedKey", "credentialAssertion": assertion}
    return {"challengeIdentifier": opened["challengeIdentifier"], "firstFactor": factor}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


if __name__ == "__main__":
    main()
