"""Bad input is refused quickly, the refusal names what is wrong, and nothing is written (R-47)."""

import gc
import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import resolve
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dfns_login.api.fields import Body
from dfns_login.api.operations import operation_of
from dfns_login.api.parsing import drain
from dfns_login.api.shapes import ByKind
from dfns_login.models import Account, CodePurpose, Session
from tests.support.api_client import (
    UNSIGNED,
    call,
    complete_registration,
    details,
    log_out,
    open_login,
    open_registration,
    told,
)
from tests.support.authenticators import SoftwareKey
from tests.support.endpoints import (
    AUTHENTICATED,
    NAMES,
    SIGNED,
    WITH_BODY,
    Endpoint,
    of_each_signed,
    of_each_unsigned_with_body,
    of_each_with_body,
    send,
)
from tests.support.factories import issue
from tests.support.signed_in import SignedIn

NOT_VALID = (400, "The request is not valid.")
NOWHERE = object()
QUICKLY = 0.5
"""Seconds of CPU time. R-47 requires 50 ms on an idle machine."""

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]


SIGNING_LEAVES = {"dfns_login.SpentToken", "dfns_login.AuditEvent"}
"""Tables that signing a request writes to, whatever happens to the request."""


def everything() -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    models = [*apps.get_app_config("dfns_login").get_models(), get_user_model()]
    return {model._meta.label: list(model._default_manager.order_by("pk").values()) for model in models}


def all_but_signing() -> dict[str, list[dict[str, Any]]]:
    return {name: rows for name, rows in everything().items() if name not in SIGNING_LEAVES}


@contextmanager
def quickly(what: str) -> Iterator[None]:
    """Assert that the block takes little CPU time."""
    gc.disable()  # collecting the garbage of thousands of tests takes longer than a request
    try:
        started = time.process_time()
        yield
        assert time.process_time() - started < QUICKLY, what
    finally:
        gc.enable()


def nested(depth: int) -> bytes:
    return b'{"more":' + b"[" * depth + b"]" * depth + b"}"


def with_username(raw: bytes) -> bytes:
    return b'{"orgId":"or-x","loginCode":"1","registrationCode":"1","username":' + raw + b"}"


BODIES = {
    "nothing": (b" ", "It is not valid JSON"),
    "no JSON": (b"username=jane", "It is not valid JSON"),
    "half of JSON": (b'{"username":"ja', "It is not valid JSON"),
    "JSON and more": (b"{}{}", "It is not valid JSON"),
    "an array": (b"[]", "It is not a JSON object."),
    "an array of objects": (b"[{}]", "It is not a JSON object."),
    "text": (b'"jane"', "It is not a JSON object."),
    "a number": (b"1", "It is not a JSON object."),
    "null": (b"null", "It is not a JSON object."),
    "true": (b"true", "It is not a JSON object."),
    "a member twice": (b'{"username":"a","username":"b"}', "a member is repeated"),
    "a member twice, once escaped": (b'{"username":"a","\\u0075sername":"b"}', "a member is repeated"),
    "a member twice, deep": (b'{"more":[{"a":1,"a":1}]}', "a member is repeated"),
    "NaN": (b'{"more":NaN}', "NaN is not a number"),
    "Infinity": (b'{"more":-Infinity}', "-Infinity is not a number"),
    "a huge number": (b'{"more":' + b"9" * 10_000 + b"}", "a number is too long"),
    "an invalid escape": (b'{"more":"\\x"}', "It is not valid JSON"),
    "a control character": (b'{"more":"\x01"}', "It is not valid JSON"),
    "NUL": (b'{"more":"\\u0000"}', "It contains a NUL character."),
    "NUL in a name": (b'{"mo\\u0000re":1}', "It contains a NUL character."),
    "NUL in the raw": (b'{"more":1}\0', "It is not valid JSON"),
    "half a surrogate pair": (b'{"more":"\\ud800"}', "It contains a lone surrogate."),
    "the other half": (b'{"more":["\\udfff!"]}', "It contains a lone surrogate."),
    "no UTF-8": (b'{"more":"\xff"}', "It is not UTF-8."),
    "surrogates in UTF-8": (b'{"more":"\xed\xa0\x80"}', "It is not UTF-8."),
    "overlong UTF-8": (b'{"more":"\xc0\x80"}', "It is not UTF-8."),
    "Latin-1": ('{"more":"é"}'.encode("latin-1"), "It is not UTF-8."),
    "UTF-16": ('{"more":"é"}'.encode("utf-16"), "It is not UTF-8."),
    "a byte order mark": (b"\xef\xbb\xbf{}", "It is not valid JSON"),
    "nine levels": (nested(8), "It is nested too deeply."),
    "ten thousand arrays": (nested(10_000), "It is nested too deeply."),
    "thirty thousand arrays": (nested(30_000), "It is nested too deeply."),
    "thirty thousand arrays left open": (b"[" * 30_000, "It is nested too deeply."),
    "ten thousand objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "It is nested too deeply."),
}


