"""Run a program beside this one, and end it with this one."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 10.0

# The child asks the kernel (Linux) to signal it when its parent dies, checks that the parent is still alive, and
# becomes the program. `preexec_fn` would be too early: a later change of user cancels the request.
LEASH = """
import ctypes, os, sys
death_signal, parent, *command = sys.argv[1:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(death_signal))
if os.getppid() == int(parent):
    os.execvp(command[0], command)
"""


class ProgramFailedError(Exception):
    """A program did not start, or has ended. The message includes the end of its log."""


def packaged_program(package: str, pattern: str) -> str:
    """Return the path of a program that a wheel brings, without importing the package.

    Raises: FileNotFoundError, if the package or the program is missing.
    """
    found = importlib.util.find_spec(package)
    programs = sorted(Path(found.origin).parent.glob(pattern)) if found and found.origin else []
    if not programs:
        raise FileNotFoundError(f"{package} has no {pattern}")
    return str(programs[0])


class Program:
    """A program with a log file, in a session of its own.

    On Linux the kernel sends it `death_signal` when the thread that started it ends, so start it from a thread that
    stays. `environment` is its whole environment.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    death_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self._log_file = folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0

    def command(self) -> list[str]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Return whether the program does its work."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start the program, and return when it is ready.

        Raises: ProgramFailedError.
        """
        self.launch()
        self.wait_until_ready()
        return self

    def launch(self) -> None:
        """Start the program without waiting for it. Its output is appended to its log."""
        self._started_at = len(self.log)
        leash = [sys.executable, "-I", "-S", "-c", LEASH, str(int(self.death_signal)), str(os.getpid())]
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  the subclasses name the commands
                self.run_as([*leash, *self.command()]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=ROOT,
                start_new_session=True,
            )

    def run_as(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs this one as the user the program needs."""
        return [*command]

    def wait_until_ready(self) -> None:
        """Raises: ProgramFailedError, if the program ends or is not ready after 30 seconds."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            self.check()
            if time.monotonic() > deadline:
                self.kill()
                raise ProgramFailedError(
                    f"{self.name} is not ready after {START_SECONDS:.0f} seconds. Its log:\n{self.log_since_start}"
                )
            time.sleep(0.02)

    def check(self) -> None:
        """Raises: ProgramFailedError, if the program has ended."""
        if not self.running:
            self.kill()
            raise ProgramFailedError(f"{self.name} has ended. The end of its log:\n{self.log_since_start[-4000:]}")

    def stop(self, *, patience_seconds: float = STOP_SECONDS) -> None:
        """Ask the program to stop, wait, and kill what is left of it and its children."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_seconds)
        self.kill()

    def kill(self) -> None:
        """Kill the program and its children."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def restart(self) -> Self:
        """Stop the program if it runs, and start it on the same data and address."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, _type: type[BaseException] | None, _raised: object, _trace: TracebackType | None) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id, or 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def log(self) -> str:
        """Everything the program has printed, over all its starts."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    @property
    def log_since_start(self) -> str:
        return self.log[self._started_at :]
