"""Run the whole project on this machine, from Python packages alone (`make demo`).

It starts Valkey from a wheel, web, worker and scheduler over SQLite, invites one person, and prints each email as it is
sent. With `--check` it walks one person through the whole flow instead, and exits with 0 or 1.
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
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

import django
from django.contrib.auth import get_user_model
from django.core.management import call_command

from project.mailbox import Email, read_emails
from project.processes import ROOT, Program, ProgramFailedError
from project.programs import Scheduler, Valkey, Web, Worker

FIRST_PORT = 8000
PORTS_TO_TRY = 20
EMAIL_SECONDS = 30.0
INVITED = "jane@example.com"
VITE = "http://localhost:5173"  # where `npm run dev` serves the examples; passkeys are bound to origins
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOT_INHERITED = ("CELERY_BROKER_URL", "DFNS_LOGIN_KEYS", "TRUSTED_PROXY_HOPS", "SECURE_SSL_REDIRECT")


class DemoFailedError(Exception):
    """The demo cannot go on. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The port of one demo, and the folders for its data and for its socket."""

    port: int
    folder: Path
    socket_folder: Path

    @property
    def url(self) -> str:
        """The address by name: browsers allow no passkeys on 127.0.0.1."""
        return f"http://localhost:{self.port}"

    @property
    def mail_folder(self) -> Path:
        return self.folder / "mail"

    def environment(self, *, redis_url: str) -> dict[str, str]:
        """Return the environment for the project's programs."""
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        return inherited | {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "DEBUG": "1",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "PUBLIC_URL": self.url,
            "RELYING_PARTY_NAME": "Example",
            "ORIGINS": f"{self.url},{VITE}",
            "DATABASE_URL": f"sqlite:///{self.folder}/db.sqlite3",
            "REDIS_URL": redis_url,
            "EMAIL_URL": f"filemail://{self.mail_folder}",
            "DEFAULT_FROM_EMAIL": "login@example.com",
        }


@contextlib.contextmanager
def new_place(*, first_port: int) -> Iterator[Place]:
    """Find a free port and make its folders. The socket's folder has a short path, as sockets need."""
    port = free_port(first_port)
    folder = ROOT / "var" / "demo" / str(port)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "mail").mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="dfns-", dir="/tmp") as socket_folder:
        yield Place(port=port, folder=folder, socket_folder=Path(socket_folder))


def free_port(first: int) -> int:
    """Return the first unused loopback port from this one on."""
    for port in range(first, first + PORTS_TO_TRY):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise DemoFailedError(f"No port is free from {first} to {first + PORTS_TO_TRY - 1}.")


class RunningProject:
    """Valkey, web, worker and scheduler, with one emptied database and mailbox."""

    def __init__(self, place: Place) -> None:
        valkey = Valkey(place.socket_folder, os.environ)
        environment = place.environment(redis_url=valkey.url)
        self.place = place
        self.environment = environment
        self._valkey = valkey
        self._programs: list[Program] = [
            Web(place.folder, environment, port=place.port),
            Worker(place.folder, environment),
            Scheduler(place.folder, environment),
        ]
        self._seen: set[str] = set()

    def start(self) -> None:
        """Migrate the database and start everything."""
        self._valkey.start()
        django.setup()
        call_command("migrate", verbosity=0)
        for program in self._programs:
            program.launch()
        for program in self._programs:
            program.wait_until_ready()

    def stop(self) -> None:
        for program in reversed([self._valkey, *self._programs]):
            program.stop(patience_seconds=5)

    def new_mails(self) -> list[Email]:
        """Return the emails that came since the last call, oldest first.

        Raises: ProgramFailedError, if a program has ended.
        """
        for program in [self._valkey, *self._programs]:
            program.check()
        new = [mail for mail in read_emails(self.place.mail_folder) if mail.message_id not in self._seen]
        self._seen.update(mail.message_id for mail in new)
        return new


def operate(*arguments: str) -> dict[str, Any]:
    """Run `manage.py dfns` with these arguments, and return its output."""
    output = StringIO()
    call_command("dfns", *arguments, "--json", stdout=output)
    value: dict[str, Any] = json.loads(output.getvalue())
    return value