OVER_THE_LIMIT = {
    "100 000 arrays": nested(100_000),
    "10 MB": b'{"more":"' + b"m" * 10 * 2**20 + b'"}',
    "20 MB of nothing": bytes(20 * 2**20),
}


@of_each_unsigned_with_body
def test_malformed_bodies_are_refused(client: Client, endpoint: Endpoint, bearer: Any) -> None:
    token = bearer(endpoint)
    before = everything()
    for name, (body, wrong) in BODIES.items():
        with quickly(name):
            refused = send(client, endpoint, body=body, bearer=token)
        assert refused.status_code == 400, name
        assert wrong in details(refused)["body"][0], name
    assert everything() == before


@of_each_signed
def test_malformed_bodies_do_not_match_the_user_action(client: Client, endpoint: Endpoint, signed: SignedIn) -> None:
    """The user action is for the right body. Nothing is written, and it stays valid for that body."""
    action = signed.user_action(endpoint.method, endpoint.path, json.dumps(endpoint.body))
    headers = {"bearer": signed.token, "x_dfns_useraction": action}
    before = everything()
    for name, (body, _) in BODIES.items():
        with quickly(name):
            refused = send(client, endpoint, body=body, **headers)
        # if an empty body was signed, white space matches it, and is not JSON
        assert told(refused) == (UNSIGNED if endpoint.body or body.strip() else NOT_VALID), name
    assert everything() == before
    assert "user action" not in send(client, endpoint, **headers).content.decode()


@of_each_signed
@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"[]", "It is not a JSON object."),
        (b"[{}]", "It is not a JSON object."),
        (b'"jane"', "It is not a JSON object."),
        (b"1", "It is not a JSON object."),
        (b"null", "It is not a JSON object."),
        (b"true", "It is not a JSON object."),
        (nested(8), "It is nested too deeply."),
        (nested(60), "It is nested too deeply."),
    ],
)
def test_a_signed_body_is_still_validated(
    client: Client, endpoint: Endpoint, signed: SignedIn, body: bytes, wrong: str
) -> None:
    action = signed.user_action(endpoint.method, endpoint.path, body.decode())
    before = everything()
    refused = send(client, endpoint, body=body, bearer=signed.token, x_dfns_useraction=action)
    assert (refused.status_code, details(refused)) == (400, {"body": [wrong]})
    assert everything() == before


@of_each_with_body
def test_a_body_over_the_limit_is_refused(client: Client, endpoint: Endpoint, bearer: Any) -> None:
    token = bearer(endpoint)
    action = {"x_dfns_useraction": "x"} if endpoint in SIGNED else {}
    before = everything()
    for name, body in OVER_THE_LIMIT.items():
        with quickly(name):
            assert send(client, endpoint, body=body, bearer=token, **action).status_code == 413, name
    assert everything() == before


