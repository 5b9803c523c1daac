"""No code, password, private key, encrypted key or token is written anywhere but into emails.

R-06, R-22, R-77, R-117.

The control plants values of its own in every place, by the project's own ways where there is one; once they are found,
everything that happened before them is written down too.
"""

import base64
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.account_journey import AccountJourney, go_on, has_code
from tests.support.authenticators import PASSPHRASE
from tests.support.live_project import LiveProject, code_in, wait_for
from tests.support.login_journey import Journey
from tests.support.shown_pages import ADMIN_PASSWORD, shown_by
from tests.support.traces import (
    CommandCapture,
    Secret,
    Traces,
    celery_messages,
    found,
    places_of,
    secret_code,
    secret_text,
    traces_of,
)

NOT_OUR_WRITING = {"beat-schedule"}
"""Files that hold nothing but what Celery's scheduler keeps for itself: searched, but nothing can be planted there."""


LOCK_TOKEN = re.compile(r"[0-9]+\.[0-9]+\.[A-Za-z0-9_-]{43}")
KEPT_BY_DJANGO = {f"session cookie in {place}" for place in ("database dump", "postgres.log", "SQLite's files")}
"""What Django itself keeps: the cookie is the key of the row in its table of sessions."""


def codes_of(scene: LiveProject) -> list[str]:
    return [code_in(mail) for mail in scene.site.mails() if has_code(mail)]


def secrets_of(scene: LiveProject, journey: Journey, later: AccountJourney) -> Iterator[Secret]:
    """What only its owner may have: of the whole flow, and whatever else was given out to any test so far."""
    for code in codes_of(scene):
        yield from secret_code("code", code)
    yield Secret(name="password", value=PASSPHRASE.encode())
    private_key = journey.key.private_key
    assert isinstance(private_key, ec.EllipticCurvePrivateKey)
    yield from secret_text("private key", journey.pem.decode())
    yield Secret(
        name="private key in DER",
        value=private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    )
    yield Secret(name="private number", value=private_key.private_numbers().private_value.to_bytes(32))
    envelope = journey.released["encryptedPrivateKey"]
    yield from secret_code("credential code", later.shown_code)
    yield Secret(name="session cookie", value=later.cookies["__Host-sessionid"].encode())
    yield from (Secret(name=name, value=later.cookies[name].encode()) for name in later.cookies if "device" in name)
    links = {link for mail in scene.site.mails() for link in LOCK_TOKEN.findall(mail.text)}
    assert links
    yield from (Secret(name="lock link", value=link.encode()) for link in links)
    yield Secret(name="admin's password", value=ADMIN_PASSWORD.encode())
    for each in {envelope, *scene.envelopes, *later.envelopes}:
        yield from secret_text("encrypted key", each)
    yield Secret(name="encrypted key, unarmored", value=base64.b64decode("".join(envelope.splitlines()[1:-1])))
    for token in {journey.token, *scene.bearers}:
        yield Secret(name="token", value=token.encode())
        yield from (Secret(name="part of a token", value=part.encode()) for part in token.split(".")[1:])
    for ring, keys in json.loads(scene.site.environment["DFNS_LOGIN_KEYS"]).items():
        for key in keys:
            yield Secret(name=f"{ring} key", value=key.get("k", key.get("d", "")).encode())
    yield Secret(name="SECRET_KEY", value=scene.site.environment["SECRET_KEY"].encode())


@pytest.fixture(scope="module")
def later(scene: LiveProject) -> AccountJourney:
    """User actions, a changed password, a code for another device, a recovery, and a browser."""
    return go_on(scene)


@pytest.fixture(scope="module")
def planted(scene: LiveProject, journey: Journey) -> Secret:
    """A value that looks like a code, planted in every place after the whole flow."""
    code = "-".join(f"{secrets.randbelow(10_000):04}" for _ in range(4))
    # the database, the web's access log and PostgreSQL's log
    scene.call(
        "POST",
        "/auth/login/code",
        {"username": scene.new_email(), "orgId": scene.organization},
        headers={"User-Agent": f"planted {code}"},
    )
    # a Celery message, the commands to Valkey, its append-only file, and the worker's log
    send = f"from celery import current_app; current_app.send_task('dfns_login.deliver', [{code!r}])"
    scene.site.manage("shell", "--no-imports", "-c", send)
    # the keys of Valkey and its file
    with scene.valkey.client() as client:
        client.set("planted", code)
    # logs in which nobody has a say
    for log in (scene.site.folder / "beat.log", scene.valkey.folder / "valkey.log"):
        with log.open("a") as writing:
            writing.write(f"planted {code}\n")
    return Secret(name="planted", value=code.encode())


@pytest.fixture(scope="module")
def traces(
    scene: LiveProject, commands: CommandCapture, later: AccountJourney, planted: Secret, shown: Traces
) -> Traces:
    """Everything that is written down, once what was planted has arrived everywhere."""
    traces: Traces = {}
    missing: set[str] = set()

    def is_complete() -> bool:
        nonlocal traces, missing
        traces = traces_of(scene, commands)
        missing = traces.keys() - NOT_OUR_WRITING - places_of(planted, traces=traces)
        return not missing

    wait_for(is_complete, what=lambda: f"planted value in: {missing}")
    return traces


