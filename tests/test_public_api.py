"""R-151: a project that uses the whole public API, in `tests/support/example`. It imports nothing private."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.servers import ROOT

EXAMPLE = ROOT / "tests" / "support" / "example"
MODULES = sorted(EXAMPLE.rglob("*.py"))
LISTED = re.findall(
    r"^\| `([\w.]+)`(?:, `[\w.]+`)? \| (.+) \|$",
    (ROOT / "docs" / "reference" / "python-api.md").read_text().partition("## What you may import")[2],
    re.MULTILINE,
)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """Run a Python module in a copy of the example, which sees nothing of ours but the package."""
    project = tmp_path / "example"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "dfns_login").symlink_to(ROOT / "dfns_login")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{project}{os.pathsep}{tmp_path / 'site'}",
        "MYPYPATH": str(tmp_path / "site"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def run(*command: str) -> str:
        line = [sys.executable, "-m", *command]
        done = subprocess.run(line, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_it_imports_only_what_is_listed() -> None:
    public = {(module, name) for module, names in LISTED for name in re.findall(r"`(\w+)`", names)}
    found = {
        (str(node.module), each.name)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("dfns_login")
        for each in node.names
    }
    signals = {(module, name) for module, name in found if module == "dfns_login.signals"}
    assert found - public - signals == set()


@pytest.mark.slow
def test_its_own_tests_pass(run: Callable[..., str]) -> None:
    """With the pytest plugin, on its own user model, without keys in its settings."""
    assert re.search(r"\d+ passed", run("pytest", "-q", "-p", "no:randomly", "-p", "no:schemathesis"))


@pytest.mark.slow
def test_it_is_typed(run: Callable[..., str], tmp_path: Path) -> None:
    """Strictly: a project's own mypy sees the types of everything that it may import."""
    assert "Success" in run(
        "mypy", f"--cache-dir={tmp_path / 'cache'}", "shop", "people", "test_shop.py", "conftest.py"
    )
