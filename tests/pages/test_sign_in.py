"""Signing in with email, code and password, or with a passkey, in a real Chromium against the live project."""

import base64
import gzip
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.conformance.browser import Authenticator
from tests.support.firefox import is_firefox
from tests.support.live_project import LiveProject, wait_for
from tests.support.page_steps import (
    ENDLESS_AUTOFILL,
    PASSWORD,
    WITHOUT_AUTOFILL,
    Resident,
    ask_code,
    enter_password,
    present_code,
    sign_in,
)
from tests.support.page_visitor import ROOT, Visitor, visiting
from tests.support.pages_settings import CODE_COOLDOWN

WRONG = "0000-0000-0000-0000"
DIST = ROOT / "dfns_login" / "static" / "dfns_login" / "dist"
FIRST_SCRIPTS_KILOBYTES = 16


@pytest.fixture
def resident(scene: LiveProject) -> Resident:
    return Resident.register(scene)


@pytest.fixture
def visitor(browser: Browser, scene: LiveProject) -> Iterator[Visitor]:
    with visiting(browser, url=scene.site.url) as visitor:
        yield visitor


IGNORE_SUBMIT = """document.addEventListener('submit', (event) => {
  event.preventDefault()
  event.stopPropagation()
}, true)"""


@pytest.fixture(scope="module")
def in_code_field(browser: Browser, scene: LiveProject) -> Iterator[Page]:
    """A page with the code field and nobody's code. It submits nothing."""
    with visiting(browser, url=scene.site.url) as visitor:
        visitor.page.goto("/login/")
        visitor.page.evaluate(IGNORE_SUBMIT)
        yield visitor.page


def posted(visitor: Visitor, path: str) -> int:
    return sum(each.method == "POST" and each.url.endswith(path) for each in visitor.sent)


def expire(scene: LiveProject, resident: Resident) -> None:
    """Make the person's open code expire."""
    scene.site.manage(
        "shell",
        "-c",
        "from dfns_login.models import OneTimeCode; from django.utils import timezone; "
        f"OneTimeCode.objects.open().filter(recipient={resident.email!r}).update(expires_at=timezone.now())",
    )


def test_a_code_and_the_password_sign_in(visitor: Visitor, resident: Resident) -> None:
    sign_in(visitor, resident)
    expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
    expect(visitor.page.get_by_text(resident.email).first).to_be_visible()
    cookies = {each["name"]: each for each in visitor.page.context.cookies()}
    session = cookies["__Host-sessionid"]
    assert (session["httpOnly"], session["secure"], session["sameSite"]) == (True, True, "Lax")
    assert cookies["dfns-device"]["httpOnly"]


def test_next_redirects_within_this_site_only(visitor: Visitor, resident: Resident) -> None:
    page = visitor.page
    leads = {"/?here": "/?here", "//evil.example/": "/account/", "https://evil.example/": "/account/"}
    for wish, leads_to in leads.items():
        page.context.clear_cookies()
        page.goto(f"/login/?next={quote(wish)}")
        present_code(page, ask_code(page, resident))
        enter_password(page, PASSWORD)
        page.wait_for_url(f"**{leads_to}")


def test_no_request_contains_the_password(visitor: Visitor, resident: Resident) -> None:
    """R-27: requests contain nothing derived from the password except what the server already had."""
    sign_in(visitor, resident)
    everything = b"\n".join(
        f"{each.method} {each.url} {json.dumps(each.headers)} ".encode() + each.body for each in visitor.sent
    )
    assert posted(visitor, "/login/complete") == 1
    for form in written_forms(PASSWORD):
        assert form not in everything
    assert b"AGE ENCRYPTED" not in everything
    assert b"PRIVATE KEY" not in everything


def test_the_page_asks_for_a_key_that_only_it_can_read(visitor: Visitor, resident: Resident) -> None:
    """R-131: what a recorder of the replies would have."""
    replies: dict[str, str] = {}
    visitor.page.on("response", lambda each: replies.update({each.url: each.text() if "/auth/" in each.url else ""}))
    sign_in(visitor, resident)
    (opened,) = [text for url, text in replies.items() if url.endswith("/auth/login/init")]
    (released,) = json.loads(opened)["allowCredentials"]["passwordProtectedKey"]
    assert len(base64.urlsafe_b64decode(released["encryptedPrivateKey"] + "==")) > 400
    assert "AGE ENCRYPTED" not in "".join(replies.values())