@pytest.mark.parametrize(
    ("method", "path", "content_type", "status"),
    [
        ("POST", "/auth/login/code", "application/json", 413),
        ("POST", "/auth/login/code", "text/plain", 415),
        ("POST", "/auth/registration", "application/json", 401),
        ("PUT", "/auth/logout", "application/json", 401),
        ("POST", "/auth/nothing", "application/json", 404),
        ("PUT", "/auth/login", "application/json", 405),
    ],
)
def test_the_rest_of_a_refused_body_is_read(
    client: Client, method: str, path: str, content_type: str, status: int
) -> None:
    """If the server closes the connection early, the client never reads the refusal."""
    sent = io.BytesIO(bytes(10 * 2**20))
    given: dict[str, Any] = {"wsgi.input": sent, "CONTENT_LENGTH": str(10 * 2**20), "CONTENT_TYPE": content_type}
    assert client.generic(method, path, **given).status_code == status
    assert sent.tell() == 10 * 2**20


def test_an_endless_body_is_not_read_to_the_end(client: Client) -> None:
    sent = io.BytesIO(bytes(20 * 2**20))
    given: dict[str, Any] = {"wsgi.input": sent, "CONTENT_LENGTH": str(20 * 2**20), "CONTENT_TYPE": "application/json"}
    assert client.generic("POST", "/auth/login/code", **given).status_code == 413
    assert sent.tell() < 17 * 2**20


def test_the_body_of_a_rate_limited_request_is_not_read(client: Client, configure: Any) -> None:
    """With rates by address only. Rates by user need the name in the body."""
    configure(RATES={"login_per_address": ("1/d",)})
    call(client, "POST", "/auth/login", {})
    sent = io.BytesIO(b"x" * 1000)
    given: dict[str, Any] = {"wsgi.input": sent, "CONTENT_LENGTH": "1000", "CONTENT_TYPE": "application/json"}
    assert client.generic("POST", "/auth/login", **given).status_code == 429
    assert sent.tell() == 0


def test_draining_a_refused_body_ends_in_time() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            time.sleep(0.01)
            return super().read(1)

    sent = Trickle(b"x" * 1000)
    given: dict[str, Any] = {"wsgi.input": sent, "CONTENT_LENGTH": "1000"}
    request = RequestFactory().generic("POST", "/", **given)
    drain(request, patience=timedelta(milliseconds=50))
    assert sent.tell() < 100


def test_the_limit_counts_bytes(client: Client) -> None:
    def of_length(length: int) -> bytes:
        body = json.dumps({**NAMES, "more": ""}).encode()
        return body[:-2] + b"m" * (length - len(body)) + body[-2:]

    assert call(client, "POST", "/auth/login/code", of_length(64 * 1024)).status_code == 200
    assert call(client, "POST", "/auth/login/code", of_length(64 * 1024 + 1)).status_code == 413


STATUS_OF_A_RIGHT_SHAPE = {
    "login": 400,
    "browser-login": 400,
    "registration-init": 403,
    "registration": 401,
    "credentials": 400,
    "credential-activate": 404,
    "credential-deactivate": 404,
    "credential-rename": 404,
    "credential-key": 404,
    "credential-code": 400,
    "credential-code-init": 403,
    "credential-code-verify": 400,
    "session-end": 404,
    "action": 400,
    "recovery-init": 403,
    "recovery": 401,
    "users": 403,
    "user": 403,
    "user-activate": 403,
    "user-deactivate": 403,
}


