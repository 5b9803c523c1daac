"""Requests as a client sends them, through Django's test client."""

import json
import re
from typing import Any

from django.http import HttpResponse
from django.test import Client

from dfns_login import errors
from tests.support.authenticators import Fault, SoftwareKey
from tests.support.factories import Person

CODES = {each.code for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "code")}
OURS = re.compile(r"/auth(/|$)|/\.well-known/|/login/complete$")
SETS_COOKIES = {"/login/complete"}
WITHOUT_STORE = {"/.well-known/jwks.json", "/auth/openapi.json"}


class CheckedClient(Client):
    """A client that checks what every response must have: JSON, `no-store`, the error envelope."""

    def __init__(self, **options: Any) -> None:
        super().__init__(raise_request_exception=False, **options)

    def generic(self, method: str, path: str, *arguments: Any, **options: Any) -> HttpResponse:
        response: HttpResponse = super().generic(method, path, *arguments, **options)
        if OURS.match(path):
            check_answer(response, method=method, path=path)
        return response


def check_answer(response: HttpResponse, *, method: str, path: str) -> None:
    """Assert what every response of the API must have."""
    stored = "public, max-age=300" if path in WITHOUT_STORE and response.status_code == 200 else "no-store"
    assert response["Cache-Control"] == stored, (path, response.status_code)
    assert response["Content-Type"] == "application/json", (path, response.status_code)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Content-Security-Policy"].endswith("sandbox")
    assert not response.cookies or (path in SETS_COOKIES and response.status_code == 200)
    if response.status_code == 200:
        return
    assert response.status_code in {400, 401, 403, 404, 405, 413, 415, 429, 500, 503}, response.status_code
    assert ("WWW-Authenticate" in response) == (response.status_code == 401)
    assert ("Retry-After" in response) == (response.status_code in {429, 503})
    if method != "HEAD":
        body = json.loads(response.content)
        assert set(body) == {"error"}
        assert {"message", "code"} <= set(body["error"]) <= {"message", "code", "details"}
        assert body["error"]["message"]
        assert body["error"]["code"] in CODES
        for field, messages in body["error"].get("details", {}).items():
            assert isinstance(field, str)
            assert messages
            assert all(isinstance(each, str) and each for each in messages)


def call(
    client: Client, method: str, path: str, body: Any = None, *, bearer: str = "", peer: str = "", **headers: str
) -> HttpResponse:
    """Send a JSON request. Bytes are sent as they are. peer: the client's address."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    content_type = headers.pop("content_type", "application/json")
    named = {"HTTP_" + name.upper(): value for name, value in headers.items()}
    if bearer:
        named["HTTP_AUTHORIZATION"] = f"Bearer {bearer}"
    if peer:
        named["REMOTE_ADDR"] = peer
    response: HttpResponse = client.generic(method, path, data, content_type=content_type, **named)
    return response


def post(client: Client, path: str, body: Any, **options: str) -> HttpResponse:
    return call(client, "POST", path, body, **options)


def ask_code(client: Client, names: dict[str, str], **headers: str) -> HttpResponse:
    return post(client, "/auth/login/code", names, **headers)


def open_login(client: Client, names: dict[str, str], **more: Any) -> HttpResponse:
    return post(client, "/auth/login/init", {**names, **more})


def complete_login(
    client: Client, challenge: dict[str, Any], key: SoftwareKey, *, fault: Fault | None = None
) -> HttpResponse:
    return post(client, "/auth/login", login_body(challenge, key, fault=fault))


def login_body(challenge: dict[str, Any], key: SoftwareKey, *, fault: Fault | None = None) -> dict[str, Any]:
    return {
        "challengeIdentifier": challenge["challengeIdentifier"],
        "firstFactor": key.factor(challenge["challenge"], fault=fault),
    }


def sign_in(client: Client, person: Person, **more: Any) -> str:
    """Sign in and return the token."""
    challenge = open_login(client, person.names, **more).json()
    token: str = complete_login(client, challenge, person.key).json()["token"]
    return token


def list_credentials(client: Client, token: str) -> HttpResponse:
    return call(client, "GET", "/auth/credentials", bearer=token)


def log_out(client: Client, token: str, body: Any = None) -> HttpResponse:
    return call(client, "PUT", "/auth/logout", body, bearer=token)


def ask_registration_code(client: Client, names: dict[str, str]) -> HttpResponse:
    return call(client, "PUT", "/auth/registration/code", names)


def open_registration(client: Client, names: dict[str, str], code: str) -> HttpResponse:
    return post(client, "/auth/registration/init", {**names, "registrationCode": code})


def complete_registration(
    client: Client, opened: dict[str, Any], key: SoftwareKey, *, fault: Fault | None = None, **more: Any
) -> HttpResponse:
    credential = {**key.credential(opened["challenge"], fault=fault), **more}
    return post(
        client,
        "/auth/registration",
        {"firstFactorCredential": credential},
        bearer=opened["temporaryAuthenticationToken"],
    )


def told(response: HttpResponse) -> tuple[int, str]:
    """Return the status and message of a refusal."""
    return response.status_code, message(response)


def message(response: HttpResponse) -> str:
    text: str = json.loads(response.content)["error"]["message"]
    return text


def details(response: HttpResponse) -> dict[str, list[str]]:
    """Return what is wrong with the body, by field."""
    found: dict[str, list[str]] = json.loads(response.content)["error"].get("details", {})
    return found


INVALID_CODE = (403, "Invalid code")
UNSIGNED = (403, "user action signature is missing or invalid")
NOT_AUTHORIZED = (401, "Not Authorized.")
CHALLENGE_NOT_VALID = (400, "Challenge token is not valid.")
DEACTIVATED = (400, "User account has been deactivated.")
