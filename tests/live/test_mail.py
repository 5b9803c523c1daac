"""The email with the code: where the code stands in it, and when it is sent."""

import email
import email.policy
import re
import time
from email.message import EmailMessage
from urllib.parse import urlsplit

import pytest

from tests.support.authenticators import Kind, SoftwareKey
from tests.support.live_project import Invitee, LiveProject, code_in
from tests.support.live_settings import CODE_COOLDOWN

LINK = re.compile(r"(?:https?:|mailto:|href|src)[^\s<]*", re.IGNORECASE)


@pytest.fixture(scope="module")
def person(scene: LiveProject) -> Invitee:
    """Somebody who has registered a password-protected key."""
    person = scene.invite()
    scene.register(person, SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY))
    return person


def message_with(scene: LiveProject, code: str) -> EmailMessage:
    """The email that carries this code, as a mail program gets it."""
    messages = [
        email.message_from_bytes(written, _class=EmailMessage, policy=email.policy.default)
        for written in scene.written_mails()
    ]
    (found,) = [message for message in messages if code in text_of(message)]
    return found


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    body = message.get_body((kind,))
    assert body
    return str(body.get_content())


def ask(scene: LiveProject, person: Invitee, *, language: str = "") -> None:
    headers = {"Accept-Language": language} if language else {}
    response = scene.call("POST", "/auth/login/code", person.names, headers=headers)
    assert (response.status_code, response.json()) == (200, {"message": "success"})


@pytest.fixture(scope="module")
def codes(scene: LiveProject, person: Invitee) -> dict[str, str]:
    """The person's codes by purpose."""
    ask(scene, person)
    return {"registration": person.registration_code, "login": code_in(scene.mail_to(person.email, number=2))}


@pytest.fixture(params=["registration", "login"])
def code(request: pytest.FixtureRequest, codes: dict[str, str]) -> str:
    return codes[request.param]


def test_a_login_code_has_four_groups_of_four_digits(codes: dict[str, str]) -> None:
    assert re.fullmatch(r"\d{4}(-\d{4}){3}", codes["login"])


def test_a_registration_code_has_four_groups_of_four_base32_characters(codes: dict[str, str]) -> None:
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}", codes["registration"])


def test_the_code_is_in_the_text_and_the_html(scene: LiveProject, code: str) -> None:
    message = message_with(scene, code)
    assert text_of(message).count(code) == 2
    assert text_of(message, "html").count(code) == 1


def test_the_code_is_in_no_header(scene: LiveProject, code: str) -> None:
    for part in message_with(scene, code).walk():
        headers = " ".join(f"{name} {value}" for name, value in part.items())
        for half in (code[:9], code[10:]):
            assert half not in headers
            assert half.replace("-", "") not in headers


def test_the_code_is_in_no_link(scene: LiveProject, code: str) -> None:
    message = message_with(scene, code)
    links = LINK.findall(text_of(message)) + LINK.findall(text_of(message, "html"))
    for link in links:
        assert code not in link
        assert code.replace("-", "") not in link


def test_the_last_line_of_the_text_is_bound_to_the_host(scene: LiveProject, code: str) -> None:
    host = urlsplit(scene.site.url).hostname
    assert text_of(message_with(scene, code)).splitlines()[-1] == f"@{host} #{code}"


def test_the_email_goes_from_our_address_to_the_stored_one(scene: LiveProject, person: Invitee, code: str) -> None:
    message = message_with(scene, code)
    assert message["To"] == person.email
    assert message["From"] == scene.site.environment["DEFAULT_FROM_EMAIL"]
    assert message["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(("accepted", "written"), [("de", "de"), ("xx", "en")])
def test_the_email_is_in_the_language_of_the_registration(
    scene: LiveProject, monkeypatch: pytest.MonkeyPatch, accepted: str, written: str
) -> None:
    """R-125: a stranger who requests a code does not choose it."""
    person = scene.invite()
    with monkeypatch.context() as patch:
        patch.setitem(scene.http.headers, "Accept-Language", accepted)
        scene.register(person, SoftwareKey.make())
    ask(scene, person, language="fr")
    mail = scene.mail_to(person.email, number=2)
    assert f'<html lang="{written}"' in mail.html


def test_a_second_request_sends_nothing_and_a_later_one_the_same_code(scene: LiveProject) -> None:
    person, other = scene.invite(), scene.invite()
    for each in (person, other):
        scene.register(each, SoftwareKey.make())
    before = time.monotonic()
    ask(scene, person)
    ask(scene, person)
    asked = time.monotonic()
    assert asked - before < CODE_COOLDOWN.total_seconds(), "This machine takes longer for two requests than is tested."
    code = code_in(scene.mail_to(person.email, number=2))

    # what the second request had sent would be in the queue before the other's mail
    ask(scene, other)
    scene.mail_to(other.email, number=2)
    assert len(scene.mails_to(person.email)) == 2

    time.sleep(max(0, asked + CODE_COOLDOWN.total_seconds() - time.monotonic()))
    ask(scene, person)
    assert code_in(scene.mail_to(person.email, number=3)) == code
    assert len(scene.mails_to(person.email)) == 3
    opened = scene.call("POST", "/auth/login/init", person.names | {"loginCode": code})
    assert opened.status_code == 200
