"""Signed requests to a project's own views: with the decorator and with the permission (R-85)."""

import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path, re_path
from rest_framework import exceptions, parsers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from dfns_login.api.authentication import SessionTokenAuthentication
from dfns_login.api.signed_requests import HasUserAction, user_action_required
from dfns_login.models import SpentToken
from tests.support.api_client import details, sign_in, told
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.factories import make_organization, make_person
from tests.support.signed_in import SignedIn, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__), pytest.mark.slow]

REFUSED = (403, "user action signature is missing or invalid")
NOT_JSON = (415, "The request body must be application/json.")
USED = (400, "user action has already been used")


class Things(APIView):
    """A view of an integrator. It writes a row, and fails if the body says so."""

    authentication_classes = (SessionTokenAuthentication,)
    parser_classes = (parsers.JSONParser, parsers.FormParser, parsers.MultiPartParser)

    @user_action_required
    def post(self, request: Request, **_: Any) -> Response:
        return self.make(request)

    put = patch = delete = post

    def make(self, request: Request) -> Response:
        Group.objects.create(name=f"thing {Group.objects.count()}")
        how = request.data.get("fail", "") if isinstance(request.data, dict) else ""
        if how == "validation":
            raise exceptions.ValidationError({"fail": ["so"]})
        if how == "crash":
            msg = "crash"
            raise RuntimeError(msg)
        return Response({"data": request.data}, status=422 if how == "by an answer" else 200)


class GuardedThings(Things):
    permission_classes = (HasUserAction,)

    def post(self, request: Request, **_: Any) -> Response:
        return self.make(request)


class EarlyThings(Things):
    """Reads the body before authentication."""

    def initial(self, request: Request, *arguments: Any, **named: Any) -> None:
        assert request.data
        super().initial(request, *arguments, **named)


class RawText(parsers.BaseParser):
    media_type = "*/*"

    def parse(self, stream: Any, *_: Any, **__: Any) -> str:
        return str(stream.read().decode())


class StrangelyReadThings(Things):
    parser_classes = (RawText,)


class TooEarlyThings(EarlyThings):
    parser_classes = (RawText,)


class Unauthenticated(APIView):
    authentication_classes = ()

    @user_action_required
    def post(self, request: Request) -> Response:
        return Response({})


urlpatterns = [
    path("", include("dfns_login.urls")),
    re_path(r"^things/", Things.as_view()),
    re_path(r"^guarded/", GuardedThings.as_view()),
    path("early", EarlyThings.as_view()),
    path("too-early", TooEarlyThings.as_view()),
    path("strange", StrangelyReadThings.as_view()),
    path("open", Unauthenticated.as_view()),
]

THING = "/things/1"
BODY = {"amount": 1, "to": {"name": "Zoë", "list": [1, 2]}}
TEXT = json.dumps(BODY)


@pytest.fixture
def jane(client: Client) -> SignedIn:
    return signed_in(client, make_person())


def use(jane: SignedIn, action: str, *, method: str = "POST", at: str = THING, body: Any = BODY, **more: str) -> Any:
    return jane.call(method, at, body, x_dfns_useraction=action, **more)


def made() -> int:
    return Group.objects.count()


@pytest.fixture(params=[False, True], ids=["autocommit", "ATOMIC_REQUESTS"])
def _atomic_requests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", request.param)


def own_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """A handler of the project, which its response shows."""
    response = exception_handler(error, context)
    if response is not None:
        response["X-Handled"] = "by the project"
    return response


@pytest.fixture(params=[None, f"{__name__}.own_handler", "dfns_login.api.envelope.exception_handler"])
def _any_handler(request: pytest.FixtureRequest, settings: Any) -> None:
    if request.param:
        settings.REST_FRAMEWORK = {"EXCEPTION_HANDLER": request.param}


# Accepted and refused requests


@pytest.mark.usefixtures("_atomic_requests", "_any_handler")
@pytest.mark.parametrize("at", ["/things/1", "/guarded/1"])
def test_a_signed_request_is_served_once(jane: SignedIn, at: str) -> None:
    action = jane.user_action("POST", at, TEXT)
    served = use(jane, action, at=at)
    assert (served.status_code, served.json()) == (200, {"data": BODY})
    again = use(jane, action, at=at)
    assert told(again) == USED
    assert again.json()["error"]["code"] == "user_action_used"
    assert made() == 1


