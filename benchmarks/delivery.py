"""Emails per second of a Celery worker, or the wait of a login code behind other emails.

    python -m benchmarks.delivery --emails 2000 --processes 1
    python -m benchmarks.delivery --invitations 2500 --seconds-per-email 0.05

Starts PostgreSQL, Valkey and a mail server on this machine. In the first form, codes are issued, then the worker
starts; the time runs from the first email to the last. In the second, a login code is requested every two seconds while
the worker sends invitations. CPU is the worker's with its processes, without its start.
"""

import argparse
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import django
import psutil

from project.processes import Program
from project.programs import celery
from tests.support.servers import PostgreSQL, Valkey, free_port

PATIENCE_SECONDS = 600
LOGIN_CODES = 10


class Sink(Program):
    """The mail server."""

    name = "sink"
    port: ClassVar[int] = free_port()
    seconds_per_email: ClassVar[float] = 0.0

    @property
    def received(self) -> list[tuple[float, str]]:
        """Time and recipient of each email."""
        log = self.folder / "received"
        lines = log.read_text().split("\n")[:-1] if log.exists() else []
        return [(float(line.split()[0]), line.split()[1]) for line in lines]

    def command(self) -> list[str]:
        script = Path(__file__).with_name("mail_sink.py")
        return [sys.executable, str(script), str(self.port), f"{self.folder}/received", str(self.seconds_per_email)]

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Worker(Program):
    """A worker as most projects start it."""

    name = "worker"
    processes: ClassVar[int] = 1

    def command(self) -> list[str]:
        return celery("worker", f"--concurrency={self.processes}", "--loglevel=info")

    def is_ready(self) -> bool:
        return " ready." in self.log_since_start

    def cpu_seconds(self) -> float:
        """CPU time of the worker and its processes so far."""
        family = [process := psutil.Process(self.pid), *process.children(recursive=True)]
        return sum(sum(each.cpu_times()[:2]) for each in family)


@contextmanager
def servers() -> Iterator[tuple[Sink, Worker]]:
    """Start everything but the worker, and set Django up."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres, valkey = stack.enter_context(PostgreSQL()), stack.enter_context(Valkey())
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "DATABASE_URL": postgres.create_database("delivery"),
            "REDIS_URL": valkey.url,
            "EMAIL_URL": f"smtp://127.0.0.1:{Sink.port}",
            "SECRET_KEY": "x" * 50,
            "PUBLIC_URL": "https://login.example.co",
            "DEFAULT_FROM_EMAIL": "login@example.co",
        }
        from dfns_login.key_rings import new_rings  # noqa: PLC0415  needs the environment

        os.environ["DFNS_LOGIN_KEYS"] = json.dumps(new_rings(now=datetime.now(UTC)))
        django.setup()
        from django.core.management import call_command  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        yield stack.enter_context(Sink(folder, os.environ)), Worker(folder, os.environ)


def request_codes(number: int, *, name: str, invited: bool) -> list[str]:
    """Issue a code for each of this many new accounts. Returns their addresses."""
    from django.utils import timezone  # noqa: PLC0415

    from dfns_login.models import AccountState, CodePurpose  # noqa: PLC0415
    from dfns_login.proofs import issue_code  # noqa: PLC0415
    from dfns_login.tasks import wake_delivery  # noqa: PLC0415
    from tests.support.factories import SOMEWHERE, make_account, make_organization  # noqa: PLC0415

    organization = make_organization()
    state = AccountState.INVITED if invited else AccountState.REGISTERED
    purpose = CodePurpose.REGISTRATION if invited else CodePurpose.LOGIN
    accounts = [make_account(organization, f"{name}-{each}@example.co", state=state) for each in range(number)]
    for account in accounts:
        issue_code(account.recipient, purpose=purpose, requester=SOMEWHERE, now=timezone.now())
        wake_delivery()
    return [account.email for account in accounts]


def wait_for(sink: Sink, number: int) -> None:
    """Wait until the mail server has this many emails."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(sink.received) < number and time.monotonic() < deadline:
        time.sleep(0.05)


def measure_throughput(sink: Sink, worker: Worker, *, emails: int) -> str:
    """Send this many login codes."""
    request_codes(emails, name="login", invited=False)
    with worker:
        cpu = worker.cpu_seconds()
        wait_for(sink, emails)
        cpu = worker.cpu_seconds() - cpu
    times = [at for at, _ in sink.received]
    rate = (len(times) - 1) / (max(times) - min(times))
    return f"{len(times)} emails, {rate:.1f} per second, {cpu * 1000 / len(times):.2f} ms of CPU each"


def measure_wait(sink: Sink, worker: Worker, *, invitations: int) -> str:
    """Request login codes one by one while invitations wait."""
    request_codes(invitations, name="invited", invited=True)
    waits = []
    with worker:
        wait_for(sink, 1)
        for each in range(LOGIN_CODES):
            asked = time.time()
            (email,) = request_codes(1, name=f"login-{each}", invited=False)
            while not (found := [at for at, recipient in sink.received if recipient == email]):
                time.sleep(0.02)
            waits.append(found[0] - asked)
            time.sleep(2)
        left = invitations + LOGIN_CODES - len(sink.received)
    return (
        f"login codes waited {statistics.median(waits):.2f} s (median), {max(waits):.2f} s (longest); "
        f"{left} of {invitations} invitations were still to be sent"
    )


def main() -> None:
    """Measure once, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emails", type=int, default=2000)
    parser.add_argument("--invitations", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seconds-per-email", type=float, default=0.0)
    options = parser.parse_args()
    Worker.processes, Sink.seconds_per_email = options.processes, options.seconds_per_email
    with servers() as (sink, worker):
        if options.invitations:
            print(measure_wait(sink, worker, invitations=options.invitations))  # noqa: T201
        else:
            print(measure_throughput(sink, worker, emails=options.emails))  # noqa: T201


if __name__ == "__main__":
    main()