def written_forms(secret: str) -> list[bytes]:
    """Encodings and hashes of the secret that a request could contain."""
    raw = secret.encode()
    hashed = [hashlib.new(name, raw) for name in ("md5", "sha1", "sha256", "sha384", "sha512")]
    plain = [raw, *(each.digest() for each in hashed)]
    return [
        *plain,
        quote(secret).encode(),
        raw.hex().encode(),
        *(base64.b64encode(each).rstrip(b"=") for each in plain),
        *(base64.urlsafe_b64encode(each).rstrip(b"=") for each in plain),
        *(each.hexdigest().encode() for each in hashed),
    ]


def test_a_wrong_code_shows_an_error_and_keeps_what_was_typed(visitor: Visitor, resident: Resident) -> None:
    page = visitor.page
    page.goto("/login/")
    code = ask_code(page, resident)
    present_code(page, WRONG)
    field = page.get_by_label("Code", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(field).to_have_value(WRONG)
    expect(page.get_by_text(resident.email).filter(visible=True)).to_have_count(1)
    present_code(page, code)
    enter_password(page, PASSWORD)
    page.wait_for_url("**/account/")


PASTE = """(field, text) => {
  const clipboardData = new DataTransfer()
  clipboardData.setData('text', text)
  field.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))
}"""
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


def test_the_code_field_groups_and_keeps_the_caret(visitor: Visitor, resident: Resident) -> None:
    page = visitor.page
    page.goto("/login/")
    code = ask_code(page, resident)
    field = page.get_by_label("Code", exact=True)
    page.keyboard.type(code.replace("-", "")[:10])
    expect(field).to_have_value(code[:12])
    for _ in range(7):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Backspace")  # the fourth digit, beyond the dash
    page.keyboard.type("75")
    digits = code.replace("-", "")
    shown = digits[:3] + "75" + digits[4:10]
    expect(field).to_have_value(f"{shown[:4]}-{shown[4:8]}-{shown[8:]}")
    assert field.evaluate("(field) => field.selectionStart") == len("1237-5")
    field.fill("1234" * 5)  # never cut
    expect(field).to_have_value("1234-1234-1234-1234-1234")
    page.keyboard.press("Enter")
    expect(page.get_by_text("A code has 16 characters.")).to_be_visible()
    assert posted(visitor, "/auth/login/init") == 0
    page.keyboard.type(digits)
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    assert posted(visitor, "/auth/login/init") == 1


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "  {} ",
        "Your sign-in code for Example of 2026-11-28:\n\n    {}\n\nIt expires in 10 minutes. You can use it once.",
        "@example.com #{}",
    ],
)
@pytest.mark.parametrize(
    "change",
    [
        str,
        lambda code: code.replace("-", " "),
        lambda code: code.replace("-", "\N{EN DASH}").translate(ARABIC),
        lambda code: code.replace("-", ""),
    ],
)
def test_a_code_can_be_pasted_in_any_form(in_code_field: Page, text: str, change: Callable[[str], str]) -> None:
    if is_firefox(in_code_field.context.browser):
        pytest.skip("Firefox hides the text of a paste event that a script makes.")
    field = in_code_field.locator("#code")
    field.evaluate("(field) => { field.value = '99' }")
    field.evaluate(PASTE, text.format(change("1234-5678-9012-3456")))
    expect(field).to_have_value("1234-5678-9012-3456")
    field.evaluate(  # as autofill does
        "(field, text) => { field.value = text; field.dispatchEvent(new Event('input', { bubbles: true })) }",
        text.format(change("9876-5432-1098-7654")),
    )
    expect(field).to_have_value("9876-5432-1098-7654")


def test_an_expired_code_shows_an_error_and_can_be_replaced(visitor: Visitor, resident: Resident) -> None:
    page = visitor.page
    page.goto("/login/")
    code = ask_code(page, resident)
    expire(resident.scene, resident)
    present_code(page, code)
    expect(page.get_by_label("Code", exact=True)).to_have_attribute("aria-invalid", "true")
    before = resident.mails()
    page.get_by_role("button", name=re.compile("^Send again$")).click(timeout=10_000)
    fresh = resident.code(after=before)
    assert fresh != code
    present_code(page, fresh)
    enter_password(page, PASSWORD)
    page.wait_for_url("**/account/")


