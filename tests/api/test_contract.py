"""What holds for every endpoint: the error envelope, a rate, `no-store`, and what a request costs.

R-90, R-92, R-93, R-98.

`CheckedClient` holds every answer of every test below `tests/api/` against the envelope and the headers; here each
status is provoked on each path, so that there are such answers.
"""

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.db import DatabaseError, OperationalError, connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve

from dfns_login.api.browser import CompleteBrowserLogin
from dfns_login.api.login import CompleteLogin
from dfns_login.api.view import UnknownPath
from dfns_login.browsers.cookies import cookie_name
from dfns_login.browsers.devices import COOKIE
from dfns_login.limits import Rate
from dfns_login.limits.tallies import tallies
from dfns_login.models import Session
from dfns_login.settings import DEFAULT_RATES
from dfns_login.tasks import wake_ups
from tests.support.api_browser import Browser
from tests.support.api_client import (
    INVALID_CODE,
    NOT_AUTHORIZED,
    UNSIGNED,
    ask_code,
    call,
    complete_login,
    list_credentials,
    log_out,
    login_body,
    open_login,
    sign_in,
    told,
)
from tests.support.authenticators import opaque_envelope
from tests.support.endpoints import (
    AUTHENTICATED,
    ENDPOINTS,
    NAMES,
    OPEN,
    PATTERNS,
    SIGNED,
    Endpoint,
    methods_of,
    of_each,
    of_each_authenticated,
    of_each_open,
    of_each_signed,
    of_each_unsigned_with_body,
    of_each_with_body,
    send,
    view_of,
)
from tests.support.factories import Person, issue, make_person
from tests.support.signed_in import SignedIn

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


def test_every_url_is_in_the_table() -> None:
    assert {each.name for each in ENDPOINTS} == set(PATTERNS) - {"unknown"}
    for each in ENDPOINTS:
        assert resolve(each.path).url_name == each.name
        served = {name.upper() for name in view_of(each).http_method_names if hasattr(view_of(each), name)}
        assert served - {"OPTIONS", "HEAD"} == methods_of(each)
    assert PATTERNS["unknown"].callback.cls is UnknownPath


def test_every_change_by_a_session_is_signed() -> None:
    """R-84, except for requests that open or answer a challenge or end a session."""
    unsigned = {each.name for each in AUTHENTICATED if each.method != "GET" and each not in SIGNED}
    assert unsigned == {"logout", "session-end", "sessions-end-others", "credential-init", "action-init", "action"}


@of_each
def test_no_view_is_atomic_or_checked_by_the_csrf_middleware(endpoint: Endpoint) -> None:
    """R-121: the views check the CSRF token themselves and refuse with the error envelope."""
    view = PATTERNS[endpoint.name].callback
    assert vars(view)["_non_atomic_requests"] == set(django_settings.DATABASES)
    assert view.csrf_exempt


@of_each_open
def test_every_open_endpoint_has_rates_of_its_own(endpoint: Endpoint) -> None:
    """R-40."""
    rates = view_of(endpoint).rates
    assert rates
    assert all(isinstance(rate, Rate) and len(DEFAULT_RATES[rate.name]) >= 2 for rate in rates)
    views = {view_of(each) for each in OPEN} - {CompleteBrowserLogin}
    assert CompleteBrowserLogin.scope == CompleteLogin.scope  # both complete a login
    assert len({view.scope for view in views}) == len(views)


# Each status on each path


@of_each_unsigned_with_body
def test_400(client: Client, endpoint: Endpoint, bearer: Any) -> None:
    refused = send(client, endpoint, body=b"[]", bearer=bearer(endpoint))
    assert told(refused) == (400, "The request is not valid.")
    assert refused.json()["error"]["details"] == {"body": ["It is not a JSON object."]}


@pytest.mark.django_db
@of_each_signed
def test_400_for_a_signed_request(client: Client, endpoint: Endpoint, signed: SignedIn) -> None:
    action = signed.user_action(endpoint.method, endpoint.path, "[]")
    refused = send(client, endpoint, body=b"[]", bearer=signed.token, x_dfns_useraction=action)
    assert told(refused) == (400, "The request is not valid.")
    assert refused.json()["error"]["details"] == {"body": ["It is not a JSON object."]}
    again = send(client, endpoint, body=b"[]", bearer=signed.token, x_dfns_useraction=action)
    assert again.status_code == 400  # the user action is still valid
    assert again.content == refused.content


