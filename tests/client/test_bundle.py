"""The bundle: what pages load and when, and what it contains."""

import gzip
import json
import re
from pathlib import Path

import pytest

from tests.support.client_runners import DIST, SOURCES

STATIC_IMPORT = re.compile(r"""(?:import|from)\s*["']\./([\w.-]+\.js)["']""")
SIGNER_LIMIT = 8_000
WORKER_LIMITS = {"envelope.worker.js": 60_000, "strength.worker.js": 32_000}
TEMPLATES = DIST.parents[2] / "templates" / "dfns_login"
PAGES = sorted({name for each in TEMPLATES.glob("*.html") for name in re.findall(r"dist/(\w+\.js)", each.read_text())})
assert {"sign_in.js", "secure.js"} <= set(PAGES)


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


@pytest.mark.parametrize("name", PAGES)
def test_the_script_of_a_page_is_one_file(name: str) -> None:
    """R-195: one request, and none that has to wait for another."""
    assert with_static_imports(name) == {name}


def test_what_signs_with_the_password_loads_after_the_sign_in_page() -> None:
    """R-195: and then in one request."""
    later = set(re.findall(r"chunk-\w+\.js", (DIST / "sign_in.js").read_text()))
    (keys,) = (name for name in later if "The vault was closed." in (DIST / name).read_text())
    assert "The vault was closed." not in (DIST / "sign_in.js").read_text()
    assert with_static_imports(keys) == {keys}


@pytest.mark.parametrize("name", WORKER_LIMITS)
def test_a_worker_is_one_file(name: str) -> None:
    assert with_static_imports(name) == {name}
    assert "import(" not in (DIST / name).read_text()
    assert gzipped({name}) < WORKER_LIMITS[name]


def test_scripts_need_no_more_than_the_policy_allows() -> None:
    for script in scripts():
        needs = re.search(r"\beval\(|\bnew Function\b|\bWebAssembly\b|\binnerHTML\b", script.read_text())
        assert not needs, script


def test_every_bundled_package_has_its_license() -> None:
    said = (DIST / "THIRD_PARTY_LICENSES.txt").read_text()
    manifest = json.loads((SOURCES / "package.json").read_text())
    assert f"age-encryption {manifest['dependencies']['age-encryption']} (BSD-3-Clause)" in said
    assert "Paul Miller" in said