@pytest.mark.slow
@pytest.mark.usefixtures("_atomic_requests", "_any_handler")
@pytest.mark.parametrize("at", ["/things/1", "/guarded/1"])
@pytest.mark.parametrize("action", [None, "", "x", "a.b.c", "é"])
def test_an_unsigned_request_is_refused_with_the_error_envelope(jane: SignedIn, at: str, action: str | None) -> None:
    refused = jane.call("POST", at, BODY) if action is None else use(jane, action, at=at)
    assert told(refused) == REFUSED
    assert refused.json() == {"error": {"message": REFUSED[1], "code": "user_action_refused"}}
    assert made() == 0


def test_the_exception_handler_of_the_project_is_used(jane: SignedIn, settings: Any) -> None:
    settings.REST_FRAMEWORK = {"EXCEPTION_HANDLER": f"{__name__}.own_handler"}
    assert jane.call("POST", THING, BODY)["X-Handled"] == "by the project"


def test_a_refusal_in_a_view_of_the_project_is_logged(jane: SignedIn, caplog: pytest.LogCaptureFixture) -> None:
    """R-116."""
    with caplog.at_level("WARNING", logger="dfns_login.audit"):
        jane.call("POST", THING, BODY)
    assert "where=Things refusal=user_action_refused reason=no user action" in caplog.text


def test_without_a_session_it_is_401(client: Client, jane: SignedIn) -> None:
    action = jane.user_action("POST", "/open", TEXT)
    assert told(use(jane, action, at="/open")) == (401, "Not Authorized.")
    stranger = SignedIn(client=client, person=jane.person, token="")
    assert stranger.call("POST", THING, BODY).status_code == 401


@pytest.mark.usefixtures("_atomic_requests")
@pytest.mark.parametrize("how", ["validation", "crash"])
def test_an_exception_leaves_the_user_action_valid(jane: SignedIn, how: str) -> None:
    """R-85: the user action is used up in the transaction of the request."""
    body = {"fail": how}
    action = jane.user_action("POST", THING, json.dumps(body))
    for _ in range(2):
        assert use(jane, action, body=body).status_code == {"validation": 400, "crash": 500}[how]
    assert made() == 0


def test_a_refusal_by_response_uses_up_the_user_action(jane: SignedIn) -> None:
    body = {"fail": "by an answer"}
    action = jane.user_action("POST", THING, json.dumps(body))
    assert use(jane, action, body=body).status_code == 422
    assert told(use(jane, action, body=body)) == USED