@of_each_with_body
def test_unknown_members_are_ignored(client: Client, endpoint: Endpoint, signed: SignedIn) -> None:
    more = b'"unknown":{"deep":[1,null,{"":%s}]},"__proto__":{},"":"","\xf0\x9f\x94\x91":-0.0}'
    number = b"1e9" if endpoint in SIGNED else b"1e999"
    body = json.dumps(endpoint.body).encode()[:-1] + (b"," if endpoint.body else b"") + more % number
    headers = {"bearer": signed.token if endpoint in AUTHENTICATED else endpoint.bearer}
    if endpoint in SIGNED:
        headers["x_dfns_useraction"] = signed.user_action(endpoint.method, endpoint.path, body.decode())
    answer = send(client, endpoint, body=body, **headers)
    assert answer.status_code == STATUS_OF_A_RIGHT_SHAPE.get(endpoint.name, 200)
    known = {"expiration"} if endpoint.name == "credential-code" else set()  # it is in the past
    assert set(answer.json().get("error", {}).get("details", {})) == known
    assert "user action" not in answer.content.decode()


# Invalid values, field by field

NOT_TEXT: list[Any] = [None, 0, 1.5, 10**100, True, [], ["jane@example.co"], {}, {"a": 1}]
NAMES_THAT_ARE_NONE = [
    "",
    " ",
    "\t\n",
    "a\nb",
    "a\x7fb",
    "\u202ea",
    "\u200b",
    "\ue000",
    "a\u2028b",
    "x" * 255,
    "x" * 60_000,
]
IDS_THAT_ARE_NONE = ["", " ", "or x", "or-é", "or-x\n", "or/../x", "x" * 65]
KINDS_THAT_ARE_NONE = ["", "key", "fido2", "Totp", "Key "]
KINDS_THAT_SIGN_NOTHING = [*KINDS_THAT_ARE_NONE, "RecoveryKey"]
CREDENTIAL_IDS_THAT_ARE_NONE = ["", "A", "AA==A", "A+A/", "AB", "AA=", "A A A", "A" * 1366, "é"]
LONG = ["x" * 60_000]

