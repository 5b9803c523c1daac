"""The lock files: everything that `make` installs is pinned, with its hash (R-120)."""

import json
import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.servers import ROOT

PYTHON_LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
NPM_PACKAGES = [ROOT / "dfns_login" / "client", ROOT / "tests" / "support" / "javascript"]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}(?!\S)")


def entries(lock: Path) -> list[str]:
    """One text for each entry of a lock: its requirement and its hashes."""
    lines = [line for line in lock.read_text().splitlines() if not line.strip().startswith("#")]
    return [entry for entry in "\n".join(lines).replace("\\\n", " ").splitlines() if entry.strip()]


def locked(lock: Path) -> dict[str, list[Version]]:
    """The versions of each package; several if they depend on the Python version or the platform."""
    versions: dict[str, list[Version]] = {}
    for entry in entries(lock):
        requirement = Requirement(entry.partition("--hash")[0])
        (pin,) = requirement.specifier
        versions.setdefault(canonicalize_name(requirement.name), []).append(Version(pin.version))
    return versions


@pytest.mark.parametrize("lock", PYTHON_LOCKS, ids=lambda lock: lock.name)
def test_each_python_package_is_pinned_with_a_hash(lock: Path) -> None:
    assert entries(lock)
    assert "://" not in lock.read_text(), "A lock names no registry."
    for entry in entries(lock):
        requirement = Requirement(entry.partition("--hash")[0])
        assert [each.operator for each in requirement.specifier] == ["=="], entry
        assert requirement.url is None
        assert HASH.search(entry), entry


@pytest.mark.parametrize("package", NPM_PACKAGES, ids=lambda package: package.name)
def test_each_npm_package_is_pinned_with_a_hash(package: Path) -> None:
    lock = json.loads((package / "package-lock.json").read_text())["packages"]
    manifest = json.loads((package / "package.json").read_text())
    for kind in ("dependencies", "devDependencies"):
        assert lock[""][kind] == manifest[kind]
    for name, each in lock.items():
        if name:
            assert each["integrity"].startswith("sha512-"), name
            assert "resolved" not in each, "A lock names no registry."


def test_the_locks_satisfy_what_the_project_asks_for() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = told["project"]["optional-dependencies"]
    asked = {
        "demo.txt": [told["project"]["dependencies"], extras["server"], extras["demo"]],
        "dev.txt": [told["project"]["dependencies"], *extras.values(), told["dependency-groups"]["dev"]],
    }
    for name, groups in asked.items():
        versions = locked(ROOT / "requirements" / name)
        requirements = map(Requirement, chain(*groups))
        for requirement in (each for each in requirements if each.name != told["project"]["name"]):
            found = versions[canonicalize_name(requirement.name)]
            assert all(version in requirement.specifier for version in found), requirement


def test_make_installs_only_what_is_locked() -> None:
    """Each call of pip checks hashes, and npm installs by `ci`, which does."""
    lines = (ROOT / "Makefile").read_text().replace("\\\n", " ").splitlines()
    assert any(re.match(r"INSTALL := .*-m pip install .*--require-hashes", line) for line in lines)
    others = [line for line in lines if re.search(r"\b(pip|npm) install\b", line)]
    assert [line.partition(" =")[0].partition(" :=")[0] for line in others] == ["INSTALL", "NPM_LOCK"]