@pytest.mark.parametrize(("atomic", "second"), [(True, 400), (False, 400)])
def test_the_permission_is_rolled_back_only_with_the_request(
    jane: SignedIn, monkeypatch: pytest.MonkeyPatch, *, atomic: bool, second: int
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    body = {"fail": "validation"}
    action = jane.user_action("POST", "/guarded/1", json.dumps(body))
    spent = SpentToken.objects.count()
    assert use(jane, action, at="/guarded/1", body=body).status_code == 400
    assert SpentToken.objects.count() == spent + (0 if atomic else 1)
    again = use(jane, action, at="/guarded/1", body=body)
    assert again.status_code == second
    assert ("error" in again.json()) is not atomic  # already used, or refused by the view again


# Method and path


@pytest.mark.parametrize(("signed", "used"), [("POST", "PUT"), ("PUT", "POST"), ("DELETE", "POST"), ("GET", "POST")])
def test_another_method_is_refused(jane: SignedIn, signed: str, used: str) -> None:
    assert told(use(jane, jane.user_action(signed, THING, TEXT), method=used)) == REFUSED


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_every_method_can_be_signed(jane: SignedIn, method: str) -> None:
    assert use(jane, jane.user_action(method, THING, TEXT), method=method).status_code == 200


@pytest.mark.parametrize(
    ("signed", "used"),
    [
        pytest.param("/things/us%2F1%20x", "/things/us%2F1%20x", id="encoded, as the TypeScript client signs"),
        pytest.param("/things/us/1 x", "/things/us%2F1%20x", id="raw, as the Python client signs"),
        pytest.param("/things/zo\xeb", "/things/zo%C3%AB", id="not ASCII"),
        pytest.param("/things/%C3%AB", "/things/%c3%ab", id="digits of another case"),
        pytest.param("/things/%2561", "/things/%2561", id="encoded twice, in both"),
        pytest.param("/things/a..b", "/things/a..b", id="dots that do not climb"),
        pytest.param("/things/1", "/things/1?more=1", id="a query, which nobody signs"),
    ],
)
def test_the_encoding_of_the_path_does_not_matter(jane: SignedIn, signed: str, used: str) -> None:
    assert use(jane, jane.user_action("POST", signed, TEXT), at=used).status_code == 200


@pytest.mark.parametrize(
    ("signed", "used"),
    [
        ("/things/1", "/things/2"),
        ("/things/1", "/things/1/"),
        ("/things/1/", "/things/1"),
        ("/things/1", "/things//1"),
        ("/things/a", "/things/A"),
        ("/things/%2561", "/things/%61"),
        ("/things/%61", "/things/%2561"),
        ("/things/1", "/things/1%00"),
        ("/things/1", "/things/1;x=1"),
        ("/things/1", "/things/./1"),
        ("/things/1", "/things/x/../1"),
        ("/things/%ff", "/things/%ff"),
        ("/things/zo\xeb", "/things/zoe%CC%88"),
        ("/things/1", "/guarded/1"),
    ],
)
def test_another_path_is_refused(jane: SignedIn, signed: str, used: str) -> None:
    assert told(use(jane, jane.user_action("POST", signed, TEXT), at=used)) == REFUSED


# The body


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(json.dumps(BODY, indent=3), id="white space"),
        pytest.param(json.dumps(BODY, ensure_ascii=False), id="no escapes"),
        pytest.param(json.dumps(BODY, ensure_ascii=True).replace("amount", "\\u0061mount"), id="more escapes"),
        pytest.param('{"to": {"list": [1, 2], "name": "Zo\\u00eb"}, "amount": 1}', id="another order"),
        pytest.param(f"\n {TEXT}\r\n", id="white space around"),
    ],
)
def test_the_json_format_of_the_body_does_not_matter(jane: SignedIn, raw: str) -> None:
    assert use(jane, jane.user_action("POST", THING, TEXT), body=raw.encode()).json() == {"data": BODY}
    assert use(jane, jane.user_action("POST", THING, raw)).json() == {"data": BODY}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(json.dumps(BODY | {"amount": 2}), id="another number"),
        pytest.param(json.dumps(BODY | {"amount": "1"}), id="text for a number"),
        pytest.param(json.dumps(BODY | {"amount": 1.0}), id="a fraction"),
        pytest.param(json.dumps(BODY | {"amount": True}), id="true for one"),
        pytest.param(json.dumps(BODY | {"amount": None}), id="null"),
        pytest.param(json.dumps(BODY | {"amount": [1]}), id="in an array"),
        pytest.param(json.dumps({"to": BODY["to"]}), id="a member less"),
        pytest.param(json.dumps(BODY | {"more": None}), id="a member more"),
        pytest.param(json.dumps(BODY | {"to": {"name": "Zoe", "list": [1, 2]}}), id="another text, deep"),
        pytest.param(json.dumps(BODY | {"to": {"name": "Zoe\u0308", "list": [1, 2]}}), id="text composed otherwise"),
        pytest.param(json.dumps(BODY | {"to": {"name": "Zoë", "list": [2, 1]}}), id="another order in an array"),
        pytest.param(json.dumps(BODY | {"to": {"name": "Zoë", "list": [1, 2, 3]}}), id="an element more"),
        pytest.param(json.dumps(BODY | {"to": {"name": "Zoë", "list": [1, 2], "x": 1}}), id="a member more, deep"),
        pytest.param(json.dumps({"Amount": 1, "to": BODY["to"]}), id="a name of another case"),
        pytest.param(json.dumps([BODY]), id="the same in an array"),
        pytest.param(json.dumps(TEXT), id="the same as text"),
        pytest.param("", id="nothing"),
        pytest.param("{}", id="an empty object"),
        pytest.param(TEXT[:-1] + ', "amount": 1}', id="a member twice"),
        pytest.param(TEXT.replace('{"amount": 1', '{"amount": 1, "amount": 1', 1), id="a member twice, in front"),
        pytest.param(TEXT.replace('"name"', '"name": "", "name"'), id="a member twice, deep"),
        pytest.param(TEXT + "{}", id="and more"),
        pytest.param("\ufeff" + TEXT, id="a byte order mark"),
        pytest.param(TEXT.replace("1", "NaN", 1), id="NaN"),
    ],
)
def test_another_value_is_refused(jane: SignedIn, raw: str) -> None:
    """R-85."""
    action = jane.user_action("POST", THING, TEXT)
    assert told(use(jane, action, body=raw.encode())) == REFUSED
    assert made() == 0
    assert use(jane, action).status_code == 200


