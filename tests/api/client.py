"""Requests as a client sends them, through Django's test client."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from tests.authenticators import Fault, SoftwareKey
from tests.factories import Person


def call(
    client: Client, method: str, path: str, body: Any = None, *, bearer: str = "", **headers: str
) -> HttpResponse:
    """One JSON request; bytes are sent as they are."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    named = {"HTTP_" + name.upper(): value for name, value in headers.items()}
    if bearer:
        named["HTTP_AUTHORIZATION"] = f"Bearer {bearer}"
    response: HttpResponse = client.generic(method, path, data, content_type="application/json", **named)
    return response


def post(client: Client, path: str, body: Any, **options: str) -> HttpResponse:
    return call(client, "POST", path, body, **options)


def ask_code(client: Client, names: dict[str, str]) -> HttpResponse:
    return post(client, "/auth/login/code", names)


def open_login(client: Client, names: dict[str, str], **more: Any) -> HttpResponse:
    return post(client, "/auth/login/init", {**names, **more})


def complete_login(
    client: Client, challenge: dict[str, Any], key: SoftwareKey, *, fault: Fault | None = None
) -> HttpResponse:
    return post(
        client,
        "/auth/login",
        {
            "challengeIdentifier": challenge["challengeIdentifier"],
            "firstFactor": key.factor(challenge["challenge"], fault=fault),
        },
    )


def sign_in(client: Client, person: Person, **more: Any) -> str:
    """The token of a fresh sign-in."""
    challenge = open_login(client, person.names, **more).json()
    token: str = complete_login(client, challenge, person.key).json()["token"]
    return token


def message(response: HttpResponse) -> str:
    text: str = json.loads(response.content)["error"]["message"]
    return text
