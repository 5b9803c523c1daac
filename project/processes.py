"""Programs that run beside this one: the demonstration's, and those that the tests start."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Asks the kernel (Linux) for a signal when the parent is gone, makes sure that it is not gone yet, and becomes the
# program. In the child and not in `preexec_fn`, since a change of user between the two would forget the request.
LEASH = """
import ctypes, os, sys
death_signal, parent, *command = sys.argv[1:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(death_signal))
if os.getppid() == int(parent):
    os.execvp(command[0], command)
"""


def leashed(command: Sequence[str], *, death_signal: signal.Signals) -> list[str]:
    """Command that runs the given one, and ends it with the signal once this process is gone, however it went.

    The kernel counts the thread that starts the command as its parent: start it from one that stays.
    """
    return [sys.executable, "-I", "-S", "-c", LEASH, str(int(death_signal)), str(os.getpid()), *command]


def packaged_program(package: str, pattern: str) -> str:
    """Path of a program that a wheel brings, without importing the package.

    Raises FileNotFoundError where the package, or the program in it, is missing.
    """
    found = importlib.util.find_spec(package)
    programs = sorted(Path(found.origin).parent.glob(pattern)) if found and found.origin else []
    if not programs:
        msg = f"{package} brings no {pattern}"
        raise FileNotFoundError(msg)
    return str(programs[0])


class ChildProcess:
    """A program with a log file, in a session of its own, which stops with this process at the latest."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        folder: Path,
    ) -> None:
        self.command = list(command)
        self.log = log
        self._environment = environment
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id; 0 before the first start."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the program; what it prints goes behind what its log holds already."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  runs what the demonstration and the tests name
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._folder,
                start_new_session=True,
            )

    def stop(self, *, by: signal.Signals = signal.SIGTERM, patience_seconds: float = 10) -> None:
        """Ask the program to stop, wait, and end what is left of it and its own children."""
        if self._process is None:
            return
        self._process.send_signal(by)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_seconds)
        self.kill()

    def kill(self) -> None:
        """End the program and its own children at once, with SIGKILL."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
