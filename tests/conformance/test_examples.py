"""The example front ends in Chromium, served by Vite, against the live project (R-200, R-201)."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.conformance.stage import Stage
from tests.support.examples import EXAMPLES, Vite, build, vite
from tests.support.live_project import Invitee, LiveProject, code_in
from tests.support.page_visitor import PATIENCE_MILLISECONDS, Visitor, visiting

PASSWORD = "correct horse battery staple"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; connect-src 'self' {api};"
    " require-trusted-types-for 'script'; trusted-types dfns-login vue"
)


@contextmanager
def in_development(scene: LiveProject, folder: Path, *, node: str) -> Iterator[str]:
    """React on Vite's development server, which passes the requests on to the project."""
    environment = {"DFNS_LOGIN": scene.site.url, "VITE_ORGANIZATION": scene.organization}
    command = [*vite("react", node=node), "dev", str(EXAMPLES / "react"), "--force"]
    with Vite(folder, command=command, environment=environment) as server:
        yield server.url


@contextmanager
def built(scene: LiveProject, folder: Path, *, node: str) -> Iterator[str]:
    """Vue as built, with a content security policy, on another origin than the project."""
    environment = {"VITE_API": f"{scene.site.url}/", "VITE_ORGANIZATION": scene.organization}
    build("vue", folder / "dist", node=node, environment=environment)
    index = folder / "dist" / "index.html"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY.format(api=scene.site.url)}">'
    index.write_text(index.read_text().replace("<title>", f"{policy}<title>"))
    command = [*vite("vue", node=node), "preview", str(EXAMPLES / "vue"), "--outDir", str(folder / "dist")]
    with Vite(folder, command=command, environment={}) as server:
        yield server.url


def walk(seen: Visitor, person: Invitee, *, new_code: Callable[[], str]) -> str:
    """Register, sign in again with a code, mistype the password once. Return a code that each session signed for."""
    page = seen.page
    status = page.get_by_role("status").filter(has_text=re.compile(r"^[\w-]{8,}$"))

    def press(button: str, **entered: str) -> None:
        form = page.locator("form").filter(has=page.get_by_role("button", name=button)).first
        for label, text in entered.items():
            form.get_by_label(label.replace("_", " "), exact=True).fill(text)
        form.get_by_role("button", name=button).click()

    def sign_a_request() -> str:
        press("Create a code for another device")
        expect(status).to_be_visible(timeout=PATIENCE_MILLISECONDS)
        return status.inner_text()

    seen.show("example-start")
    page.locator("form", has_text="Registration code").get_by_label("Email address").fill(person.email)
    page.get_by_label("Registration code").fill(person.registration_code)
    page.keyboard.press("Enter")
    expect(page.get_by_label("New password")).to_be_focused(timeout=PATIENCE_MILLISECONDS)
    seen.show("example-password")
    press("Register", New_password=PASSWORD)
    first = sign_a_request()  # without another code, and without the password once more
    seen.show("example-account")
    press("Sign out")
    press("Email me a code", Email_address=person.email)
    expect(page.get_by_text("a code is on its way")).to_be_visible()
    page.get_by_role("button", name="Start again").click()
    press("Email me a code", Email_address=person.email)  # the code stays valid
    expect(page.get_by_text("a code is on its way")).to_be_visible()
    press("Continue", Code=new_code())
    press("Sign in", Password="wrong")
    expect(page.get_by_text("Wrong password. Try again.")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    press("Sign in", Password=PASSWORD)
    second = sign_a_request()
    assert second != first
    return second


@pytest.mark.parametrize("serve", [in_development, built])
def test_people_register_sign_in_and_sign_a_request(
    serve: Callable[..., object], scene: LiveProject, stage: Stage, browser: Browser, node: str, tmp_path: Path
) -> None:
    person = stage.invited()
    with serve(scene, tmp_path, node=node) as url, visiting(browser, url=url) as seen:
        seen.page.goto("/")
        code = walk(seen, person, new_code=lambda: code_in(scene.mail_to(person.email, number=2)))
        asked = {"code": code, "credentialKind": "Fido2"}
        assert scene.post("/auth/credentials/code/init", asked)["user"]["name"] == person.email
        api = {each.url.partition("/auth/")[0] for each in seen.sent if "/auth/" in each.url}
        assert api == {scene.site.url if serve is built else url}
        sent = b"".join(each.body for each in seen.sent)
        assert PASSWORD.encode() not in sent
