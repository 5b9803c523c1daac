"""Web and worker are killed in the middle of each step of a flow, and start again with rotated keys (R-115, R-118)."""

import json
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from dfns_login.key_rings import Ring, rotate_ring
from dfns_login.models import Account, Session
from tests.outages.conftest import StartSite
from tests.support.authenticators import SoftwareKey
from tests.support.databases import locked, someone_waits_for_a_lock
from tests.support.factories import Person, make_organization, make_person
from tests.support.parallel_requests import Answer, Call, send
from tests.support.race_calls import asking, presenting
from tests.support.servers import Site
from tests.support.smtp_sink import SmtpSink
from tests.support.timed_requests import wait_until

ROTATED = (Ring.CODES, Ring.CHALLENGES, Ring.TOKENS, Ring.AT_REST)


@pytest.fixture(scope="module")
def site(start_site: StartSite) -> Site:
    return start_site(SWEEP_SECONDS=1.0, DFNS_LOGIN={"CODE_COOLDOWN": 0})


def restart_with_rotated_keys(site: Site) -> None:
    """Start web and worker again. Every ring but the decoys' has a new first key."""
    rings: dict[str, Any] = json.loads(site.web.environment["DFNS_LOGIN_KEYS"])
    for ring in ROTATED:
        rings = {**rotate_ring(rings, ring=ring, now=datetime.now(UTC))}
    for program in (site.web, site.worker):
        program.environment = {**program.environment, "DFNS_LOGIN_KEYS": json.dumps(rings)}
        program.launch()
    for program in (site.web, site.worker):
        program.wait_until_ready()


def kill_in_the_middle(site: Site, database_url: str, call: Call, *, at: str) -> None:
    """Send the request, and kill web and worker while it waits for a lock on this table."""

    def attempt() -> None:
        with suppress(OSError):
            send(site.url, call)

    with locked(database_url, f"dfns_login_{at}"):
        request = threading.Thread(target=attempt)
        request.start()
        wait_until(lambda: someone_waits_for_a_lock(database_url))
        site.web.kill()
        site.worker.kill()
        request.join()
    restart_with_rotated_keys(site)


def good(answer: Answer) -> Any:
    assert answer.status == 200, answer
    return answer.body


def emailed_code(smtp_sink: SmtpSink, person: Person) -> str:
    """Wait for an email, and return its code. Emails that are sent twice have the same code."""
    wait_until(lambda: smtp_sink.of(person.account.email))
    codes = {mail.code for mail in smtp_sink.of(person.account.email)}
    assert len(codes) == 1
    return codes.pop()


def present_a_new_code(site: Site, smtp_sink: SmtpSink, person: Person) -> Answer:
    smtp_sink.mails.clear()
    good(send(site.url, asking(person.names)))
    return send(site.url, presenting(person, emailed_code(smtp_sink, person)))


def signed(opened: Any, key: SoftwareKey) -> dict[str, Any]:
    return {"challengeIdentifier": opened["challengeIdentifier"], "firstFactor": key.factor(opened["challenge"])}


def test_a_login_continues_after_web_and_worker_are_killed_in_each_step(
    site: Site, smtp_sink: SmtpSink, database_url: str
) -> None:
    """A step that was killed is repeated. A code or a challenge may be spent without an answer: PostgreSQL finishes a
    statement whose client is gone. Then a new one is requested.
    """
    root = make_person(make_organization())
    user: Any = root.account.user
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="dfns_login"))

    kill_in_the_middle(site, database_url, asking(root.names), at="onetimecode")
    good(send(site.url, asking(root.names)))
    code = emailed_code(smtp_sink, root)

    kill_in_the_middle(site, database_url, presenting(root, code), at="onetimecode")
    answer = send(site.url, presenting(root, code))
    if answer.status != 200:
        assert (answer.status, answer.message) == (403, "Invalid code")
        answer = present_a_new_code(site, smtp_sink, root)
    login = Call(path="/auth/login", body=signed(good(answer), root.key))

    kill_in_the_middle(site, database_url, login, at="session")
    answer = send(site.url, login)
    if answer.status != 200:
        assert (answer.status, answer.message) == (400, "Challenge token is not valid.")
        opened = good(present_a_new_code(site, smtp_sink, root))
        answer = send(site.url, Call(path="/auth/login", body=signed(opened, root.key)))
    token = str(good(answer)["token"])
    assert Session.objects.filter(account=root.account).count() <= 2

    body = {"email": "lee@example.co", "kind": "EndUser"}
    asked = {"userActionPayload": json.dumps(body), "userActionHttpMethod": "POST", "userActionHttpPath": "/auth/users"}
    opened = good(send(site.url, Call(path="/auth/action/init", body=asked, bearer=token)))
    action = good(send(site.url, Call(path="/auth/action", body=signed(opened, root.key), bearer=token)))["userAction"]
    invite = Call(path="/auth/users", body=body, bearer=token, user_action=str(action))
    kill_in_the_middle(site, database_url, invite, at="account")
    good(send(site.url, invite))
    assert Account.objects.filter(organization=root.account.organization, email="lee@example.co").count() == 1

    logout = Call(path="/auth/logout", body={}, bearer=token, method="PUT")
    kill_in_the_middle(site, database_url, logout, at="session")
    assert send(site.url, logout).status in {200, 401}
    assert send(site.url, logout).status == 401