@pytest.fixture(scope="module")
def shown(scene: LiveProject, journey: Journey, later: AccountJourney, planted: Secret) -> Traces:
    """Every page and answer that somebody may look at afterwards, with the errors, and what the commands print."""
    return shown_by(scene, cookies=later.cookies)


def test_no_secret_is_stored_or_logged(
    scene: LiveProject, journey: Journey, later: AccountJourney, traces: Traces
) -> None:
    assert {*found(secrets_of(scene, journey, later), traces=traces)} - KEPT_BY_DJANGO == set()


def test_no_page_shows_a_secret(scene: LiveProject, journey: Journey, later: AccountJourney, shown: Traces) -> None:
    assert found(secrets_of(scene, journey, later), traces=shown) == []


def test_every_page_is_searched(journey: Journey, planted: Secret, shown: Traces) -> None:
    """The control: the admin shows what a stranger sent, and each place shows what it is for."""
    assert places_of(planted, traces=shown) == {"admin"}
    seen = {
        "pages": "/account/",
        "errors": "content-type",
        "OpenAPI": "loginCode",
        "commands": "broker",
        "admin": journey.person.email,
    }
    for place, text in seen.items():
        assert place in places_of(Secret(name="seen", value=text.encode()), traces=shown), place
    assert shown.keys() == seen.keys()


def test_every_code_is_in_the_emails(scene: LiveProject, journey: Journey) -> None:
    mails = {"mails": b"".join(scene.written_mails())}
    codes = codes_of(scene)
    assert {journey.person.registration_code, journey.login_code} <= set(codes)
    for code in codes:
        assert found([Secret(name="code", value=code.encode())], traces=mails) == ["code in mails"]


def test_every_place_is_searched(scene: LiveProject, traces: Traces) -> None:
    database = {"postgres.log"} if scene.postgres else {"SQLite's files"}
    valkey = {"commands to Valkey", "keys of Valkey", "append-only file", "dump.rdb", "valkey.log"}
    logs = {"web.log", "worker.log", "beat.log"}
    assert set(traces) == {"database dump", "Celery messages", *database, *valkey, *logs, *NOT_OUR_WRITING}


def test_values_that_are_stored_on_purpose_are_found(journey: Journey, traces: Traces) -> None:
    name = Secret(name="name", value=journey.person.email.encode())
    public_key = Secret(name="public key", value=journey.key.spki)
    assert "database dump" in places_of(name, traces=traces)
    assert "database dump" in places_of(public_key, traces=traces)


def test_logs_have_the_lowest_level(traces: Traces) -> None:
    for log in ("web.log", "worker.log", "beat.log"):
        assert b'"level": "DEBUG"' in traces[log]
    assert b'"POST /auth/login HTTP/1.1" 200' in traces["web.log"]


def test_a_celery_message_has_no_arguments(
    scene: LiveProject, commands: CommandCapture, journey: Journey, planted: Secret
) -> None:
    """R-114."""
    swept = "Task dfns_login.sweep"
    wait_for(lambda: swept in scene.site.worker.log, what=lambda: "sweep that the scheduler asked for")
    sent = [(task, body) for task, body in celery_messages(commands.heard()) if body[0] != [planted.value.decode()]]
    assert {task for task, _ in sent} >= {"dfns_login.deliver", "dfns_login.sweep"}
    for _task, (arguments, named, _) in sent:
        assert arguments == []
        assert named == {}


WRITINGS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": bytes,
    "in JSON": lambda value: json.dumps({"said": value.decode()}).encode(),
    "in JSON in JSON": lambda value: json.dumps(json.dumps(value.decode())).encode(),
    "in small hex": lambda value: value.hex().encode(),
    "in large hex": lambda value: value.hex().upper().encode(),
    "in a URL": lambda value: b"?q=" + quote(value, safe="").encode(),
    "in a form": lambda value: urlencode({"q": value}).encode(),
    "in base64": base64.b64encode,
    "in base64 behind one byte": lambda value: base64.b64encode(b"<" + value + b">"),
    "in base64 behind two bytes": lambda value: base64.b64encode(b"<<" + value + b"/"),
    "in base64url": lambda value: base64.urlsafe_b64encode(b"\xff\xff\xff" + value + b"\xff"),
}


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS.keys())
@pytest.mark.parametrize("value", ["1234-5678-9012-3456", "1234567890123456", "correct horse battery staple", "Ωé?~>"])
def test_the_search_finds_a_secret_in_every_encoding(write: Callable[[bytes], bytes], value: str) -> None:
    noise = os.urandom(500)
    secret = Secret(name="secret", value=value.encode())
    assert found([secret], traces={"here": noise + write(value.encode()) + noise, "there": noise}) == ["secret in here"]


@pytest.mark.parametrize("text", ["1234-5678-9012-3457", "1234 5678 9012 345", ""])
def test_the_search_finds_nothing_in_other_text(text: str) -> None:
    assert found(secret_code("code", "1234-5678-9012-3456"), traces={"here": text.encode()}) == []


def test_the_search_finds_a_code_without_its_dashes_and_one_line_of_an_envelope() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    second_line = pem.splitlines()[2].encode()
    assert found(secret_text("key", pem), traces={"here": second_line}) == ["key, line 2 in here"]
    assert found(secret_code("code", "AB12-CD34"), traces={"here": b"of ab12cd34."}) == ["code in here"]
