"""The whole project on this machine: Valkey, web, worker and scheduler over SQLite, in a folder of their own."""

import contextlib
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import django
from django.core.management import call_command

from project.mailbox import Email, read_emails
from project.processes import ROOT, Program
from project.programs import Scheduler, Valkey, Web, Worker

PORTS_TO_TRY = 20
VITE = "http://localhost:5173"  # where `npm run dev` serves the examples; passkeys are bound to origins
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
