"""Time the answers to names that exist and names that do not, and write what differs into docs/timing.md.

    python -m benchmarks.timing --samples 10000

Starts PostgreSQL, Valkey and the project on this machine, which should do nothing else. One client sends one request
after another. In each round, every class of account gets one request, in random order. A class passes if its times do
not differ from its reference by Welch's t-test, or differ too little to matter (`welch.py`). Every series includes a
class with an injected leak, which must fail.
"""

import argparse
import json
import os
import platform
import random
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import django

from benchmarks.timing_leak import HEADER
from benchmarks.welch import Comparison, compare
from project.programs import Web
from tests.support.servers import ROOT, PostgreSQL, Valkey, free_port

if TYPE_CHECKING:
    from benchmarks.timing_cases import Case
    from benchmarks.timing_series import Series

PAGE: Final = ROOT / "docs" / "timing.md"
RESULTS: Final = "\n## Results\n"
WARM_UP_ROUNDS: Final = 100


class DurablePostgreSQL(PostgreSQL):
    """PostgreSQL that waits for the disk, as in production."""

    def command(self) -> list[str]:
        return [*super().command(), "-c", "fsync=on"]


class OneThread(Web):
    """A web server that answers one request at a time."""

    processes: ClassVar[int] = 1
    threads: ClassVar[int] = 1


class Connection:
    """One connection to the web server, for timed requests."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, path: str, body: Mapping[str, Any], *, leak_us: int = 0) -> "tuple[float, int, bytes]":
        """Send one request. Returns the microseconds until its answer was there, its status and its body."""
        text = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        request = f"{head}{HEADER}: {leak_us:05}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text
        started = time.perf_counter_ns()
        self._socket.sendall(request)
        answer = bytearray()
        while b"\r\n\r\n" not in answer:
            answer += self._receive()
        header, _, content = bytes(answer).partition(b"\r\n\r\n")
        length = int(header.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(content) < length:
            content += self._receive()
        return (time.perf_counter_ns() - started) / 1000, int(header.split(b" ")[1]), content

    def _receive(self) -> bytes:
        received = self._socket.recv(65536)
        if not received:
            raise ConnectionError("the server closed the connection")
        return received


@contextmanager
def server() -> Iterator[int]:
    """Start the project, and set Django up on its database. Yields the port."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres, valkey = stack.enter_context(DurablePostgreSQL()), stack.enter_context(Valkey())
        port = free_port()
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "benchmarks.timing_settings",
            "DATABASE_URL": postgres.create_database("timing"),
            "REDIS_URL": valkey.url,
            "EMAIL_URL": f"filemail://{folder}/mail",
            "SECRET_KEY": "x" * 50,
            "PUBLIC_URL": f"http://localhost:{port}",
            "SECURE_SSL_REDIRECT": "0",
            "DEFAULT_FROM_EMAIL": "login@example.co",
        }
        from dfns_login.key_rings import new_rings  # noqa: PLC0415  needs the environment

        os.environ["DFNS_LOGIN_KEYS"] = json.dumps(new_rings(now=datetime.now(UTC)))
        django.setup()
        from django.core.management import call_command  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        stack.enter_context(OneThread(folder, os.environ, port=port))
        yield port


def analyze() -> None:
    """Have PostgreSQL count the rows, as it does by itself some time after they were inserted."""
    from django.db import connection  # noqa: PLC0415  needs Django

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def measure(series: "Series", connection: Connection, *, samples: int) -> dict[str, list[float]]:
    """Send this many requests for each class, in rounds of random order. Returns the times in microseconds."""
    times: dict[str, list[float]] = {case.name: [] for case in series.cases}
    analyze()
    order = list(series.cases)
    for number in range(-WARM_UP_ROUNDS, samples):
        if number % series.rounds == 0 or number == -WARM_UP_ROUNDS:
            bodies = series.prepare(connection)
        random.shuffle(order)
        for case in order:
            body = bodies[case.name][number % len(case.recipients)]
            taken, status, content = connection.send(series.path, body, leak_us=case.leak_us)
            if status != series.status:
                raise RuntimeError(f"{series.title}, {case.name}: {status} {content[:200]!r}")
            if number >= 0:
                times[case.name].append(taken)
    return times


def judge(cases: "Sequence[Case]", times: Mapping[str, Sequence[float]]) -> "list[tuple[Case, Comparison]]":
    """Compare each class with its reference."""
    return [(case, compare(times[case.name], reference=times[case.like])) for case in cases if case.like]


def as_expected(case: "Case", found: Comparison) -> bool:
    """Return whether the leak was found, and nothing else."""
    return found.alike is not bool(case.leak_us)


def table(title: str, found: "Sequence[tuple[Case, Comparison]]") -> list[str]:
    """Return the results of one series in Markdown."""
    rows = [
        f"| {case.name} | {case.like} | {it.median / 1000:.2f} ms | {it.difference:+.0f} µs | {it.iqr_share:.1%} "
        f"| {it.t:.1f} | {'alike' if it.alike else '**differs**'} |"
        for case, it in found
    ]
    head = "| class | reference | median | difference | of IQR | max. t | |"
    return [f"### {title}", "", head, "| --- | --- | --: | --: | --: | --: | --- |", *rows, ""]


def main() -> None:
    """Measure each series, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000, help="of each class")
    parser.add_argument("--only", default="", help="measure only series whose title contains this; writes no page")
    options = parser.parse_args()
    lines, failed, started = [], [], time.monotonic()
    with server() as port:
        from benchmarks.timing_series import all_series  # noqa: PLC0415  needs Django

        for series in all_series():
            if options.only in series.title:
                found = judge(series.cases, measure(series, Connection(port), samples=options.samples))
                failed += [f"{series.title}: {case.name}" for case, it in found if not as_expected(case, it)]
                lines += table(series.title, found)
                print("\n".join(table(series.title, found)), flush=True)  # noqa: T201
    minutes = (time.monotonic() - started) / 60
    conditions = (
        f"{datetime.now(UTC):%Y-%m-%d}, {options.samples} samples of each class, {minutes:.0f} minutes, "
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}."
    )
    if not options.only:
        head = PAGE.read_text().partition(RESULTS)[0]
        PAGE.write_text("\n".join([head + RESULTS, conditions, "", *lines]).rstrip() + "\n")
    raise SystemExit("not as expected: " + "; ".join(failed) if failed else 0)


if __name__ == "__main__":
    main()
