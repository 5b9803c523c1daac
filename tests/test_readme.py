"""R-153: README and the tutorial, followed word by word in new projects.

The wheel is built and installed, each block of code goes where its first line says, and each command is run. The
official Python client signs a person in after README, in a project with a user model of its own, and then a program, as
the page on that client says. After the tutorial, the person signs in on the page.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from dfns_sdk import DfnsClient, DfnsClientConfig  # type: ignore[import-untyped]
from playwright.sync_api import Browser

from tests.support.authenticators import Client, Kind, SoftwareKey
from tests.support.page_steps import PASSWORD, enter_password, present_code
from tests.support.page_visitor import visiting
from tests.support.servers import ROOT, Valkey, free_port
from tests.test_public_api import EXAMPLE

pytestmark = pytest.mark.live
README = (ROOT / "README.md").read_text().partition("## Add it to your project")[2].partition("\n## ")[0]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
START = "python -m django startproject mysite .\n"
WAIT = 60
NO_TOKEN = "none"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the command of `make dist` and installed."""
    built, site = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", built], cwd=ROOT, check=True, capture_output=True)
    assert sorted(each.suffix for each in built.iterdir()) == [".gz", ".whl"]
    (wheel,) = built.glob("*.whl")
    assert f"pip install './{wheel.name}[postgres]'" in README
    assert f"pip install './{wheel.name}'" in TUTORIAL
    command = ["-m", "uv", "pip", "install", "--offline", "--no-deps", "--target", site, wheel]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return site


class Project:
    """A project in a folder, and the processes that it runs."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.processes: list[subprocess.Popen[bytes]] = []

    def run(self, script: str) -> str:
        done = subprocess.run(
            ["/bin/bash", "-euc", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, command: str) -> None:
        with self.log.open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    ["/bin/bash", "-euc", f"exec {command}"],
                    cwd=self.folder,
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                )
            )

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    def code(self, *, number: int) -> str:
        """The code of the first email, second email, …"""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            found = re.findall(r"^@localhost #(\S+)$", self.log.read_text(errors="replace"), re.MULTILINE)
            if len(found) >= number:
                return str(found[number - 1])
            time.sleep(0.1)
        raise AssertionError(self.log.read_text(errors="replace"))


@pytest.fixture
def redis_url() -> Iterator[str]:
    port = free_port()
    with Valkey(arguments=["--port", str(port), "--bind", "127.0.0.1"]):
        yield f"redis://localhost:{port}/0"


@pytest.fixture
def project(tmp_path: Path, site: Path, redis_url: str) -> Iterator[Project]:
    """An empty folder, from which each of the commands runs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, module in (("python", ""), ("celery", "-m celery")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (programs / name).chmod(0o755)
    folder = tmp_path / "project"
    folder.mkdir()
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(site),
        "PYTHONUNBUFFERED": "1",
        "REDIS_URL": redis_url,
        "PUBLIC_URL": f"http://localhost:{free_port()}",
    }
    project = Project(folder, environment)
    yield project
    for each in project.processes:
        each.terminate()
    for each in project.processes:
        each.wait(WAIT)


def with_a_user_model_of_its_own(project: Project) -> None:
    """Email as the name, a UUID as the key, a required field."""
    project.run(START)
    shutil.copytree(EXAMPLE / "people", project.folder / "people", ignore=shutil.ignore_patterns("__pycache__"))
    with (project.folder / "mysite" / "settings.py").open("a") as settings:
        settings.write('\nINSTALLED_APPS += ["people"]\nAUTH_USER_MODEL = "people.Person"\n')
    project.run("python manage.py makemigrations people")


def follow(project: Project, text: str) -> str:
    """Do what a text says. Return the output of the commands. Its first ones install what `site` has already."""
    _install, *set_up, serve = re.findall(r"^```sh\n(.+?)^```$", text, re.DOTALL | re.MULTILINE)
    if set_up[0] == START:
        project.run(set_up.pop(0))
    for name, lines in re.findall(
        r"^```python\n# ([\w/]+\.py)(?:, at the end)?\n(.+?)^```$", text, re.DOTALL | re.MULTILINE
    ):
        with (project.folder / name).open("a") as file:
            file.write(f"\n{lines}")
    assert str(Path(project.environment["PYTHONPATH"])) in project.run(
        "python -c 'import dfns_login; print(dfns_login.__file__)'"
    )
    (commands,) = set_up
    said = project.run(commands)
    keys = project.folder / "keys.json"
    project.environment |= {"DFNS_LOGIN_KEYS": keys.read_text()} if keys.exists() else {}
    port = project.environment["PUBLIC_URL"].rpartition(":")[2]
    for command in serve.splitlines():
        project.start(f"{command} --noreload {port}" if "runserver" in command else command)
    return said


def wait_until_up(url: str) -> None:
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        try:
            assert httpx.get(f"{url}/login/").status_code == 200
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the project does not start")


