"""How the app is packaged, and what is told about the packages in it (R-120)."""

import json
import os
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
    env = os.environ | {"SOURCE_DATE_EPOCH": "1790000000"}
    return subprocess.run(command, cwd=repository, env=env, capture_output=True, text=True, check=False)


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
    assert {"dfns_login/client/index.ts", "dfns_login/client/package-lock.json", "hatch_build.py"} <= sdist
    assert not [name for name in wheel | sdist if "node_modules" in name]


def link(source: str, target: str) -> None:
    """Hard-link a file, or copy it to another file system. For `copytree`."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.mark.slow
def test_the_same_sources_give_the_same_bytes(repository: Path, tmp_path: Path, node: str) -> None:
    """Whoever builds the bundle and the packages again, in another folder and at another time, can compare them."""
    built = []
    for folder in (tmp_path / "a", tmp_path / "another" / "folder"):
        shutil.copytree(repository, folder)
        client = folder / "dfns_login" / "client"
        shutil.rmtree(client / "node_modules")
        shutil.copytree(SOURCES / "node_modules", client / "node_modules", symlinks=True, copy_function=link)
        subprocess.run([node, "build.mjs"], cwd=client, check=True)
        for each in (folder / "dfns_login").glob("*.py"):
            os.utime(each, (len(built), len(built)))
        done = build(folder, "-d", str(folder / "packages"))
        assert done.returncode == 0, done.stderr
        built.append({each.name: each.read_bytes() for each in (folder / "packages").iterdir()})
    first, second = built
    assert sorted(name.rpartition(".")[2] for name in first) == ["gz", "whl"]
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


@pytest.mark.slow
def test_the_bill_of_materials_lists_each_bundled_package_with_its_license(node: str) -> None:
    """`make sbom` writes it by this command, from the lock file alone."""
    npm = Path(node).with_name("npm")
    options = ["--sbom-format", "cyclonedx", "--package-lock-only", "--omit", "dev", "--prefix", str(SOURCES)]
    done = subprocess.run([npm, "sbom", *options], cwd=ROOT, capture_output=True, text=True, check=True)
    bill = json.loads(done.stdout)
    assert bill["bomFormat"] == "CycloneDX"
    listed = {each["name"]: each for each in bill["components"]}
    assert all(each["licenses"] and each["hashes"] for each in listed.values())
    packages = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
    shipped = {name for name, each in packages.items() if name and not each.get("dev")}
    assert listed.keys() == {name.rpartition("node_modules/")[2] for name in shipped}
    told = (DIST / "THIRD_PARTY_LICENSES.txt").read_text()
    bundled = set(re.findall(r"^(\S+) \d+\.\d+\.\d+ \(.+\)$", told, re.MULTILINE))
    assert "age-encryption" in bundled
    assert bundled <= listed.keys()
