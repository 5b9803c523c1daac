"""The bundle in the storages of static files that projects use: scripts load each other by name."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.test_bundle import STATIC_IMPORT
from tests.support.servers import ROOT

HASHED = "whitenoise.storage.CompressedManifestStaticFilesStorage"


def collect(folder: Path, **values: object) -> list[Path]:
    """Run `collectstatic` with these settings. Return the scripts."""
    lines = ["from project.settings import *", f"STATIC_ROOT = {str(folder / 'static')!r}"]
    lines += [f"{name} = {value!r}" for name, value in values.items()]
    (folder / "collected.py").write_text("\n".join(lines))
    environment = {"PATH": "", "DEBUG": "1", "DJANGO_SETTINGS_MODULE": "collected", "PYTHONPATH": f"{folder}:{ROOT}"}
    command = [sys.executable, "-m", "django", "collectstatic", "--noinput", "--verbosity=0", "--ignore=admin"]
    subprocess.run(command, env=environment, cwd=ROOT, check=True)
    return list((folder / "static" / "dfns_login" / "dist").glob("*.js"))


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True])
def test_every_import_is_found_unless_only_hashed_names_are_kept(tmp_path: Path, *, kept: bool) -> None:
    storages = {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}, "staticfiles": {"BACKEND": HASHED}}
    scripts = collect(tmp_path, STORAGES=storages, WHITENOISE_KEEP_ONLY_HASHED_FILES=kept)
    names = {script.name for script in scripts}
    wanted = {found for script in scripts for found in STATIC_IMPORT.findall(script.read_text())}
    assert wanted
    assert (wanted <= names) is not kept
