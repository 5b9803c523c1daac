"""The example front ends, with the packed client installed."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from project.processes import ROOT, Program
from tests.support.servers import free_port

EXAMPLES: Final = ROOT / "examples"
NAMES: Final = ("react", "vue")


def installed(name: str) -> Path:
    """Return the folder of an example whose packages are installed."""
    folder = EXAMPLES / name
    is_there = (folder / "node_modules" / "@dfns-login" / "client" / "index.js").is_file()
    assert is_there, f"The packages of {folder} are not installed: `make examples` installs them."
    return folder


def vite(name: str, *, node: str) -> list[str]:
    return [node, str(installed(name) / "node_modules" / "vite" / "bin" / "vite.js")]


def build(name: str, folder: Path, *, node: str, environment: Mapping[str, str]) -> None:
    """Build the example into the folder."""
    command = [*vite(name, node=node), "build", str(EXAMPLES / name), "--outDir", str(folder), "--emptyOutDir"]
    command += ["--logLevel=warn"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class Vite(Program):
    """A server of Vite. `command` follows `vite`: `dev` or `preview`, the example's folder and options."""

    name = "vite"

    def __init__(self, folder: Path, *, command: list[str], environment: Mapping[str, str]) -> None:
        super().__init__(folder, {**os.environ, **environment})
        port = free_port()
        self.url = f"http://localhost:{port}"
        self._command = [*command, "--port", str(port), "--strictPort"]

    def command(self) -> list[str]:
        return self._command

    def is_ready(self) -> bool:
        return "Local" in self.log_since_start
