"""Requests whose body is held back while what authorizes them ends, over raw sockets (R-123, R-124)."""

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.core.asgi import get_asgi_application
from django.db import connections
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django.plugin import DjangoDbBlocker

from dfns_login.api.request_body import read_body
from dfns_login.ceremonies.credential_changes import deactivate_credential
from dfns_login.ceremonies.operators import Operator, deactivate_account
from dfns_login.ceremonies.sign_out import end_session
from dfns_login.errors import BodyRefused
from dfns_login.models import Account, Credential, Session
from dfns_login.purge import purge
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.databases import MigratedDatabases, working_on
from tests.support.factories import (
    SOMEWHERE,
    Person,
    issue,
    make_account,
    make_credential,
    make_organization,
    make_person,
)
from tests.support.held_body import HeldRequest
from tests.support.live_web import SERVERS, settings_environment
from tests.support.parallel_requests import PATIENCE_SECONDS, Answer, Call, send
from tests.support.race_calls import presenting
from tests.support.servers import Site, Valkey
from tests.support.trickle import status_on

CHALLENGE_SECONDS = 2
NOT_AUTHORIZED = (401, "Not Authorized.")
OPERATOR = Operator(requester=SOMEWHERE)


@pytest.fixture(scope="module", params=SERVERS.values(), ids=SERVERS)
def web(
    request: pytest.FixtureRequest,
    migrated: MigratedDatabases,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("web")
    wanted = {"DFNS_LOGIN": {"CHALLENGE_LIFETIME": CHALLENGE_SECONDS, "CHALLENGE_LIFETIME_WITH_CODE": 600}}
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        stack.enter_context(working_on(url := migrated.new()))
        valkey = stack.enter_context(Valkey())
        environment = settings_environment(**wanted)
        site = Site(folder, database_url=url, redis_url=valkey.url, environment=environment)
        stack.enter_context(request.param(folder, site.environment, port=int(site.url.rpartition(":")[2])))
        yield site.url


def good(answer: Answer) -> Any:
    assert answer.status == 200, answer
    return answer.body


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.message


def login(opened: dict[str, Any], key: SoftwareKey) -> Call:
    factor = key.factor(opened["challenge"])
    body = {"challengeIdentifier": opened["challengeIdentifier"], "firstFactor": factor}
    return Call(path="/auth/login", body=body)


def signed_in(web: str, person: Person) -> str:
    opened = good(send(web, presenting(person, issue(person.account.recipient))))
    return str(good(send(web, login(opened, person.key)))["token"])


def action(web: str, person: Person, token: str, *, method: str, path: str, body: dict[str, Any]) -> str:
    asked = {"userActionPayload": json.dumps(body), "userActionHttpMethod": method, "userActionHttpPath": path}
    opened = good(send(web, Call(path="/auth/action/init", body=asked, bearer=token)))
    signed = Call(path="/auth/action", body=login(opened, person.key).body, bearer=token)
    return str(good(send(web, signed))["userAction"])


def operator() -> Person:
    person = make_person(make_organization())
    user: Any = person.account.user
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="dfns_login"))
    return person


def now() -> datetime:
    return datetime.now(UTC)


def test_a_session_that_ended_meanwhile_is_released_no_key(web: str) -> None:
    """The new key is there when the body arrives."""
    jane = make_person()
    asked = {"userActionPayload": "{}", "userActionHttpMethod": "POST", "userActionHttpPath": "/things"}
    init = Call(path="/auth/action/init", body=asked, bearer=signed_in(web, jane))
    assert good(send(web, init))["allowCredentials"]["passwordProtectedKey"]
    held = HeldRequest(web, init)
    deactivate_credential(Credential.objects.get(account=jane.account), requester=SOMEWHERE, now=now())
    make_credential(jane.account, SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY))
    assert refusal(held.finish()) == NOT_AUTHORIZED


@pytest.mark.parametrize(("path", "status"), [("/things", 401), ("/payout", 403)])
def test_a_session_that_ended_meanwhile_is_refused_by_views_of_the_project(web: str, path: str, status: int) -> None:
    """By `SessionTokenAuthentication` and by `recently_signed_in`."""
    jane = make_person()
    call = Call(path=path, body={}, bearer=signed_in(web, jane))
    assert HeldRequest(web, call).finish().status == 200
    held = HeldRequest(web, call)
    end_session(Session.objects.get(account=jane.account), requester=SOMEWHERE, now=now())
    assert held.finish().status == status


@pytest.mark.parametrize("chunked", [False, True])
def test_a_session_that_ended_meanwhile_signs_nobody_out(web: str, *, chunked: bool) -> None:
    jane = make_person()
    first, second = signed_in(web, jane), signed_in(web, jane)
    held = HeldRequest(
        web, Call(path="/auth/logout", body={"allSessions": True}, bearer=first, method="PUT"), chunked=chunked
    )
    end_session(Session.objects.filter(account=jane.account).earliest("pk"), requester=SOMEWHERE, now=now())
    assert refusal(held.finish()) == NOT_AUTHORIZED
    assert send(web, Call(path="/auth/logout", body={}, bearer=second, method="PUT")).status == 200


