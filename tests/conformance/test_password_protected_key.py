"""The official client with the signer for password-protected keys, in Node and in Chromium, against the project."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, Page

from tests.support.client_runners import DIST, POLICY, ROOT
from tests.support.conformance.stage import Stage
from tests.support.javascript_clients import CLIENTS
from tests.support.live_project import Invitee, LiveProject, code_in

PASSWORD = "correct horse battery staple"
PATH = "/conformance/signer"
EXAMPLE = (ROOT / "docs" / "client.md").read_text().partition("```js\n")[2].partition("```")[0]


DONE = "\ndocument.documentElement.className = 'done'\n"  # the page's policy forbids a polling script


class Refused(Exception):
    """An error thrown by the signer or the client."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(f"{told['name']}: {told['message']}")
        self.name: str = told["name"]
        self.http_status: int | None = told.get("httpStatus")


class Front(Protocol):
    """Runs `tests/support/javascript/password_protected_key.mjs`. requests: the paths that the last call requested."""

    requests: list[str]

    def do(self, verb: str, **asked: Any) -> Any:
        """Raises Refused."""


class InNode:
    requests: list[str]

    def __init__(self, *, node: str, url: str, organization: str) -> None:
        self._organization = organization
        command = [node, "password_protected_key_driver.mjs", str(DIST / "signer.js"), url]
        self.process = subprocess.Popen(command, cwd=CLIENTS, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def do(self, verb: str, **asked: Any) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"do": verb, "orgId": self._organization, **asked}) + "\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline())
        self.requests = said["requests"]
        return answer_in(said)


class InChromium:
    requests: list[str]

    def __init__(self, page: Page, *, organization: str) -> None:
        self._page = page
        self._organization = organization
        page.on("request", lambda request: self.requests.append(request.url))

    def do(self, verb: str, **asked: Any) -> Any:
        self.requests = []
        told = {"do": verb, "orgId": self._organization, **asked}
        return answer_in(self._page.evaluate("told => answer(told)", told))


def answer_in(said: dict[str, Any]) -> Any:
    if "error" in said:
        raise Refused(said["error"])
    return said["answer"]


def served(page: Page, path: str, *, content_type: str, body: str, policy: str) -> None:
    """Serve this to the page at a path of the project."""
    headers = {"Content-Security-Policy": policy}
    page.route(path, lambda route: route.fulfill(content_type=content_type, body=body, headers=headers))


def open_page(browser: Browser, *, url: str, script: str) -> Page:
    """Open a page that runs this module, under the content security policy of the project's own pages."""
    page = browser.new_page()
    html = f'<!doctype html><title>Signer</title><script type="module" src="{PATH}.js"></script>'
    served(page, f"{url}{PATH}", content_type="text/html", body=html, policy=POLICY)
    served(page, f"{url}{PATH}.js", content_type="text/javascript", body=script + DONE, policy=POLICY)
    page.goto(f"{url}{PATH}", wait_until="commit")
    page.wait_for_selector("html.done", state="attached")
    return page


@pytest.fixture(scope="module")
def in_node(scene: LiveProject, node: str) -> Iterator[InNode]:
    front = InNode(node=node, url=scene.site.url, organization=scene.organization)
    yield front
    front.process.communicate()


@pytest.fixture(scope="module")
def in_chromium(
    scene: LiveProject, browser: Browser, node: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InChromium]:
    script = tmp_path_factory.mktemp("signer") / "page.js"
    esbuild = [node, "node_modules/esbuild/bin/esbuild", "password_protected_key_page.mjs", "--bundle", "--format=esm"]
    subprocess.run(
        [*esbuild, "--log-level=error", f"--outfile={script}", "--external:/static/*"], cwd=CLIENTS, check=True
    )
    page = open_page(browser, url=scene.site.url, script=script.read_text())
    yield InChromium(page, organization=scene.organization)
    page.close()


@pytest.fixture(scope="module", params=["in_node", "in_chromium"])
def front(request: pytest.FixtureRequest) -> Front:
    found: Front = request.getfixturevalue(request.param)
    return found