@pytest.mark.django_db
@of_each_authenticated
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer x", "Basic eDp4", "bearer é", "Bearer a.b.c"])
def test_401(client: Client, endpoint: Endpoint, header: str) -> None:
    assert told(send(client, endpoint, authorization=header)) == NOT_AUTHORIZED


@pytest.mark.django_db
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer x", "Basic eDp4", "bearer é", "Bearer a.b.c"])
@pytest.mark.parametrize("name", ["registration", "recovery"])
def test_401_where_the_temporary_token_is_missing(client: Client, name: str, header: str) -> None:
    endpoint = next(each for each in ENDPOINTS if each.name == name)
    assert told(send(client, endpoint, bearer="", authorization=header)) == NOT_AUTHORIZED


@pytest.mark.django_db
@of_each_open
def test_an_invalid_bearer_token_is_ignored_on_public_endpoints(client: Client, endpoint: Endpoint) -> None:
    """The official Python client always sends one."""
    if endpoint.bearer:
        return
    without, with_one = send(client, endpoint), send(client, endpoint, bearer="no-such-token")
    assert with_one.status_code == without.status_code
    each_has_its_own = {"X-Request-ID"}
    different = {name for name, value in with_one.headers.items() if without.headers[name] != value}
    assert different <= each_has_its_own


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("login-init", {**NAMES, "loginCode": "0"}),
        ("registration-init", {**NAMES, "registrationCode": "0"}),
        ("recovery-init", {**NAMES, "verificationCode": "0", "credentialId": "AAAA"}),
        ("credential-code-init", {"code": "0", "credentialKind": "Key"}),
    ],
)
def test_403(client: Client, name: str, body: dict[str, str]) -> None:
    endpoint = next(each for each in ENDPOINTS if each.name == name)
    assert told(send(client, endpoint, body=body)) == INVALID_CODE


@pytest.mark.slow
@pytest.mark.django_db
@of_each_signed
@pytest.mark.parametrize("body", [None, b"", b"[]", b"{", b" " * 70_000])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_403_without_a_user_action(
    client: Client, endpoint: Endpoint, token: str, body: bytes | None, content_type: str
) -> None:
    """R-84: the refusal comes before the body is validated."""
    changes = {} if body is None else {"body": body}
    refused = send(client, endpoint, bearer=token, content_type=content_type, **changes)
    assert told(refused) == UNSIGNED
    refused = send(client, endpoint, bearer=token, content_type=content_type, x_dfns_useraction="", **changes)
    assert told(refused) == UNSIGNED


@pytest.mark.slow
@pytest.mark.django_db
@of_each_signed
@pytest.mark.parametrize("action", ["x", "a.b.c", "é", "x" * 5000])
def test_403_with_a_malformed_user_action(client: Client, endpoint: Endpoint, token: str, action: str) -> None:
    assert told(send(client, endpoint, bearer=token, x_dfns_useraction=action)) == UNSIGNED


@pytest.mark.parametrize(
    "path",
    [
        "/auth",
        "/auth/",
        "/auth/nothing",
        "/auth/login/code/",
        "/auth/login//code",
        "/auth//login/code",
        "/auth/login/./code",
        "/auth/login/%2e/code",
        "/auth/%2e%2e/auth/login/code",
        "/auth/login/code%2f",
        "/auth/login%2fcodes",
        "/auth/LOGIN/CODE",
        "/auth/login/code%00",
        "/auth/login/code%0a",
        "/auth/two%0alines",
        "/auth/login/code.json",
        "/auth/login/code;x=1",
        "/auth/credentials/",
        "/auth/credentials/us-x",
        "/auth/users/",
        "/auth/users/us-x/",
        "/auth/users/us-x/x",
        "/auth/users//activate",
        "/auth/action/init/",
        "/auth/recover/user/",
        "/auth/recover",
        "/auth/openapi",
        "/auth/é",
        "/auth/%ff",
        "/auth/" + "x" * 4000,
    ],
)
def test_404(client: Client, path: str) -> None:
    for method in METHODS:
        refused = call(client, method, path, {} if method in {"POST", "PUT"} else None)
        assert refused.status_code == 404, method
        assert method == "HEAD" or told(refused) == (404, "Not found.")