def follow_the_page_on_the_python_client(project: Project, organization: str, *, codes: tuple[int, int]) -> None:
    page = (ROOT / "docs" / "how-to" / "python-client.md").read_text()
    register, sign_in = re.findall(r"^```python\n(.+?)^```$", page, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    url = project.environment["PUBLIC_URL"]
    exec(register.replace("http://localhost:8000", url).replace("or-…", organization), names)  # noqa: S102  our own page
    names["register"](names["key"], names["credential_id"], project.code(number=codes[0]))
    said: list[Any] = []
    names |= {"input": lambda _prompt: project.code(number=codes[1]), "print": said.append}
    exec(sign_in, names)  # noqa: S102
    assert [each["credentialId"] for each in said[0]["items"]] == [names["credential_id"]]


@pytest.mark.slow
def test_the_readme_leads_to_a_signed_in_person(project: Project) -> None:
    started = time.monotonic()
    with_a_user_model_of_its_own(project)
    said = follow(project, README)
    assert "Organization: shell" in said  # the only thing that is missing by then
    assert not re.search(r"^(Settings|Middleware|Celery|URLs|Cache|Key rings|Tables)", said, re.MULTILINE)
    (organization,) = re.findall(r"^(or-\S+)  Example$", said, re.MULTILINE)
    url = project.environment["PUBLIC_URL"]
    names = {"username": "jane@example.com", "orgId": organization}
    key = SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY, client=Client.PYTHON)
    registration_code = project.code(number=1)
    wait_until_up(url)
    with DfnsClient(DfnsClientConfig(auth_token=NO_TOKEN, base_url=url)) as stranger:
        opened = stranger.auth.create_registration_challenge(names | {"registrationCode": registration_code})
    temporary = opened["temporaryAuthenticationToken"]
    with DfnsClient(DfnsClientConfig(auth_token=temporary, base_url=url)) as registrant:
        registrant.auth.register({"firstFactorCredential": key.credential(opened["challenge"])})
    with DfnsClient(DfnsClientConfig(auth_token=NO_TOKEN, base_url=url)) as stranger:
        stranger.auth.send_login_code(names)
        challenge = stranger.auth.create_login_challenge(names | {"loginCode": project.code(number=2)})
        (released,) = challenge["allowCredentials"]["passwordProtectedKey"]
        assert released["encryptedPrivateKey"] == key.encrypted_private_key
        identifier = challenge["challengeIdentifier"]
        answer = {"challengeIdentifier": identifier, "firstFactor": key.factor(challenge["challenge"])}
        token = stranger.auth.login(answer)["token"]
    with DfnsClient(DfnsClientConfig(auth_token=token, base_url=url)) as jane:
        assert len(jane.auth.list_credentials()["items"]) == 1
    print(f"a signed-in person after {time.monotonic() - started:.1f} s")  # noqa: T201
    people = "from people.models import Person; print(*Person.objects.values_list('email', 'full_name'))"
    assert "('jane@example.com', 'jane@example.com')" in project.run(f'python manage.py shell -c "{people}"')
    project.run("python manage.py dfns invite robot@example.com")
    follow_the_page_on_the_python_client(project, organization, codes=(3, 4))
    health = project.run("python manage.py dfns doctor || true")
    assert not re.search(r"^error +(keys|worker|broker|cache|database):", health, re.MULTILINE), health


@pytest.mark.parametrize("page", [README, TUTORIAL], ids=["README", "tutorial"])
def test_the_settings_fit_what_startproject_writes(page: str) -> None:
    """Django 6.1 writes `MAILERS`, and then refuses `EMAIL_BACKEND`."""
    block = re.search(r"# mysite/settings\.py, at the end\n(.*?)```", page, re.DOTALL)
    assert block is not None
    for written, backend in (({}, True), ({"MAILERS": {}}, False)):
        names: dict[str, Any] = {"INSTALLED_APPS": [], "MIDDLEWARE": [], **written}
        exec(block[1], names)  # noqa: S102
        assert ("EMAIL_BACKEND" in names) == backend


@pytest.mark.slow
def test_the_tutorial_leads_to_a_signed_in_person_on_the_page(project: Project, browser: Browser) -> None:
    """In Chromium, with what the development server serves, and back to the project's own page."""
    said = follow(project, TUTORIAL)
    assert re.findall(r"^([A-Z][^:\n]*): (?:shell|environment|[\w/]+\.py)$", said, re.MULTILINE) == ["Organization"]
    registration_code = project.code(number=1)
    link = re.search(r"^http\S+/register/\S+$", said, re.MULTILINE)
    assert link is not None
    url = project.environment["PUBLIC_URL"]
    wait_until_up(url)
    with visiting(browser, url=url, accept_downloads=True) as visitor:
        page = visitor.page
        page.goto(link[0])
        page.get_by_label("Registration code").fill(registration_code)
        page.get_by_label("New password", exact=True).fill(PASSWORD)
        page.get_by_label("Confirm new password").fill(PASSWORD)
        page.get_by_role("button", name="Continue").filter(visible=True).click()
        page.get_by_role("button", name="Not now").click()
        page.get_by_role("heading", name="Your kit key").wait_for(timeout=60_000)
        with page.expect_download():
            page.get_by_role("button", name="Download").click()
        page.get_by_label("I've saved my recovery kit in a safe place").check()
        page.get_by_role("button", name="Continue").filter(visible=True).click()
        page.wait_for_url("**/account/")  # signed in
        page.context.clear_cookies()
        page.goto(f"{url}/")
        page.wait_for_url("**/login/?next=/")
        page.get_by_label("Email address").fill("jane@example.com")
        page.get_by_role("button", name="Email me a code").click()
        page.get_by_label("Code", exact=True).wait_for()
        present_code(page, project.code(number=2))
        enter_password(page, PASSWORD)
        page.wait_for_url(f"{url}/")
        assert page.locator("body").inner_text() == "Hello, jane@example.com. You are in Example."
