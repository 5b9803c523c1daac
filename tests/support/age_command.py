"""Run the `age` command. It reads passphrases only from a terminal, so it gets one."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PATIENCE_SECONDS: Final = 60
ADVICE: Final = "Install `age` (https://age-encryption.org), or let `apt-get download age` reach a mirror."
PROMPT: Final = b"assphrase"
# Runs in the child: makes its standard input the terminal that `age` opens as /dev/tty.
ON_THE_TERMINAL: Final = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True, slots=True)
class Age:
    """The `age` command at the path `program`."""

    program: str

    def decrypt(self, file: bytes, *, passphrase: str) -> bytes:
        """Run `age -d`.

        Raises: CalledProcessError, for example if the passphrase is wrong.
        """
        return self._run("-d", data=file, passphrase=passphrase)

    def encrypt(self, data: bytes, *, passphrase: str, armored: bool) -> bytes:
        """Run `age -p`."""
        return self._run("-p", *(["-a"] if armored else []), data=data, passphrase=passphrase)

    def _run(self, *arguments: str, data: bytes, passphrase: str) -> bytes:
        ours, its = pty.openpty()
        read, write = os.pipe()
        try:
            with open(write, "wb") as pipe:  # noqa: PTH123  it has no path
                pipe.write(data)
            command = [sys.executable, "-c", ON_THE_TERMINAL, self.program, *arguments, f"/dev/fd/{read}"]
            with subprocess.Popen(
                command, stdin=its, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[read]
            ) as process:
                self._answer_prompts(process, ours, passphrase)
                output, complaint = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            for descriptor in (ours, its, read):
                os.close(descriptor)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, self.program, output, complaint)
        return output

    @staticmethod
    def _answer_prompts(process: "subprocess.Popen[bytes]", terminal: int, passphrase: str) -> None:
        """Type the passphrase at each prompt, until the command ends."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        shown = b""
        while process.poll() is None and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.05)[0]:
                shown += os.read(terminal, 1024)
            if PROMPT in shown and shown.rstrip(b"\x1b[0mK ").endswith(b":"):
                os.write(terminal, passphrase.encode() + b"\n")
                shown = b""


def find_age() -> Age:
    """Find the machine's `age`, or else unpack the Debian package into the virtual environment."""
    folder = Path(sys.prefix) / "age"
    beside = folder / "usr" / "bin" / "age"
    found = shutil.which("age") or (str(beside) if beside.exists() else None)
    if found:
        return Age(found)
    try:
        _unpack_package(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        raise AssertionError(f"There is no `age` command. {ADVICE}\n{getattr(error, 'stderr', error)}") from error
    return Age(str(beside))


def _unpack_package(folder: Path) -> None:
    """Download the package and apt's lists into the folder, without root."""
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    own = [f"-oDir::State::lists={folder}/lists", f"-oDir::Cache={folder}/cache", "-oAPT::Sandbox::User="]
    for command in (
        ["apt-get", "-q", *own, "update"],
        ["apt-get", "-q", *own, "download", "age"],
        ["sh", "-c", "dpkg-deb -x age_*.deb ."],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    shutil.rmtree(folder / "lists")
