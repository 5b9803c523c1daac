"""The lock files: each package with the hashes of its files (R-120)."""

import json
import re
from pathlib import Path

import pytest

from tests.support.servers import ROOT

PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==\S+.*\\$")
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
NPM_LOCKS = [ROOT / "dfns_login" / "client", ROOT / "tests" / "support" / "javascript"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_python_package_is_pinned_with_hashes(path: Path) -> None:
    text = path.read_text()
    packages = [each for each in re.split(r"\n(?=\S)", text.strip()) if not each.startswith("#")]
    assert packages
    for each in packages:
        assert PIN.match(each.splitlines()[0]), each
        assert "--hash=sha256:" in each, each
    assert "://" not in text


@pytest.mark.parametrize("folder", NPM_LOCKS, ids=lambda folder: folder.name)
def test_every_npm_package_is_pinned_with_a_hash(folder: Path) -> None:
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert all(each["integrity"].startswith("sha512-") for name, each in packages.items() if name)