FIELDS: list[tuple[str, str, list[Any]]] = [
    *[
        (name, path, wrong)
        for name in (
            "login-code",
            "login-init",
            "registration-code",
            "registration-init",
            "recovery-code",
            "recovery-init",
        )
        for path, wrong in (("username", NAMES_THAT_ARE_NONE), ("orgId", IDS_THAT_ARE_NONE))
    ],
    ("login-init", "loginCode", ["", "1" * 65]),
    ("registration-init", "registrationCode", ["", "1" * 65]),
    ("recovery-init", "verificationCode", ["", "1" * 65]),
    ("recovery-init", "credentialId", CREDENTIAL_IDS_THAT_ARE_NONE),
    *[
        (name, path, wrong)
        for name in ("login", "browser-login", "action")
        for path, wrong in (
            ("challengeIdentifier", ["", *LONG]),
            ("firstFactor", ["Key"]),
            ("firstFactor.kind", KINDS_THAT_SIGN_NOTHING),
            ("firstFactor.credentialAssertion", ["AAAA"]),
            ("firstFactor.credentialAssertion.credId", CREDENTIAL_IDS_THAT_ARE_NONE),
            ("firstFactor.credentialAssertion.clientData", LONG),
            ("firstFactor.credentialAssertion.signature", LONG),
        )
    ],
    ("browser-login", "next", ["x" * 2049, *LONG]),
    *[
        (name, f"{within}{path}", wrong)
        for name, within in (
            ("registration", "firstFactorCredential."),
            ("recovery", "newCredentials.firstFactorCredential."),
            ("credentials", ""),
            ("credential-code-verify", ""),
        )
        for path, wrong in (
            ("credentialKind", KINDS_THAT_ARE_NONE),
            ("credentialName", ["x" * 201]),
            ("encryptedPrivateKey", ["", *LONG]),
            ("credentialInfo", ["AAAA"]),
            ("credentialInfo.credId", CREDENTIAL_IDS_THAT_ARE_NONE),
            ("credentialInfo.clientData", ["", *LONG]),
            ("credentialInfo.attestationData", ["", *LONG]),
            ("credentialInfo.transports", ["usb", ["usb"] * 17, [1], [None], ["x" * 201]]),
        )
    ],
    ("registration", "firstFactorCredential", ["Key"]),
    ("credentials", "challengeIdentifier", ["", *LONG]),
    ("credential-code-verify", "challengeIdentifier", ["", *LONG]),
    ("recovery", "newCredentials", ["Key"]),
    ("recovery", "newCredentials.firstFactorCredential", ["Key"]),
    ("recovery", "recovery", ["Key"]),
    ("recovery", "recovery.kind", ["Key", "Fido2", "recoverykey", ""]),
    ("recovery", "recovery.credentialAssertion", ["AAAA"]),
    ("recovery", "recovery.credentialAssertion.credId", CREDENTIAL_IDS_THAT_ARE_NONE),
    ("recovery", "recovery.credentialAssertion.clientData", LONG),
    ("recovery", "recovery.credentialAssertion.signature", LONG),
    ("credential-init", "kind", KINDS_THAT_ARE_NONE),
    ("credential-activate", "credentialUuid", ["", "x" * 65]),
    ("credential-deactivate", "credentialUuid", ["", "x" * 65]),
    ("credential-rename", "credentialUuid", ["", "x" * 65]),
    ("credential-rename", "credentialName", ["", " ", "a\nb", "a\x7fb", "\u202ea", "a\u2028b", "x" * 201]),
    ("credential-key", "credentialUuid", ["", "x" * 65]),
    ("credential-key", "encryptedPrivateKey", ["", "x" * 99, *LONG]),
    ("session-end", "sessionId", ["", "x" * 65]),
    ("credential-code-init", "code", ["", "1" * 65]),
    ("credential-code-init", "credentialKind", KINDS_THAT_ARE_NONE),
    ("action-init", "userActionPayload", ["{", "username=jane", "NaN", '{"a":1,"a":1}', "1e999"]),
    ("action-init", "userActionHttpMethod", ["", "post", "HEAD", "POST "]),
    ("action-init", "userActionHttpPath", ["", "x", "/..", "/x?y", "/" + "x" * 8192]),
    ("action-init", "userActionServerKind", ["", "x" * 201]),
    ("users", "email", ["", *LONG]),
    ("users", "kind", ["", "Employee", "enduser"]),
]
OF_A_CREDENTIAL = {"registration", "recovery", "credentials", "credential-code-verify"}
OPTIONAL = {
    "username": {"login-init"},
    "loginCode": {"login-init"},
    "next": {"browser-login"},
    "credentialName": OF_A_CREDENTIAL,
    "encryptedPrivateKey": OF_A_CREDENTIAL,
    "transports": OF_A_CREDENTIAL,
    "userActionServerKind": {"action-init"},
}
LISTS = {"transports"}
OBJECTS = {
    "firstFactor",
    "credentialAssertion",
    "firstFactorCredential",
    "credentialInfo",
    "newCredentials",
    "recovery",
}


def is_of_a_right_type(value: Any, member: str, *, endpoint: str) -> bool:
    return (
        (isinstance(value, dict) and member in OBJECTS)
        or (isinstance(value, list) and member in LISTS)
        or (value is None and endpoint in OPTIONAL.get(member, set()))
    )


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    return {**body, name: changed(body[name], rest, value) if rest else value}


def without(body: dict[str, Any], path: str) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    if rest:
        return {**body, name: without(body[name], rest)}
    return {key: value for key, value in body.items() if key != name}


@pytest.mark.parametrize(("name", "path", "values"), FIELDS, ids=[f"{name} {path}" for name, path, _ in FIELDS])
def test_an_invalid_field_is_named(client: Client, signed: SignedIn, name: str, path: str, values: list[Any]) -> None:
    endpoint = next(each for each in WITH_BODY if each.name == name)
    member = path.rpartition(".")[2]

    def sent(body: dict[str, Any]) -> HttpResponse:
        headers = {"bearer": signed.token if endpoint in AUTHENTICATED else endpoint.bearer}
        if endpoint in SIGNED:
            headers["x_dfns_useraction"] = signed.user_action(endpoint.method, endpoint.path, json.dumps(body))
        with quickly(path):
            return send(client, endpoint, body=body, **headers)

    before = all_but_signing()
    for value in [*values, *(each for each in NOT_TEXT if not is_of_a_right_type(each, member, endpoint=name))]:
        refused = sent(changed(endpoint.body, path, value))
        assert refused.status_code == 400, value
        within = ".0" if isinstance(value, list) and len(value) == 1 and member in LISTS else ""
        assert list(details(refused)) == [path + within], value
    if name not in OPTIONAL.get(member, set()):
        assert details(sent(without(endpoint.body, path))) == {path: ["This field is required."]}
    assert all_but_signing() == before