NOTHING = ["", "{}", '""', " { } ", "\n"]


@pytest.mark.parametrize("announced", NOTHING)
@pytest.mark.parametrize("sent", NOTHING)
def test_no_body_and_an_empty_object_are_the_same(jane: SignedIn, announced: str, sent: str) -> None:
    """Both official clients, with a body and without."""
    action = jane.user_action("DELETE", THING, announced)
    served = use(jane, action, method="DELETE", body=sent.encode())
    assert served.status_code == (400 if sent == "\n" else 200)  # REST framework's own parser refuses it


@pytest.mark.parametrize("value", ["null", "[]", "0", "false", '" "', "[{}]", '{"":null}', '{"":{}}', "[null]"])
def test_a_body_is_not_the_same_as_no_body(jane: SignedIn, value: str) -> None:
    assert told(use(jane, jane.user_action("POST", THING, ""), body=value.encode())) == REFUSED
    assert told(use(jane, jane.user_action("POST", THING, value), body=b"{}")) == REFUSED


@pytest.mark.parametrize(
    "number",
    ["1e999", "-1e400", "1.00000000000000000001", "0.1000000000000000055511151231257827", "1e99999999999999999999"],
)
def test_an_inexact_number_can_be_neither_signed_nor_sent(jane: SignedIn, number: str) -> None:
    """Otherwise a view that reads decimals would see another number than was signed."""
    raw = f'{{"amount": {number}}}'
    body = {"userActionPayload": raw, "userActionHttpMethod": "POST", "userActionHttpPath": THING}
    refused = jane.call("POST", "/auth/action/init", body)
    assert (refused.status_code, list(details(refused))) == (400, ["userActionPayload"])
    kept = json.dumps({"amount": 1.0})
    assert told(use(jane, jane.user_action("POST", THING, kept), body=raw.encode())) == REFUSED


@pytest.mark.parametrize("number", ["1.5", "1.50", "0.1", "1e3", "-0.0", "123456789012345678901234567890", "5e-324"])
def test_an_exact_number_can_be_signed(jane: SignedIn, number: str) -> None:
    raw = f'{{"amount": {number}}}'
    assert use(jane, jane.user_action("POST", THING, raw), body=raw.encode()).status_code == 200


@pytest.mark.parametrize(
    "payload", ["{", "username=jane", "[1,]", '{"a":1,"a":1}', '"\\ud800"', "NaN", "[" * 65 + "]" * 65]
)
def test_an_invalid_payload_is_named(jane: SignedIn, payload: str) -> None:
    body = {"userActionPayload": payload, "userActionHttpMethod": "POST", "userActionHttpPath": THING}
    refused = jane.call("POST", "/auth/action/init", body)
    assert (refused.status_code, list(details(refused))) == (400, ["userActionPayload"])


# How the view reads the body


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
        "application/jsonx",
        "application/vnd.api+json",
        "application/json; charset=utf-7",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/json; charset=no-such",
    ],
)
def test_a_body_that_the_view_would_parse_differently_is_refused(jane: SignedIn, content_type: str) -> None:
    """A form parser would find a field `&amount=1000&` in signed JSON, another charset would read a quote as text."""
    body = {"note": "x&amount=1000&y+ACI-"}
    action = jane.user_action("POST", THING, json.dumps(body))
    assert told(use(jane, action, body=body, content_type=content_type)) == NOT_JSON
    assert made() == 0
    assert use(jane, action, body=body).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON; charset=UTF8"])
def test_every_spelling_of_the_json_content_type_is_accepted(jane: SignedIn, content_type: str) -> None:
    assert use(jane, jane.user_action("POST", THING, TEXT), content_type=content_type).status_code == 200


def test_the_body_may_be_read_before_and_after(jane: SignedIn) -> None:
    action = jane.user_action("POST", "/early", TEXT)
    assert use(jane, action, at="/early").json() == {"data": BODY}


