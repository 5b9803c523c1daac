"""R-153: `dfns quickstart` prints what a project still lacks. Pasting it is enough."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache.backends.locmem import LocMemCache

from dfns_login.delivery import missing_files
from dfns_login.key_rings import key_rings
from dfns_login.management import quickstart
from tests.management.conftest import Dfns
from tests.support.factories import make_organization
from tests.support.servers import ROOT

README = (ROOT / "README.md").read_text()


@pytest.mark.django_db
def test_nothing_is_missing_from_a_complete_project(dfns: Dfns) -> None:
    make_organization()
    assert dfns("quickstart", "--json").json == []
    assert "Nothing is missing" in dfns("quickstart").out


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"DFNS_LOGIN": {}}, {"Settings", "Key rings (never replace those in use)"}),
        ({"MIDDLEWARE": []}, {"Middleware"}),
        ({"LOGIN_URL": "/accounts/login/"}, {"Sign-in page for your own views"}),
        ({"ROOT_URLCONF": "django.contrib.auth.urls"}, {"URLs"}),
        (
            {"CACHES": {"default": {"BACKEND": f"{LocMemCache.__module__}.LocMemCache"}}},
            {"Cache that processes share"},
        ),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_what_is_missing_is_named(dfns: Dfns, settings: Any, change: dict[str, Any], what: set[str]) -> None:
    make_organization()
    for name, value in change.items():
        setattr(settings, name, value)
    found = dfns("quickstart", "--json").json
    assert {each["what"] for each in found} == what
    assert all(each["lines"] in dfns("quickstart").out for each in found if each["where"] != "environment")


@pytest.mark.django_db
def test_a_callable_for_a_user_model_that_needs_more_is_printed(
    dfns: Dfns, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_organization()
    monkeypatch.setattr(get_user_model()._meta.get_field("first_name"), "blank", False)
    module, setting = dfns("quickstart", "--json").json
    assert (module["where"], setting["where"]) == ("project/users.py", "project/settings.py")
    assert "(username=account.username, first_name=..., email=account.email)" in module["lines"]
    compile(module["lines"], "users.py", "exec")
    assert setting["lines"] == 'DFNS_LOGIN["USER_FOR_ACCOUNT"] = "project.users.create_user"'
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "USER_FOR_ACCOUNT": "dfns_login.project_users.user_for_account"}
    assert dfns("quickstart", "--json").json == []


@pytest.mark.django_db
@pytest.mark.parametrize("of_the_project", [True, False])
def test_an_app_of_the_project_is_not_missing_whatever_its_name(
    dfns: Dfns, monkeypatch: pytest.MonkeyPatch, of_the_project: bool
) -> None:
    """Celery makes up an app named `default`, which is not set as the current one."""
    make_organization()
    app = SimpleNamespace(main="default", set_as_current=of_the_project)
    monkeypatch.setattr("dfns_login.delivery.celery_app.current_app", app)
    assert [each["what"] for each in dfns("quickstart", "--json").json] == ["Celery app"] * 2 * (not of_the_project)


@pytest.mark.django_db
def test_the_keys_that_it_prints_are_valid(dfns: Dfns, settings: Any) -> None:
    """The command runs without keys, which every other part of the app requires."""
    make_organization()
    settings.DFNS_LOGIN = {"PUBLIC_URL": "http://localhost:8000"}
    (missing,) = dfns("quickstart", "--json").json
    name, _, quoted = missing["lines"].partition("=")
    assert (name, missing["where"]) == ("DFNS_LOGIN_KEYS", "environment")
    settings.DFNS_LOGIN = {"KEYS": quoted.strip("'")}
    key_rings.cache_clear()
    assert key_rings().current_code_key_id


def test_the_readme_says_the_same(settings: Any) -> None:
    settings.SETTINGS_MODULE = "mysite.settings"
    files = missing_files()
    assert list(files) == ["mysite/celery.py", "mysite/__init__.py"]
    for lines in (*files.values(), quickstart.URLS):
        assert lines in README


@pytest.mark.slow
def test_pasting_what_it_prints_is_enough(tmp_path: Path) -> None:
    """In a project that `startproject` has made, of which only `INSTALLED_APPS` names the app.

    Its settings are in a package that is not that of its URLs.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
    }

    def manage(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite", tmp_path], check=True)
    config = tmp_path / "config" / "settings"
    config.mkdir(parents=True)
    (tmp_path / "mysite" / "settings.py").rename(config / "local.py")
    with (config / "local.py").open("a") as file:
        file.write('\nINSTALLED_APPS += ["dfns_login"]\n')
    missing = json.loads(manage("dfns", "quickstart", "--json"))
    assert len(missing) == 10
    files = {"config/settings/local.py", "config/celery.py", "config/__init__.py", "mysite/urls.py"}
    assert {each["where"] for each in missing} == {*files, "shell"}
    for each in missing:
        if each["where"] == "shell":
            for line in each["lines"].splitlines():
                manage(*line.split()[2:])
        else:
            with (tmp_path / each["where"]).open("a") as file:
                file.write(f"\n{each['lines']}\n")
    assert json.loads(manage("dfns", "quickstart", "--json")) == []
    manage("check", "--fail-level", "ERROR")