def make_superuser() -> str:
    """Make the user `admin`, and return its password."""
    password = secrets.token_urlsafe(12)
    get_user_model().objects.create_superuser("admin", "admin@example.com", password)
    return password


def stop_on_signals() -> None:
    """Raise SystemExit on the signals that end a program, SIGINT included, which shells ignore in the background."""

    def leave(number: int, _frame: object) -> NoReturn:
        ignore_signals()
        raise SystemExit(0 if number == signal.SIGINT else 128 + number)

    for each in ENDING_SIGNALS:
        signal.signal(each, leave)


def ignore_signals() -> None:
    """Let nothing interrupt the stop."""
    for each in ENDING_SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def show_project(project: RunningProject) -> None:
    """Invite a person, print what to do next, and print emails until a signal comes."""
    place = project.place
    password = make_superuser()
    organization = operate("organization", "create", "Example")["id"]
    operate("invite", INVITED, "--organization", organization)
    python = os.path.relpath(sys.executable)
    print(
        f"""
  The project is running at {place.url}/

    Sign in        {place.url}/login/
    Emails         {place.url}/mail/   and below, as they are sent
    Admin          {place.url}/admin/dfns_login/   user admin, password {password}
    Organization   {organization}
    Invited        {INVITED}

  To register as {INVITED}, open the link in the invitation, enter the code and choose a password.
  You are then signed in. Sign out on the account page, and sign in again.
  To do the same without a browser, run in another terminal:

    {python} -m project.person register {INVITED} {organization} --url {place.url}
    {python} -m project.person login {INVITED} {organization} --url {place.url}

  Every official Dfns client works too: give it {place.url} and the organization above.
  `make demo-check` walks one person through the whole flow.

  Data and logs are in var/demo/{place.port}/ and are deleted at the next start. Press Ctrl-C to stop.
""",
        flush=True,
    )
    while True:
        for mail in project.new_mails():
            rule = f"── {mail.sent_at:%H:%M:%S} UTC ── to {mail.recipient} "
            print(f"{rule:─<78}\n{mail.subject}\n\n{mail.text.strip()}\n", flush=True)
        time.sleep(0.2)


def check_project(project: RunningProject) -> None:
    """Walk one person through the whole flow.

    Raises: DemoFailedError, at the first step that fails.
    """
    from project.person import FlowError, RefusedError, run_flow  # noqa: PLC0415  showing the project needs no client

    waiting: list[Email] = []

    def read_mail() -> Email:
        """Wait for the next email."""
        deadline = time.monotonic() + EMAIL_SECONDS
        while time.monotonic() < deadline:
            if waiting:
                return waiting.pop(0)
            waiting.extend(project.new_mails())
            time.sleep(0.05)
        raise DemoFailedError(f"No email came within {EMAIL_SECONDS:.0f} seconds.")

    organization = operate("organization", "create", "Example")["id"]
    operate("invite", INVITED, "--organization", organization)
    try:
        run_flow(base_url=project.place.url, org_id=organization, email=INVITED, read_mail=read_mail)
    except (FlowError, RefusedError, OSError) as error:
        raise DemoFailedError(f"The flow failed: {error}") from error


def main() -> None:
    """Start the project, show or check it, and stop it, whatever happens."""
    parser = argparse.ArgumentParser(prog="python -m project.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="walk through the whole flow once, and exit with 0 or 1")
    checking = parser.parse_args().check
    stop_on_signals()
    with new_place(first_port=FIRST_PORT) as place:
        project = RunningProject(place)
        os.environ.clear()
        os.environ.update(project.environment, LOG_LEVEL="WARNING")  # this process only prints emails
        try:
            project.start()
            (check_project if checking else show_project)(project)
        finally:
            ignore_signals()
            project.stop()


if __name__ == "__main__":
    try:
        main()
    except (DemoFailedError, ProgramFailedError, FileNotFoundError) as failure:
        sys.exit(f"\n{failure}")