def test_a_chunked_body_is_read_like_any_other(web: str) -> None:
    jane = make_person()
    first, second = signed_in(web, jane), signed_in(web, jane)
    call = Call(path="/auth/logout", body={"allSessions": True}, bearer=first, method="PUT")
    good(HeldRequest(web, call, chunked=True).finish())
    assert not Session.objects.filter(account=jane.account, revoked_at__isnull=True).exists()
    assert refusal(send(web, Call(path="/auth/logout", body={}, bearer=second, method="PUT"))) == NOT_AUTHORIZED


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"-5\r\n", b"5\r\n{....."])
def test_malformed_chunks_are_refused(web: str, chunks: bytes) -> None:
    address = urlsplit(web)
    lines = ["POST /auth/login/code HTTP/1.1", f"Host: {address.netloc}", "Content-Type: application/json"]
    with socket.create_connection((str(address.hostname), int(address.port or 80)), PATIENCE_SECONDS) as connection:
        connection.sendall("\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode() + chunks)
        connection.shutdown(socket.SHUT_WR)
        assert status_on(connection) in {0, 400}


def test_an_operator_who_is_deactivated_meanwhile_invites_nobody(web: str) -> None:
    root = operator()
    token, body = signed_in(web, root), {"email": "lee@example.co", "kind": "EndUser"}
    signed = action(web, root, token, method="POST", path="/auth/users", body=body)
    held = HeldRequest(web, Call(path="/auth/users", body=body, bearer=token, user_action=signed))
    deactivate_account(root.account, operator=OPERATOR, now=now())
    assert refusal(held.finish()) == NOT_AUTHORIZED
    assert not root.account.organization.accounts.filter(email="lee@example.co").exists()


def test_an_operator_who_is_deactivated_meanwhile_deletes_nobody(web: str) -> None:
    root = operator()
    lee = make_account(root.account.organization, "lee@example.co")
    token, path = signed_in(web, root), f"/auth/users/{lee.pk}"
    signed = action(web, root, token, method="DELETE", path=path, body={})
    held = HeldRequest(web, Call(path=path, body={}, bearer=token, user_action=signed, method="DELETE"))
    deactivate_account(root.account, operator=OPERATOR, now=now())
    assert refusal(held.finish()) == NOT_AUTHORIZED
    assert Account.objects.filter(pk=lee.pk).exists()


def test_a_challenge_that_expires_meanwhile_signs_nobody_in(web: str) -> None:
    jane = make_person(None, "jane@example.co", SoftwareKey.make())
    opened = good(send(web, Call(path="/auth/login/init", body=jane.names)))
    held = HeldRequest(web, login(opened, jane.key))
    time.sleep(CHALLENGE_SECONDS + 0.5)
    assert refusal(held.finish()) == (400, "Challenge token is not valid.")


def test_a_spent_assertion_is_refused_after_a_purge(web: str) -> None:
    """R-124. Held back when it was still good, finished when its id could have been forgotten."""
    jane = make_person(None, "jane@example.co", SoftwareKey.make())
    opened = good(send(web, Call(path="/auth/login/init", body=jane.names)))
    held = HeldRequest(web, login(opened, jane.key))
    good(send(web, login(opened, jane.key)))
    time.sleep(CHALLENGE_SECONDS + 0.5)
    purge(now=now() + timedelta(days=1))
    assert refusal(held.finish()) == (400, "Challenge token is not valid.")
    assert Session.objects.filter(account=jane.account).count() == 1


def test_a_body_that_takes_longer_than_the_deadline_is_refused() -> None:
    """R-124."""

    class Slow(BytesIO):
        def read(self, *size: Any) -> bytes:
            time.sleep(0.05)
            return super().read(*size)

    def request() -> HttpRequest:
        meta = {"wsgi.input": Slow(b"{}"), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        return RequestFactory().generic("POST", "/", **meta)

    assert read_body(request()) == b"{}"
    with pytest.raises(BodyRefused):
        read_body(request(), deadline=timedelta(seconds=0.01))


Message = MutableMapping[str, Any]


@pytest.mark.django_db(transaction=True)
def test_behind_asgi_a_session_that_ended_meanwhile_is_refused(client: Any) -> None:
    """The application as uvicorn calls it: the body arrives after the head, in a message of its own."""
    jane = make_person(None, "jane@example.co", SoftwareKey.make())
    opened = client.post("/auth/login/init", jane.names, content_type="application/json").json()
    token = client.post("/auth/login", login(opened, jane.key).body, content_type="application/json").json()["token"]
    body = b'{"kind": "Key"}'
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/auth/credentials/init",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"authorization", f"Bearer {token}".encode()),
        ],
    }

    def answer_to(meanwhile: Callable[[], object]) -> int:
        received: list[str] = []
        sent: list[Message] = []

        async def receive() -> Message:
            if received:
                await asyncio.sleep(60)
            received.append("body")
            await asyncio.to_thread(meanwhile)
            return {"type": "http.request", "body": body}

        async def send(message: Message) -> None:
            sent.append(message)

        application: Callable[..., Awaitable[None]] = get_asgi_application()
        asyncio.run(application(scope, receive, send))
        return int(sent[0]["status"])

    def end() -> None:
        end_session(Session.objects.get(account=jane.account), requester=SOMEWHERE, now=now())
        connections.close_all()

    assert answer_to(lambda: None) == 200
    assert answer_to(end) == 401