@pytest.mark.parametrize("path", ["//auth/login/code", "/AUTH/login/code", "/authx", "/./auth/login/code", "/auth%"])
def test_other_paths_are_left_to_the_project(client: Client, path: str) -> None:
    assert client.generic("POST", path).status_code == 404


@pytest.mark.django_db
@of_each
def test_405(client: Client, endpoint: Endpoint, bearer: Any) -> None:
    """R-48, R-99."""
    served = methods_of(endpoint)
    token = bearer(endpoint)
    for method in set(METHODS) - served - ({"HEAD"} if "GET" in served else set()):
        refused = send(client, endpoint, method=method, bearer=token)
        assert refused.status_code == 405, method
        assert served <= set(refused["Allow"].split(", "))


@pytest.mark.slow
@pytest.mark.django_db
@of_each
@pytest.mark.parametrize("header", ["x_http_method_override", "x_http_method", "x_method_override"])
def test_no_header_changes_the_method(client: Client, endpoint: Endpoint, header: str, bearer: Any) -> None:
    """R-48."""
    assert (
        send(client, endpoint, method="PATCH", bearer=bearer(endpoint), **{header: endpoint.method}).status_code == 405
    )


@of_each_with_body
def test_413(client: Client, endpoint: Endpoint, bearer: Any) -> None:
    body = b'{"more":"' + b"m" * 64 * 1024 + b'"}'
    refused = send(client, endpoint, body=body, bearer=bearer(endpoint), **any_action(endpoint))
    assert told(refused) == (413, "The request body is too large.")


@pytest.mark.slow
@of_each_with_body
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/vnd.api+json",
        "text/plain; application/json",
    ],
)
def test_415(client: Client, endpoint: Endpoint, content_type: str, bearer: Any) -> None:
    """R-95."""
    refused = send(
        client, endpoint, content_type=content_type, bearer=bearer(endpoint), body={}, **any_action(endpoint)
    )
    assert told(refused) == (415, "The request body must be application/json.")


def any_action(endpoint: Endpoint) -> dict[str, str]:
    """An invalid user action. The endpoint checks the size and type of the body first."""
    return {"x_dfns_useraction": "x"} if endpoint in SIGNED else {}


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON", "application/json; charset=utf-8"])
def test_every_spelling_of_the_json_content_type_is_accepted(client: Client, db: None, content_type: str) -> None:
    assert call(client, "POST", "/auth/login/code", NAMES, content_type=content_type).status_code == 200


@pytest.mark.django_db
@of_each_open
@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PATCH", None])
def test_429(client: Client, endpoint: Endpoint, method: str | None, configure: Any) -> None:
    """R-48: a rate counts requests of every method."""
    configure(RATES=dict.fromkeys(DEFAULT_RATES, ("1/h",)))
    send(client, endpoint, method=method or endpoint.method)
    refused = send(client, endpoint)
    assert told(refused) == (429, "Too many requests")
    assert 1 <= int(refused["Retry-After"]) <= 3600


@pytest.mark.django_db
@of_each
def test_500(client: Client, endpoint: Endpoint, bearer: Any, configure: Any, caplog: pytest.LogCaptureFixture) -> None:
    if endpoint.name == "openapi":
        return  # it reads only a file
    token = bearer(endpoint)
    configure(KEYS={})
    refused = send(client, endpoint, bearer=token)
    assert told(refused) == (500, "Internal Server Error")
    assert "ImproperlyConfigured" in caplog.text


def test_500_while_counting_a_refused_request(client: Client, db: None, configure: Any) -> None:
    configure(KEYS={})
    assert told(send(client, OPEN[0], body=b"[]")) == (500, "Internal Server Error")


@contextmanager
def broken_database(error: type[DatabaseError]) -> Iterator[None]:
    def fail(*_: object) -> None:
        msg = "no connection to jane@example.co"
        raise error(msg)

    with connection.execute_wrapper(fail):
        yield