def login_code(scene: LiveProject, person: Invitee) -> str:
    before = len(scene.mails_to(person.email))
    scene.post("/auth/login/code", person.names)
    return code_in(scene.mail_to(person.email, number=before + 1))


def registration(person: Invitee) -> dict[str, str]:
    return {"username": person.email, "registrationCode": person.registration_code}


@pytest.fixture
def jane(front: Front, stage: Stage) -> Invitee:
    """A person with a registered password-protected key."""
    person = stage.invited()
    front.do("useSigner", passwords=[PASSWORD])
    registered = front.do("register", request=registration(person))
    assert registered["credential"]["kind"] == "PasswordProtectedKey"
    assert registered["user"]["username"] == person.email
    return person


def test_a_code_and_the_password_sign_in_and_sign_actions(front: Front, jane: Invitee, scene: LiveProject) -> None:
    front.do("useSigner", passwords=[PASSWORD])
    presenting = {"username": jane.email, "loginCode": login_code(scene, jane)}
    token = front.do("login", request=presenting)["token"]
    listed = front.do("call", token=token, method="listCredentials")
    assert [each["kind"] for each in listed["items"]] == ["PasswordProtectedKey"]
    # a user action with the unlocked key
    uuid = listed["items"][0]["credentialUuid"]
    asked = {"body": {"credentialUuid": uuid}}
    assert front.do("call", token=token, method="activateCredential", request=asked) == {"message": "success"}
    assert "/auth/action" in "".join(front.requests)
    assert front.do("timesAsked") == 1
    # again, after the key was locked
    front.do("lock")
    assert front.do("call", token=token, method="activateCredential", request=asked) == {"message": "success"}
    assert front.do("timesAsked") == 2


def test_a_wrong_password_is_detected_locally_and_nothing_is_sent(
    front: Front, jane: Invitee, scene: LiveProject
) -> None:
    front.do("useSigner", passwords=["wrong"])
    with pytest.raises(Refused) as thrown:
        front.do("login", request={"username": jane.email, "loginCode": login_code(scene, jane)})
    assert (thrown.value.name, thrown.value.http_status) == ("WrongPasswordError", None)
    assert [path for path in front.requests if "/auth/" in path and not path.endswith("/auth/login/init")] == []


def test_a_mistyped_password_needs_no_new_code(front: Front, jane: Invitee, scene: LiveProject) -> None:
    front.do("useSigner", passwords=["wrong", PASSWORD], attempts=3)
    presenting = {"username": jane.email, "loginCode": login_code(scene, jane)}
    assert front.do("login", request=presenting)["token"]
    assert front.do("timesAsked") == 2


def test_without_a_code_there_is_no_key_to_open(front: Front, jane: Invitee) -> None:
    front.do("useSigner", passwords=[PASSWORD])
    with pytest.raises(Refused) as thrown:
        front.do("login", request={"username": jane.email})
    assert thrown.value.name == "NoEncryptedKeyError"
    assert front.do("timesAsked") == 0


def test_the_store_alone_registers_a_key(in_node: InNode, stage: Stage, scene: LiveProject) -> None:
    person = stage.invited()
    registered = in_node.do("registerWithStore", request=registration(person), password=PASSWORD)
    assert registered["credential"]["kind"] == "PasswordProtectedKey"
    in_node.do("useSigner", passwords=[PASSWORD])
    presenting = {"username": person.email, "loginCode": login_code(scene, person)}
    assert in_node.do("login", request=presenting)["token"]


def test_the_example_of_the_documentation_signs_in(
    in_node: InNode, browser: Browser, stage: Stage, scene: LiveProject
) -> None:
    person = stage.invited()
    in_node.do("registerWithStore", request=registration(person), password=PASSWORD)
    given = {"username": person.email, "orgId": scene.organization, "loginCode": login_code(scene, person)}
    told = "".join(f"const {name} = {json.dumps(value)}\n" for name, value in {**given, "password": PASSWORD}.items())
    assert EXAMPLE.count("\n") <= 12
    page = open_page(browser, url=scene.site.url, script=f"{told}{EXAMPLE}\nglobalThis.token = token\n")
    token = page.evaluate("token")
    assert scene.call("GET", "/auth/credentials", bearer=token).status_code == 200
    page.close()