def test_when_time_runs_out_the_page_says_so_and_keeps_what_was_typed(visitor: Visitor, resident: Resident) -> None:
    """Seconds are shown in the last two minutes only (R-175)."""
    page = visitor.page
    page.clock.install()
    page.goto("/login/")
    ask_code(page, resident)
    timer = page.get_by_role("timer").filter(visible=True)
    expect(timer).to_have_text("10 minutes")
    page.clock.fast_forward("09:00")
    expect(timer).to_have_text(re.compile(r"0:\d\d|1:00"))
    page.clock.fast_forward("01:01")
    before = resident.mails()
    time.sleep(CODE_COOLDOWN.total_seconds())  # only the browser's clock was moved
    expect(page.get_by_role("alert").filter(has_text="Your code expired.")).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    present_code(page, resident.code(after=before))
    page.get_by_label("Password", exact=True).fill("half a pass")
    expect(timer).to_have_count(0)
    page.clock.fast_forward("09:00")
    expect(timer).to_be_visible()
    page.clock.fast_forward("01:01")
    expect(page.get_by_role("button", name="Email me a new code")).to_be_visible()
    expect(page.get_by_text(resident.email).filter(visible=True)).to_have_count(1)
    before = resident.mails()
    page.get_by_role("button", name="Email me a new code").click()
    present_code(page, resident.code(after=before))
    expect(page.get_by_label("Password", exact=True)).to_have_value("half a pass")
    enter_password(page, PASSWORD)
    page.wait_for_url("**/account/")