@pytest.mark.django_db
@of_each
def test_503(client: Client, endpoint: Endpoint, bearer: Any) -> None:
    if endpoint.name in {"token-keys", "openapi"}:
        return  # they do not read the database
    token = bearer(endpoint)
    body = {**endpoint.body}
    if endpoint.name in {"login", "browser-login", "registration", "recovery", "credential-code-verify"}:
        return  # they refuse before they read the database; see below
    with broken_database(OperationalError):
        refused = send(client, endpoint, bearer=token, body=body if endpoint.method != "GET" else None)
    assert told(refused) == (503, "Service unavailable")
    assert int(refused["Retry-After"]) == 5


def test_503_at_the_end_of_a_login(client: Client, kim: Person) -> None:
    challenge = open_login(client, kim.names).json()
    with broken_database(OperationalError):
        assert complete_login(client, challenge, kim.key).status_code == 503
    assert complete_login(client, challenge, kim.key).status_code == 200


def test_a_database_error_is_an_internal_error(client: Client, kim: Person) -> None:
    with broken_database(DatabaseError):
        assert told(open_login(client, kim.names)) == (500, "Internal Server Error")


def test_a_truncated_body_is_refused(client: Client, db: None) -> None:
    class BrokenOff(io.RawIOBase):
        def read(self, *_: object) -> bytes:
            raise OSError

    response = client.generic(
        "POST",
        "/auth/login/code",
        **{"wsgi.input": BrokenOff(), "CONTENT_LENGTH": "10", "CONTENT_TYPE": "application/json"},
    )
    assert response.status_code == 400


# What a request costs. The numbers may fall but not grow.

BY_ADDRESS_AND_NETWORK_AND_NAME_AND_ORGANIZATION = 11
BY_ADDRESS_AND_NETWORK_AND_NAME = 6
OF_A_GUESS = 8
BY_ADDRESS_AND_NETWORK = 4
LOCKED_SESSION = ("SELECT account", "SELECT session")
"""What authorizes an act is read again in its transaction (R-123)."""
VOIDED = (
    *("UPDATE organization", "UPDATE account", "UPDATE session", "UPDATE session", "UPDATE session"),
    *("UPDATE onetimecode", "UPDATE onetimecode"),
)
"""A new generation, the sessions that end, those that had expired, those that stay, and the open codes (R-122)."""
HANDED_OVER = {"set": 1}
"""A worker has been woken by the request before, and has not come yet."""
STATEMENT = re.compile(r'^\s*(\w+)(?:.*?(?:FROM|INTO|UPDATE|JOIN) "?dfns_login_(\w+))?', re.DOTALL)


def opened_session() -> list[str]:
    """The account is locked, and challenge, session and event are stored: on PostgreSQL, by one statement."""
    if connection.vendor == "postgresql":
        return ["WITH account"]
    return ["BEGIN", "SELECT account", "INSERT spenttoken", "INSERT session", "INSERT auditevent", "COMMIT"]


def consumed_code() -> list[str]:
    """The guess is counted, the code consumed and two events are stored: on PostgreSQL, by one statement."""
    if connection.vendor == "postgresql":
        return ["WITH onetimecode"]
    return ["BEGIN", "UPDATE onetimecode", "INSERT auditevent", "COMMIT"]


def counted(windows: int) -> dict[str, int]:
    """Return the cache commands: one script, which increments the counter of each window."""
    return {"evalsha": 1, "incr": windows}


def cost_of(request: Callable[[], HttpResponse]) -> tuple[list[str], dict[str, int]]:
    """Return the SQL statements and cache commands of an accepted request."""
    with CaptureQueriesContext(connection) as captured, redis.Redis.from_url(django_settings.REDIS_URL) as server:
        assert wake_ups.finish(seconds=20)
        before = server.info("commandstats")
        response = request()
        assert wake_ups.finish(seconds=20)
        after = server.info("commandstats")
    assert response.status_code == 200, response.content
    calls = {
        name.removeprefix("cmdstat_"): stats["calls"] - before.get(name, {"calls": 0})["calls"]
        for name, stats in after.items()
        if name != "cmdstat_info"
    }
    sent = [STATEMENT.match(query["sql"] if query["sql"][0] != "U" else f"UPDATE {query['sql']}") for query in captured]
    return [" ".join(filter(None, each.groups())) for each in sent if each], {k: v for k, v in calls.items() if v}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("windows")