def test_a_body_that_was_consumed_before_is_refused(jane: SignedIn, caplog: pytest.LogCaptureFixture) -> None:
    """A parser has consumed the stream. The log says what to fix. REST framework's own parsers keep the body."""
    assert use(jane, jane.user_action("POST", "/early", TEXT), at="/early").json() == {"data": BODY}
    refused = use(jane, jane.user_action("POST", "/too-early", TEXT), at="/too-early")
    assert told(refused) == REFUSED
    assert "the view read the body before its user action was checked" in caplog.text


def test_the_parser_of_the_view_does_not_matter(jane: SignedIn) -> None:
    assert use(jane, jane.user_action("POST", "/strange", TEXT), at="/strange").json() == {"data": TEXT}
    action = jane.user_action("POST", "/strange", TEXT)
    assert told(use(jane, action, at="/strange", content_type="text/plain")) == NOT_JSON
    assert told(use(jane, action, at="/strange", body={})) == REFUSED


@pytest.mark.usefixtures("_any_handler")
@pytest.mark.parametrize("length", [64 * 1024 + 1, 3 * 2**20])
def test_a_body_over_the_limit_is_too_large(jane: SignedIn, length: int) -> None:
    refused = use(jane, jane.user_action("POST", THING, TEXT), body=b" " * (length - len(TEXT)) + TEXT.encode())
    assert told(refused) == (413, "The request body is too large.")


class BrokenOff(io.RawIOBase):
    def read(self, *_: object) -> bytes:
        raise OSError


@pytest.mark.usefixtures("_any_handler")
def test_a_truncated_body_is_refused(client: Client, jane: SignedIn) -> None:
    response: HttpResponse = client.generic(
        "POST",
        THING,
        **{
            "wsgi.input": BrokenOff(),
            "CONTENT_LENGTH": "10",
            "CONTENT_TYPE": "application/json",
            "HTTP_AUTHORIZATION": f"Bearer {jane.token}",
            "HTTP_X_DFNS_USERACTION": jane.user_action("POST", THING, TEXT),
        },
    )
    assert told(response) == (400, "The request is not valid.")


# The session


def test_another_session_of_the_account_cannot_use_it(client: Client, jane: SignedIn) -> None:
    other = signed_in(client, jane.person)
    action = jane.user_action("POST", THING, TEXT)
    assert told(use(other, action)) == REFUSED
    assert use(jane, action).status_code == 200


def test_another_session_of_the_account_cannot_complete_it(client: Client, jane: SignedIn) -> None:
    other = signed_in(client, jane.person)
    challenge = jane.open_action("POST", THING, TEXT)
    assert told(other.complete_action(challenge)) == (400, "Challenge token is not valid.")
    assert jane.complete_action(challenge).status_code == 200


def test_another_account_cannot_use_it(client: Client, jane: SignedIn) -> None:
    kim = signed_in(client, make_person(jane.person.account.organization, "kim@example.co"))
    namesake = signed_in(client, make_person(make_organization()))
    action = jane.user_action("POST", THING, TEXT)
    assert told(use(kim, action)) == told(use(namesake, action)) == REFUSED


def test_a_user_action_ends_with_its_session(jane: SignedIn) -> None:
    action = jane.user_action("POST", THING, TEXT)
    jane.call("PUT", "/auth/logout")
    assert use(jane, action).status_code == 401


def test_a_user_action_ends_with_the_credential_that_signed_it(client: Client) -> None:
    """R-72, R-14: in a session that another credential opened, too."""
    kept, lost = SoftwareKey.make(kind=Kind.KEY), SoftwareKey.make(kind=Kind.KEY)
    person = make_person(None, "jane@example.co", kept, lost)
    jane = SignedIn(client=client, person=person, token=sign_in(client, person))
    challenge = jane.open_action("POST", THING, TEXT)
    by_lost = {"firstFactor": lost.factor(challenge["challenge"])}
    action = jane.complete_action(challenge, **by_lost).json()["userAction"]
    uuid = jane.call("GET", "/auth/credentials").json()["items"][1]["credentialUuid"]
    assert jane.signed("PUT", "/auth/credentials/deactivate", {"credentialUuid": uuid}).status_code == 200
    assert told(use(jane, action)) == REFUSED
    assert use(jane, jane.user_action("POST", THING, TEXT)).status_code == 200