def test_a_wrong_password_shows_an_error_at_once_and_keeps_the_code(visitor: Visitor, resident: Resident) -> None:
    page = visitor.page
    page.goto("/login/")
    present_code(page, ask_code(page, resident))
    page.get_by_label("Password", exact=True).wait_for()
    before = len(visitor.sent)
    for wrong in ("not it", PASSWORD + " "):
        enter_password(page, wrong)
        expect(page.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")
    api_calls = [each.url for each in visitor.sent[before:] if "/static/" not in each.url]
    assert api_calls == []
    enter_password(page, PASSWORD)
    page.wait_for_url("**/account/")
    assert posted(visitor, "/auth/login/code") == 1
    assert posted(visitor, "/auth/login/init") == 1


RECORD_LABELS = """
new MutationObserver(() => {
  const button = document.querySelector('[data-send-again]')
  if (button) (window.labels ??= []).push(button.textContent)
}).observe(document, { childList: true, subtree: true, characterData: true })
"""


def test_send_again_emails_the_same_code(visitor: Visitor, resident: Resident) -> None:
    page = visitor.page
    page.add_init_script(RECORD_LABELS)  # the cooldown may be over by the time the email is here
    page.goto("/login/")
    code = ask_code(page, resident)
    before = resident.mails()
    page.get_by_role("button", name=re.compile("^Send again$")).click(timeout=10_000)
    assert any(re.search(r"\d", label) for label in page.evaluate("window.labels"))  # it showed the time left
    assert resident.code(after=before) == code
    expect(page.get_by_label("Code", exact=True)).to_be_visible()


def test_an_unknown_address_is_not_revealed(visitor: Visitor) -> None:
    page = visitor.page
    page.goto("/login/")
    page.get_by_role("textbox", name="Email address").fill("nobody@example.co")
    page.get_by_role("button", name="Email me a code").click()
    present_code(page, WRONG)
    expect(page.get_by_label("Code", exact=True)).to_have_attribute("aria-invalid", "true")


def test_errors_show_a_message_and_keep_what_was_typed(visitor: Visitor, resident: Resident) -> None:
    page = visitor.page
    page.goto("/login/")
    page.route("**/auth/login/code", lambda route: route.abort())
    page.get_by_role("textbox", name="Email address").fill(resident.email)
    page.get_by_role("button", name="Email me a code").click()
    expect(page.get_by_role("alert").filter(has_text="connection")).to_be_visible()
    expect(page.get_by_role("textbox", name="Email address")).to_have_value(resident.email)
    visitor.problems.clear()  # Chromium logs the failed request
    page.unroute("**/auth/login/code")
    refusal = {"error": {"message": "Too many requests", "code": "too_many_requests"}}
    page.route(
        "**/auth/login/code",
        lambda route: route.fulfill(status=429, json=refusal, headers={"Retry-After": "90"}),
    )
    page.get_by_role("button", name="Email me a code").click()
    expect(page.get_by_text(re.compile("in about 2 minutes"))).to_be_visible()
    expect(page.get_by_role("textbox", name="Email address")).to_have_value(resident.email)


def test_a_passkey_signs_in_by_autofill_and_by_the_button(visitor: Visitor, resident: Resident) -> None:
    """R-162: nothing is asked for. The virtual authenticator chooses the passkey that autofill offers.

    At first the challenge has expired, as while a computer sleeps, so the passkey is offered again.
    """
    page = visitor.page
    authenticator = Authenticator.plugged_into(page)
    sign_in(visitor, resident)
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_label("Password", exact=True).filter(visible=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    for _ in range(100):
        if authenticator.passkeys():
            break
        page.wait_for_timeout(100)
    assert len(authenticator.passkeys()) == 1
    before, inits = posted(visitor, "/auth/login/code"), posted(visitor, "/auth/login/init")
    expired = {"error": {"message": "expired", "code": "invalid_challenge"}}
    page.route("**/login/complete", lambda route: route.fulfill(status=400, json=expired), times=1)
    for by_autofill in (True, False):
        if not by_autofill:
            page.add_init_script(WITHOUT_AUTOFILL)
        with page.expect_navigation(url="**/login/**"):
            page.get_by_role("button", name="Sign out", exact=True).click()
        if not by_autofill:
            page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url("**/account/")
        expect(page.get_by_text(resident.email).first).to_be_visible()
        assert posted(visitor, "/auth/login/code") == before
        assert posted(visitor, "/auth/login/init") == inits + (not by_autofill)


def test_a_sign_in_page_in_another_tab_does_not_keep_the_session_from_getting_idle(
    visitor: Visitor, resident: Resident
) -> None:
    """R-73: it asks for a new challenge every few minutes, but only until the browser is signed in."""
    forgotten = visitor.page.context.new_page()
    asked: list[str] = []
    forgotten.on("request", lambda request: asked.append(request.url))
    forgotten.add_init_script(ENDLESS_AUTOFILL)
    forgotten.clock.install()
    forgotten.goto("/login/")
    wait_for(lambda: forgotten.evaluate("globalThis.offers === 1"), what=lambda: "passkeys in the email field")
    with forgotten.expect_response("**/login/"):
        forgotten.clock.fast_forward("02:31")
    wait_for(lambda: forgotten.evaluate("globalThis.offers === 2"), what=lambda: "new challenge in the email field")
    sign_in(visitor, resident)
    with forgotten.expect_response("**/account/"):
        forgotten.clock.fast_forward("02:31")
    forgotten.wait_for_load_state("networkidle")
    before = len(asked)
    for _ in range(2):
        forgotten.clock.fast_forward("02:31")
        forgotten.evaluate("Promise.resolve()")
    assert asked[before:] == []


def test_signing_in_with_the_keyboard_alone(visitor: Visitor, resident: Resident) -> None:
    page = visitor.page
    page.goto("/login/")
    before = resident.mails()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    tab_to(visitor, "Email address")
    page.keyboard.type(resident.email)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    page.keyboard.type(resident.code(after=before))
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    page.keyboard.type("not it")
    page.keyboard.press("Enter")
    field = page.get_by_label("Password", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/account/")


def tab_to(visitor: Visitor, label: str) -> None:
    for _ in range(20):
        visitor.page.keyboard.press("Tab")
        if visitor.page.get_by_label(label).evaluate("(field) => field === document.activeElement"):
            return
    msg = f"Tab does not lead to {label}"
    raise AssertionError(msg)


def test_a_signed_in_person_is_redirected(visitor: Visitor, resident: Resident) -> None:
    sign_in(visitor, resident)
    visitor.page.goto("/login/?next=/")
    assert visitor.page.url.endswith("/")


def test_what_signs_is_loaded_again_after_a_failure(visitor: Visitor, resident: Resident) -> None:
    """R-195. It loads while the person types, when the network may be away."""
    page = visitor.page
    imported = re.findall(r"chunk-\w+\.js", (DIST / "sign_in.js").read_text())
    (name,) = {each for each in imported if "The vault was closed." in (DIST / each).read_text()}
    failed: list[str] = []

    def fail(route: Route) -> None:
        failed.append(route.request.url)
        route.abort()

    page.route(f"**/{name}", fail)
    page.goto("/login/")
    present_code(page, ask_code(page, resident))
    enter_password(page, PASSWORD)
    page.wait_for_url("**/account/")
    assert len(failed) == 1
    visitor.problems.clear()  # the failure is in the console


def test_little_script_loads_before_the_password_step(visitor: Visitor, resident: Resident) -> None:
    page = visitor.page
    page.goto("/login/")
    ask_code(page, resident)
    names = {each.url.rpartition("/dist/")[2] for each in visitor.sent if "/dist/" in each.url}
    size = sum(len(gzip.compress((DIST / name).read_bytes())) for name in names)
    assert names
    assert size <= FIRST_SCRIPTS_KILOBYTES * 1024, (size, names)
    assert not any("worker" in name for name in names)


def test_without_javascript_the_page_explains_why_it_needs_it(browser: Browser, scene: LiveProject) -> None:
    for path in ("/login/", "/register/", "/recover/"):
        with visiting(browser, url=scene.site.url, java_script_enabled=False) as visitor:
            visitor.page.goto(f"{path}?organization=1")
            expect(visitor.page.get_by_role("heading")).to_have_text("This page needs JavaScript")  # and no other
            visitor.page.get_by_role("link", name="Reload the page").click()
            visitor.page.wait_for_url(f"**{path}?organization=1")


@pytest.mark.parametrize("path", ["/login/", "/register/", "/recover/"])
def test_the_script_removes_the_notice_that_it_did_not_load(visitor: Visitor, path: str) -> None:
    visitor.page.goto(path)
    expect(visitor.page.locator("[data-not-started]")).to_have_count(0)


def test_an_injected_script_does_not_run(visitor: Visitor) -> None:
    """R-92."""
    page = visitor.page
    page.goto("/login/")
    page.evaluate(
        """() => {
          const script = document.createElement('script')
          try { script.textContent = 'globalThis.injected = 1' } catch { /* Trusted Types */ }
          document.body.append(script)
          try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="globalThis.injected = 1">') }
          catch { /* Trusted Types */ }
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("globalThis.injected") is None
    assert visitor.problems
    visitor.problems.clear()


def test_a_mistyped_domain_gets_a_suggestion_and_no_refusal(visitor: Visitor) -> None:
    """R-171: in the field and past it. Nothing is suggested for what exists."""
    page = visitor.page
    page.goto("/login/")
    field = page.get_by_role("textbox", name="Email address")
    suggested = page.get_by_role("status").get_by_role("button").filter(visible=True)
    for domain, meant in MISTYPED.items():
        field.clear()
        field.press_sequentially(f"Jane@{domain}")  # Firefox notices no change of what is filled in
        field.blur()
        expect(suggested).to_have_text([f"Jane@{meant}"] * bool(meant))
    field.clear()
    field.press_sequentially("jane@gmial.com")
    field.blur()
    suggested.click()
    expect(field).to_have_value("jane@gmail.com")
    expect(suggested).to_have_count(0)
    field.fill("jane@hotmial.com")
    page.keyboard.press("Enter")  # not refused
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    expect(page.get_by_role("link", name="Open Outlook")).to_be_hidden()
    with page.expect_request("**/auth/login/code") as asked:
        suggested.click()
    if not is_firefox(page.context.browser):  # which shows no bodies
        assert asked.value.post_data_json["username"] == "jane@hotmail.com"
    expect(page.locator("#code-about")).to_contain_text("jane@hotmail.com")
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    inbox = page.get_by_role("link", name="Open Outlook")
    expect(inbox).to_have_attribute("href", "https://outlook.live.com/mail/")
    expect(inbox).to_have_attribute("rel", "noreferrer")
    assert all("/localhost" in each.url or "data:" in each.url for each in visitor.sent)


MISTYPED = {
    "gmial.com": "gmail.com",
    "gmai.com": "gmail.com",
    "gmaill.com": "gmail.com",
    "GMAIL.CON": "gmail.com",
    "hotmai.com": "hotmail.com",
    "yaho.com": "yahoo.com",
    "gmail.com": "",
    "mail.com": "",
    "ymail.com": "",
    "gnial.com": "",
    "example.com": "",
    "": "",
}
