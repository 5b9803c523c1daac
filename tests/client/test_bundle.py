"""The bundle: what pages load and when, what it contains, and how it is packaged."""

import gzip
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.client_runners import DIST, SOURCES
from tests.support.servers import ROOT

STATIC_IMPORT = re.compile(r"""(?:import|from)\s*["']\./([\w.-]+\.js)["']""")
SIGNER_LIMIT = 8_000
WORKER_LIMIT = 60_000


def with_static_imports(name: str) -> set[str]:
    """Names of the scripts that this one imports statically."""
    found, pending = set(), [name]
    while pending:
        script = pending.pop()
        if script not in found:
            found.add(script)
            pending += STATIC_IMPORT.findall((DIST / script).read_text())
    return found


def gzipped(names: set[str]) -> int:
    return sum(len(gzip.compress((DIST / name).read_bytes(), 9)) for name in names)


def scripts() -> list[Path]:
    found = sorted(DIST.glob("*.js"))
    assert found, "The client is not built: `make web` builds it."
    return found


def test_the_signer_is_small_and_loads_no_envelope_code() -> None:
    loaded = with_static_imports("signer.js")
    assert gzipped(loaded) < SIGNER_LIMIT
    assert not any("age-encryption.org/v1" in (DIST / name).read_text() for name in loaded)


def test_the_worker_is_one_file() -> None:
    assert with_static_imports("envelope.worker.js") == {"envelope.worker.js"}
    assert "import(" not in (DIST / "envelope.worker.js").read_text()
    assert gzipped({"envelope.worker.js"}) < WORKER_LIMIT


def test_scripts_need_no_more_than_the_policy_allows() -> None:
    for script in scripts():
        needs = re.search(r"\beval\(|\bnew Function\b|\bWebAssembly\b|\binnerHTML\b", script.read_text())
        assert not needs, script


def test_every_bundled_package_has_its_license() -> None:
    said = (DIST / "THIRD_PARTY_LICENSES.txt").read_text()
    manifest = json.loads((SOURCES / "package.json").read_text())
    assert f"age-encryption {manifest['dependencies']['age-encryption']} (BSD-3-Clause)" in said
    assert "Paul Miller" in said


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
    assert all("resolved" not in each for each in packages.values())
    assert all("integrity" in each for name, each in packages.items() if name)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources of the package, without earlier build results."""
    copy = tmp_path_factory.mktemp("repository")
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "dfns_login", copy / "dfns_login", ignore=shutil.ignore_patterns("__pycache__", "dist"))
    (copy / "dfns_login" / "client" / "node_modules" / "left-pad").mkdir(parents=True, exist_ok=True)
    (copy / "dfns_login" / "client" / "node_modules" / "left-pad" / "index.js").touch()
    return copy


def build(repository: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", *options]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def test_packages_are_the_same_bytes_wherever_they_are_built(repository: Path, tmp_path: Path) -> None:
    """R-120."""
    contents = []
    for name in ("here", "there"):
        copy = shutil.copytree(repository, tmp_path / name / "repository")
        shutil.copytree(DIST, copy / "dfns_login" / "static" / "dfns_login" / "dist")
        done = build(copy, "-d", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
        contents.append({each.name: each.read_bytes() for each in (tmp_path / name).iterdir() if each.is_file()})
    assert {Path(name).suffix for name in contents[0]} == {".whl", ".gz"}
    assert contents[0] == contents[1]


def test_packages_cannot_be_built_without_the_bundle(repository: Path, tmp_path: Path) -> None:
    refused = build(repository, "-d", str(tmp_path))
    assert refused.returncode != 0
    assert "run `make web` first" in refused.stdout + refused.stderr


def test_a_wheel_has_the_bundle_and_an_sdist_has_its_sources_too(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(DIST, repository / "dfns_login" / "static" / "dfns_login" / "dist")
    try:
        done = build(repository, "-d", str(tmp_path))
        assert done.returncode == 0, done.stderr
    finally:
        shutil.rmtree(repository / "dfns_login" / "static" / "dfns_login" / "dist")
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        wheel = set(archive.namelist())
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        sdist = {name.partition("/")[2] for name in archive.getnames()}
    bundle = {
        f"dfns_login/static/dfns_login/dist/{each.relative_to(DIST)}" for each in DIST.rglob("*") if each.is_file()
    }
    assert bundle <= wheel & sdist
    assert not [name for name in wheel if name.startswith("dfns_login/client/")]
    assert {"dfns_login/client/signer.ts", "dfns_login/client/package-lock.json", "hatch_build.py"} <= sdist
    assert not [name for name in wheel | sdist if "node_modules" in name]
