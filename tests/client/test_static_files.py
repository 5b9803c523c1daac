"""The bundle in the storages of static files that projects use (R-195)."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.test_bundle import STATIC_IMPORT
from tests.support.servers import ROOT

HASHED = "whitenoise.storage.CompressedManifestStaticFilesStorage"
IGNORED = ("admin", "rest_framework")
SERVE = """
import django, os
django.setup()
from django.templatetags.static import static
from django.test import Client
for name in ("sign_in.js", "envelope.worker.js", os.environ["CHUNK"]):
    url = static(f"dfns_login/dist/{name}") if "chunk" not in name else f"/static/dfns_login/dist/{name}"
    served = Client(headers={"Accept-Encoding": "gzip, br"}).get(url)
    told = served.headers.get("Content-Encoding"), "immutable" in served.headers["Cache-Control"]
    print(url.rpartition("/")[2], *told, "Content-Security-Policy" in served.headers)
    served.close()
"""


def run(folder: Path, *command: str, **environment: str) -> str:
    given = {"PATH": "", "DEBUG": "1", "PYTHONPATH": f"{folder}:{ROOT}", "STATIC_ROOT": f"{folder}/static"}
    done = subprocess.run(
        [sys.executable, *command], env=given | environment, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return done.stdout


def collect(folder: Path, *, settings: str) -> list[Path]:
    """Run `collectstatic`. Return the scripts."""
    ignored = [f"--ignore={each}" for each in IGNORED]
    command = ["-m", "django", "collectstatic", "--noinput", "--verbosity=0", *ignored]
    run(folder, *command, DJANGO_SETTINGS_MODULE=settings)
    return list((folder / "static" / "dfns_login" / "dist").glob("*.js"))


def missing(scripts: list[Path]) -> set[str]:
    """Return the scripts that others import, and that are not there."""
    wanted = {found for script in scripts for found in STATIC_IMPORT.findall(script.read_text())}
    assert wanted
    return wanted - {script.name for script in scripts}


@pytest.mark.slow
def test_the_project_serves_compressed_files_that_browsers_keep(tmp_path: Path) -> None:
    """R-92, R-195. Also with DEBUG, as in the demo."""
    scripts = collect(tmp_path, settings="project.settings")
    assert missing(scripts) == set()
    chunk = next(each.name for each in scripts if each.name.startswith("chunk-") and each.name.count(".") == 1)
    served = run(tmp_path, "-c", SERVE, CHUNK=chunk, DJANGO_SETTINGS_MODULE="project.settings")
    names, *told = zip(*(line.split() for line in served.splitlines()), strict=True)
    assert told == [("br", "br", "br"), ("True", "True", "True"), ("False", "True", "False")]
    assert "sign_in.js" not in names


@pytest.mark.slow
def test_an_import_is_missing_if_only_hashed_names_are_kept(tmp_path: Path) -> None:
    storages = {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}, "staticfiles": {"BACKEND": HASHED}}
    lines = ["from project.settings import *", f"STORAGES = {storages!r}", "WHITENOISE_KEEP_ONLY_HASHED_FILES = True"]
    (tmp_path / "collected.py").write_text("\n".join(lines))
    assert missing(collect(tmp_path, settings="collected"))
