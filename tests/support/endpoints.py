"""Every endpoint, with a request of the right shape for the tests that send one to each of them."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern

from dfns_login.api.schema.refusals import requires_user_action
from dfns_login.api.urls import urlpatterns
from dfns_login.api.view import AuthenticatedAPIView, LoginAPIView
from tests.support.api_client import call
from tests.support.authenticators import opaque_envelope

NAMES = {"username": "nobody@example.co", "orgId": "or-nobody"}
ASSERTION = {"credId": "AAAA", "clientData": "e30", "signature": "AA"}
CREDENTIAL = {
    "credentialKind": "Key",
    "credentialInfo": {"credId": "AAAA", "clientData": "e30", "attestationData": "e30"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A path, its method, and a body of the right shape."""

    name: str
    method: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    bearer: str = ""


ENDPOINTS = [
    Endpoint(name="login-code", method="POST", path="/auth/login/code", body=NAMES),
    Endpoint(name="login-init", method="POST", path="/auth/login/init", body=NAMES),
    Endpoint(
        name="login",
        method="POST",
        path="/auth/login",
        body={"challengeIdentifier": "x", "firstFactor": {"kind": "Key", "credentialAssertion": ASSERTION}},
    ),
    Endpoint(
        name="browser-login",
        method="POST",
        path="/login/complete",
        body={"challengeIdentifier": "x", "firstFactor": {"kind": "Key", "credentialAssertion": ASSERTION}},
    ),
    Endpoint(name="logout", method="PUT", path="/auth/logout", body={"allSessions": False}),
    Endpoint(name="registration-code", method="PUT", path="/auth/registration/code", body=NAMES),
    Endpoint(
        name="registration-init",
        method="POST",
        path="/auth/registration/init",
        body={**NAMES, "registrationCode": "0000-0000-0000-0000"},
    ),
    Endpoint(
        name="registration",
        method="POST",
        path="/auth/registration",
        body={"firstFactorCredential": CREDENTIAL},
        bearer="no-such-token",
    ),
    Endpoint(name="credentials", method="GET", path="/auth/credentials"),
    Endpoint(
        name="credentials",
        method="POST",
        path="/auth/credentials",
        body={"challengeIdentifier": "x", "credentialName": "Mine", **CREDENTIAL},
    ),
    Endpoint(name="credential-init", method="POST", path="/auth/credentials/init", body={"kind": "Key"}),
    Endpoint(
        name="credential-activate", method="PUT", path="/auth/credentials/activate", body={"credentialUuid": "cr-x"}
    ),
    Endpoint(
        name="credential-deactivate", method="PUT", path="/auth/credentials/deactivate", body={"credentialUuid": "cr-x"}
    ),
    Endpoint(
        name="credential-rename",
        method="PUT",
        path="/auth/credentials/rename",
        body={"credentialUuid": "cr-x", "credentialName": "Mine"},
    ),
    Endpoint(
        name="credential-key",
        method="PUT",
        path="/auth/credentials/key",
        body={"credentialUuid": "cr-x", "encryptedPrivateKey": opaque_envelope()},
    ),
    Endpoint(name="credential-code", method="POST", path="/auth/credentials/code", body={"expiration": 1}),
    Endpoint(
        name="credential-code-init",
        method="POST",
        path="/auth/credentials/code/init",
        body={"code": "0000-0000-0000-0000-0000-0000", "credentialKind": "Key"},
    ),
    Endpoint(
        name="credential-code-verify",
        method="POST",
        path="/auth/credentials/code/verify",
        body={"challengeIdentifier": "x", "credentialName": "Mine", **CREDENTIAL},
    ),
    Endpoint(name="sessions", method="GET", path="/auth/sessions"),
    Endpoint(name="session-end", method="PUT", path="/auth/sessions/end", body={"sessionId": "0"}),
    Endpoint(name="sessions-end-others", method="PUT", path="/auth/sessions/end-others"),
    Endpoint(name="activity", method="GET", path="/auth/activity"),
    Endpoint(name="events", method="GET", path="/auth/events"),
    Endpoint(
        name="action-init",
        method="POST",
        path="/auth/action/init",
        body={"userActionPayload": "", "userActionHttpMethod": "POST", "userActionHttpPath": "/wallets"},
    ),
    Endpoint(
        name="action",
        method="POST",
        path="/auth/action",
        body={"challengeIdentifier": "x", "firstFactor": {"kind": "Key", "credentialAssertion": ASSERTION}},
    ),
    Endpoint(name="recovery-code", method="POST", path="/auth/recover/user/code", body=NAMES),
    Endpoint(name="recovery-code", method="PUT", path="/auth/recover/user/code", body=NAMES),
    Endpoint(
        name="recovery-init",
        method="POST",
        path="/auth/recover/user/init",
        body={**NAMES, "verificationCode": "0000-0000-0000-0000", "credentialId": "AAAA"},
    ),
    Endpoint(
        name="recovery",
        method="POST",
        path="/auth/recover/user",
        body={
            "recovery": {"kind": "RecoveryKey", "credentialAssertion": ASSERTION},
            "newCredentials": {"firstFactorCredential": CREDENTIAL},
        },
        bearer="no-such-token",
    ),
    Endpoint(name="users", method="GET", path="/auth/users"),
    Endpoint(
        name="users", method="POST", path="/auth/users", body={"email": "kim@example.co", "kind": "CustomerEmployee"}
    ),
    Endpoint(name="user", method="GET", path="/auth/users/us-x"),
    Endpoint(name="user", method="DELETE", path="/auth/users/us-x"),
    Endpoint(name="user-activate", method="PUT", path="/auth/users/us-x/activate"),
    Endpoint(name="user-deactivate", method="PUT", path="/auth/users/us-x/deactivate"),
    Endpoint(name="token-keys", method="GET", path="/.well-known/jwks.json"),
    Endpoint(name="openapi", method="GET", path="/auth/openapi.json"),
]
PATTERNS: dict[str, URLPattern] = {str(each.name): each for each in urlpatterns}