def optional_members(shape: type[Body], *, within: str = "") -> Iterator[str]:
    """Paths of the optional members of a body, nested ones included."""
    for name, field in shape().fields.items():
        if not field.required:
            yield f"{within}{name}"
        if isinstance(field, ByKind):
            shapes = set(field.kinds.values())
        else:
            shapes = {type(field)} if isinstance(field, Body) else set()
        for each in shapes:
            yield from optional_members(each, within=f"{within}{name}.")


def with_member(body: Any, path: str, value: Any) -> Any:
    """The body with this member, or None if it has no object to put it in."""
    name, _, rest = path.partition(".")
    inner = with_member(body.get(name), rest, value) if rest and isinstance(body, dict) else value
    return {**body, name: inner} if isinstance(body, dict) and inner is not NOWHERE else NOWHERE


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda endpoint: endpoint.name)
def test_null_for_an_optional_member_is_absence(endpoint: Endpoint) -> None:
    """Official clients leave members out, others send null."""
    shape = operation_of(resolve(endpoint.path).func.view_class, endpoint.method).body or Body  # type: ignore[attr-defined]
    absent = shape(data=endpoint.body)
    assert absent.is_valid(), absent.errors
    for path in optional_members(shape):
        if (body := with_member(endpoint.body, path, None)) is not NOWHERE:
            given = shape(data=body)
            assert given.is_valid(), (path, given.errors)
            assert given.validated_data == shape(data=without(body, path)).run_validation(without(body, path)), path


WITH_ORGANIZATION = [each for each in WITH_BODY if "orgId" in each.body]


@pytest.mark.parametrize("endpoint", WITH_ORGANIZATION, ids=lambda endpoint: endpoint.name)
def test_an_organization_has_two_names(client: Client, endpoint: Endpoint) -> None:
    """The newer Python client sends `tenantId`, the other official client `orgId`."""
    organization = endpoint.body["orgId"]
    asked = send(client, endpoint)
    by_tenant = without(endpoint.body, "orgId") | {"tenantId": organization}
    for body in (by_tenant, endpoint.body | {"tenantId": organization}, by_tenant | {"orgId": None}):
        answer = send(client, endpoint, body=body)
        assert (answer.status_code, answer.json().keys()) == (asked.status_code, asked.json().keys())
    different = send(client, endpoint, body=endpoint.body | {"tenantId": "or-other"})
    assert (different.status_code, details(different)) == (400, {"tenantId": ["It differs from orgId."]})
    neither = send(client, endpoint, body=without(endpoint.body, "orgId"))
    assert (neither.status_code, details(neither)) == (400, {"orgId": ["This field is required."]})


@pytest.mark.parametrize("value", [0, 1, 1.0, "", "true", "false", "yes", "on", [], {}, [True]])
def test_a_flag_must_be_a_boolean(client: Client, token: str, value: Any) -> None:
    assert list(details(log_out(client, token, {"allSessions": value}))) == ["allSessions"]
    assert Session.objects.get().revoked_at is None


def test_many_combining_characters_are_refused_quickly(client: Client) -> None:
    """Python sorts them in quadratic time: two seconds for a body of 64 KiB."""
    marks = "\u0345" * 8000 + "\u0315" * 8000 + "\u0300" * 8000 + "\u0323" * 8000
    body = with_username(json.dumps(marks, ensure_ascii=False).encode())
    with quickly("combining characters"):
        refused = call(client, "POST", "/auth/login/code", body)
    assert details(refused) == {"username": ["Enter a valid username."]}