class TestCost:
    @pytest.fixture(autouse=True)
    def no_tallies(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Don't store the counts of refused requests, which a thread does every ten seconds."""
        monkeypatch.setattr(tallies, "_next", monotonic() + 3600)
        yield
        tallies.reset()

    def test_of_asking_for_a_login_code(self, client: Client) -> None:
        names = make_person().names
        ask_code(client, names)
        statements, commands = cost_of(lambda: ask_code(client, names))
        assert statements == ["INSERT onetimecode"]
        assert commands == {**counted(BY_ADDRESS_AND_NETWORK_AND_NAME_AND_ORGANIZATION), **HANDED_OVER}

    def test_of_asking_for_a_registration_code(self, client: Client) -> None:
        request = lambda: call(client, "PUT", "/auth/registration/code", NAMES)  # noqa: E731
        request()
        statements, commands = cost_of(request)
        assert statements == ["INSERT onetimecode"]
        assert commands == {**counted(BY_ADDRESS_AND_NETWORK_AND_NAME_AND_ORGANIZATION), **HANDED_OVER}

    def test_of_opening_a_login_without_a_code(self, client: Client) -> None:
        names = make_person().names
        open_login(client, names)
        statements, commands = cost_of(lambda: open_login(client, names))
        assert statements == ["SELECT credential"]  # and organization, account and code
        assert commands == counted(BY_ADDRESS_AND_NETWORK_AND_NAME)

    def test_of_presenting_a_login_code(self, client: Client) -> None:
        person = make_person()
        open_login(client, person.names, loginCode="1")
        code = issue(person.account.recipient)
        statements, commands = cost_of(lambda: open_login(client, person.names, loginCode=code))
        assert statements == ["SELECT credential", *consumed_code()]
        assert commands == counted(OF_A_GUESS)

    def test_of_completing_a_login(self, client: Client) -> None:
        person = make_person()
        challenges = [
            open_login(client, person.names, loginCode=issue(person.account.recipient)).json() for _ in range(2)
        ]
        complete_login(client, challenges[0], person.key)
        body = login_body(challenges[1], person.key)
        statements, commands = cost_of(lambda: call(client, "POST", "/auth/login", body))
        assert statements == [
            "SELECT credential",
            "SELECT credential",
            *opened_session(),
        ]
        assert commands == counted(BY_ADDRESS_AND_NETWORK)

    def test_of_an_authenticated_request(self, client: Client) -> None:
        person = make_person()
        opened = open_login(client, person.names, loginCode=issue(person.account.recipient)).json()
        token = complete_login(client, opened, person.key).json()["token"]
        assert cost_of(lambda: list_credentials(client, token)) == (["SELECT session", "SELECT credential"], {})
        assert cost_of(lambda: log_out(client, token)) == (
            [
                "SELECT session",
                "BEGIN",
                "SELECT account",
                "UPDATE session",
                "SELECT session",
                "INSERT auditevent",
                "COMMIT",
            ],
            {},
        )

    def test_of_a_signed_request(self, client: Client) -> None:
        """Three requests: what is to be signed, what was signed, and what it was signed for."""
        person = make_person()
        jane = SignedIn(client=client, person=person, token=sign_in(client, person, loginCode=code_of(person)))
        uuid = {"credentialUuid": person.account.credentials.get().pk}
        action = {
            "userActionPayload": json.dumps(uuid),
            "userActionHttpMethod": "PUT",
            "userActionHttpPath": "/auth/credentials/activate",
        }
        jane.call("POST", "/auth/action/init", action)
        opening = cost_of(lambda: jane.call("POST", "/auth/action/init", action))
        assert opening == (
            ["SELECT session", "SELECT credential", "SELECT credential", "INSERT auditevent"],
            counted(BY_ADDRESS_AND_NETWORK),
        )
        jane.complete_action(jane.open_action("PUT", "/x"))
        challenge = jane.open_action("PUT", action["userActionHttpPath"], action["userActionPayload"])
        body = {
            "challengeIdentifier": challenge["challengeIdentifier"],
            "firstFactor": person.key.factor(challenge["challenge"]),
        }
        signing = cost_of(lambda: jane.call("POST", "/auth/action", body))
        assert signing == (
            [
                "SELECT session",
                "SELECT credential",
                "SELECT credential",
                "BEGIN",
                *LOCKED_SESSION,
                "INSERT spenttoken",
                "INSERT auditevent",
                "COMMIT",
            ],
            counted(BY_ADDRESS_AND_NETWORK),
        )
        used = jane.user_action("PUT", action["userActionHttpPath"], action["userActionPayload"])
        using = cost_of(lambda: jane.call("PUT", action["userActionHttpPath"], uuid, x_dfns_useraction=used))
        assert using == (
            [
                "SELECT session",
                "BEGIN",
                *LOCKED_SESSION,
                "INSERT spenttoken",
                "INSERT auditevent",
                "SELECT account",
                "SELECT credential",
                "COMMIT",
            ],
            {},
        )

    def test_of_completing_a_login_in_a_browser(self, client: Client) -> None:
        """As without one, and: Django's session, the user's last login, and which of Django's sessions it is."""
        person, before = make_person(), Browser()
        before.sign_in(person)  # a new device costs a notice; and both logins share their rates
        client.cookies[cookie_name(COOKIE)] = before.cookies[cookie_name(COOKIE)].value
        body = login_body(open_login(client, person.names, loginCode=code_of(person)).json(), person.key)
        statements, commands = cost_of(lambda: call(client, "POST", "/login/complete", body))
        saved = ["BEGIN", "UPDATE", "COMMIT"]
        assert statements == [
            "SELECT credential",
            "SELECT credential",
            *opened_session(),
            *["SELECT", "BEGIN", "INSERT", "COMMIT"],
            "UPDATE",
            *saved,
            "UPDATE session",
            *saved,
        ]
        assert commands == counted(BY_ADDRESS_AND_NETWORK)

    def test_of_listing_and_ending_sessions(self, client: Client) -> None:
        person = make_person()
        tokens = [sign_in(client, person, loginCode=code_of(person)) for _ in range(2)]
        listing = cost_of(lambda: call(client, "GET", "/auth/sessions", bearer=tokens[0]))
        assert listing == (["SELECT session", "SELECT session"], {})
        activity = cost_of(lambda: call(client, "GET", "/auth/activity", bearer=tokens[0]))
        assert activity == (["SELECT session", "SELECT auditevent", "SELECT credential"], {})
        body = {"sessionId": str(Session.objects.latest("pk").pk)}
        ending = cost_of(lambda: call(client, "PUT", "/auth/sessions/end", body, bearer=tokens[0]))
        assert ending == (
            [
                "SELECT session",
                "BEGIN",
                *LOCKED_SESSION,
                "SELECT session",
                "UPDATE session",
                "SELECT session",
                "INSERT auditevent",
                "COMMIT",
            ],
            {},
        )

    def test_of_renaming_a_credential_and_changing_its_password(self, client: Client) -> None:
        person = make_person()
        jane = SignedIn(client=client, person=person, token=sign_in(client, person, loginCode=code_of(person)))
        uuid = person.account.credentials.get().pk

        def cost(path: str, **more: str) -> list[str]:
            body = {"credentialUuid": uuid, **more}
            action = jane.user_action("PUT", path, json.dumps(body))
            return cost_of(lambda: jane.call("PUT", path, body, x_dfns_useraction=action))[0]

        assert cost("/auth/credentials/rename", credentialName="Laptop") == [
            "SELECT session",
            "BEGIN",
            *LOCKED_SESSION,
            "INSERT spenttoken",
            "INSERT auditevent",
            "SELECT credential",
            "UPDATE credential",
            "INSERT auditevent",
            "COMMIT",
        ]
        assert cost("/auth/credentials/key", encryptedPrivateKey=opaque_envelope()) == [
            "SELECT session",
            "BEGIN",
            *LOCKED_SESSION,
            "INSERT spenttoken",
            "INSERT auditevent",
            "SELECT account",
            "SELECT credential",
            "UPDATE credential",
            *VOIDED,
            "INSERT auditevent",
            "INSERT notice",
            "COMMIT",
        ]

    def test_of_asking_for_a_recovery_code(self, client: Client) -> None:
        request = lambda: call(client, "POST", "/auth/recover/user/code", NAMES)  # noqa: E731
        request()
        statements, commands = cost_of(request)
        assert statements == ["INSERT onetimecode"]
        assert commands == {**counted(BY_ADDRESS_AND_NETWORK_AND_NAME_AND_ORGANIZATION), **HANDED_OVER}


def code_of(person: Person) -> str:
    return issue(person.account.recipient)