def view_of(endpoint: Endpoint) -> type[LoginAPIView]:
    view: type[LoginAPIView] = PATTERNS[endpoint.name].callback.cls
    return view


def methods_of(endpoint: Endpoint) -> set[str]:
    """Return every method that the endpoint's path supports."""
    return {each.method for each in ENDPOINTS if each.path == endpoint.path}


WITH_BODY = [each for each in ENDPOINTS if each.method != "GET"]
AUTHENTICATED = [each for each in ENDPOINTS if issubclass(view_of(each), AuthenticatedAPIView)]
OPEN = [each for each in WITH_BODY if each not in AUTHENTICATED]
SIGNED = [each for each in WITH_BODY if requires_user_action(view_of(each), each.method)]

UNSIGNED_WITH_BODY = [each for each in WITH_BODY if each not in SIGNED]
of_each = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
of_each_with_body = pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda each: each.name)
of_each_signed = pytest.mark.parametrize("endpoint", SIGNED, ids=lambda each: each.name)
of_each_unsigned_with_body = pytest.mark.parametrize("endpoint", UNSIGNED_WITH_BODY, ids=lambda each: each.name)
of_each_open = pytest.mark.parametrize("endpoint", OPEN, ids=lambda each: each.name)
of_each_authenticated = pytest.mark.parametrize("endpoint", AUTHENTICATED, ids=lambda each: each.name)


def send(client: Client, endpoint: Endpoint, **changes: Any) -> HttpResponse:
    """Send the endpoint's request with these changes."""
    request = {"method": endpoint.method, "path": endpoint.path, "bearer": endpoint.bearer} | changes
    body = request.pop("body", endpoint.body if endpoint.method != "GET" else None)
    return call(client, request.pop("method"), request.pop("path"), body, **request)