@pytest.mark.parametrize(
    ("name", "member", "inner"),
    [
        ("login", "secondFactor", ["kind"]),
        ("browser-login", "secondFactor", ["kind"]),
        ("action", "secondFactor", ["kind"]),
        ("registration", "secondFactorCredential", ["credentialKind", "credentialInfo"]),
        ("registration", "recoveryCredential", ["credentialKind", "credentialInfo"]),
    ],
)
def test_an_empty_optional_value_is_not_ignored(
    client: Client, token: str, name: str, member: str, inner: list[str]
) -> None:
    endpoint = next(each for each in WITH_BODY if each.name == name)
    refused = send(client, endpoint, body={**endpoint.body, member: {}}, bearer=token)
    assert details(refused) == {f"{member}.{each}": ["This field is required."] for each in inner}
    for wrong in ("", [], 0, "Key"):
        refused = send(client, endpoint, body={**endpoint.body, member: wrong}, bearer=token)
        assert list(details(refused)) == [member]
    null = send(client, endpoint, body={**endpoint.body, member: None}, bearer=token)
    assert details(null) == {}


def test_a_null_second_factor_counts_as_absent(client: Client, lee: Account) -> None:
    code = issue(lee.recipient, purpose=CodePurpose.REGISTRATION)
    names = {"username": lee.username, "orgId": lee.organization_id}
    opened = open_registration(client, names, code).json()
    key = SoftwareKey.make()
    assert complete_registration(client, opened, key).status_code == 200
    challenge = open_login(client, names).json()
    body = {
        "challengeIdentifier": challenge["challengeIdentifier"],
        "firstFactor": key.factor(challenge["challenge"]),
        "secondFactor": None,
    }
    assert call(client, "POST", "/auth/login", body).status_code == 200


def test_undecodable_headers_are_harmless(client: Client) -> None:
    headers = {
        "user_agent": "\x00\n\ud800é" * 100,
        "accept_language": "*" * 10_000,
        "accept": "text/html",
        "x_forwarded_for": "\0",
        "authorization": "\0",
    }
    assert call(client, "POST", "/auth/login/code", NAMES, **headers).status_code == 200


# Any body at all

TEXT = st.text(max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


def shaped(value: Any) -> st.SearchStrategy[Any]:
    """Return values that resemble this one. Each member is the same, similar or arbitrary."""
    if isinstance(value, dict):
        members = {name: shaped(inner) for name, inner in value.items()}
        return st.fixed_dictionaries({}, optional=members) | VALUES
    return st.just(value) | VALUES


@of_each_with_body
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_any_body_gets_a_reply_or_a_refusal(client: Client, endpoint: Endpoint, data: st.DataObject) -> None:
    body = data.draw(st.binary(max_size=50) | shaped(endpoint.body).map(lambda each: json.dumps(each).encode()))
    answer = send(client, endpoint, body=body)
    assert answer.status_code in {200, 400, 401, 403}


def test_each_client_reads_messages_in_its_own_language(client: Client, settings: Any) -> None:
    """In projects that choose a language for the API too. Serializers are shared, and keep the first message."""
    locale = "django.middleware.locale.LocaleMiddleware"
    settings.MIDDLEWARE = [locale if name.endswith("LocaleMiddleware") else name for name in settings.MIDDLEWARE]
    body = {"username": "a", "orgId": "or-1", "loginCode": "1" * 65}

    def message(language: str) -> str:
        response = call(client, "POST", "/auth/login/init", body, accept_language=language)
        (found,) = response.json()["error"]["details"]["loginCode"]
        return str(found)

    assert message("fr") != message("en")
    assert message("fr").startswith("Assurez-vous")
    assert message("en").startswith("Ensure")
