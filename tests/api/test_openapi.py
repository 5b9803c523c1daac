"""The OpenAPI document is made from the code, committed, served, and true of every reply."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern
from jsonschema import ValidationError

from dfns_login import errors
from dfns_login.api.urls import urlpatterns
from dfns_login.api.view import UnknownPath
from project.openapi.document import FILE, make_document, to_text
from project.openapi.examples import REQUESTS
from tests.support.openapi.contract import (
    OPERATIONS,
    ContractClient,
    Operation,
    answer_validator,
    check,
    documented_members,
    json_of,
    request_validator,
)
from tests.support.openapi.refusals import OF_ONE, provoke
from tests.support.openapi.requests import ACCEPTED, Actors

of_each = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)


@pytest.fixture(scope="module")
def contract_client() -> ContractClient:
    """One client for all tests: each client of Django loads the middleware again."""
    return ContractClient()


@pytest.fixture
def actors(contract_client: ContractClient, db: None, without_rates: None) -> Actors:
    return Actors(contract_client)


# The file


def test_the_committed_document_is_what_the_code_makes() -> None:
    """`make_document` fails on a warning of drf-spectacular and on invalid OpenAPI 3.1."""
    assert FILE.read_text(encoding="utf-8") == to_text(make_document()), "run `make openapi` and commit the file"


def test_the_committed_document_is_served() -> None:
    served = Client().get("/auth/openapi.json")
    assert served.content == FILE.read_bytes()
    assert served["Content-Type"] == "application/json"
    assert served["Cache-Control"] == "public, max-age=300"


def served_operations() -> Iterator[tuple[str, str]]:
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        view = pattern.callback.cls
        if view is not UnknownPath:
            for method in set(view.http_method_names) - {"head", "options"}:
                if hasattr(view, method):
                    yield method.upper(), f"/{pattern.pattern}".replace("<str:user_id>", "{userId}")


def test_it_names_every_path_and_method() -> None:
    assert sorted((each.method, each.path) for each in OPERATIONS) == sorted(served_operations())


def test_it_names_every_refusal() -> None:
    refusals = [each for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "code")]
    named = {code for each in OPERATIONS for code in each.codes()}
    named |= {errors.MethodNotAllowed.code, errors.SignInTooOld.code}
    assert {each.code for each in refusals} == named


# Examples


@of_each
def test_every_example_has_its_shape(operation: Operation) -> None:
    asked = operation.described.get("requestBody")
    if asked:
        for example in json_of(asked)["examples"].values():
            request_validator(json_of(asked)["schema"]).validate(example["value"])
    for response in operation.statuses.values():
        for example in json_of(response).get("examples", {}).values():
            answer_validator(json_of(response)["schema"]).validate(example["value"])


@pytest.mark.parametrize(
    ("shape", "example"),
    [(shape, example) for shape, examples in REQUESTS.items() for example in examples.values()],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
def test_every_example_of_a_request_is_valid(shape: Any, example: Any) -> None:
    shape(data=example).is_valid(raise_exception=True)


# Replies


@pytest.mark.slow
@of_each
def test_the_reply_to_an_accepted_request_is_documented(actors: Actors, operation: Operation) -> None:
    answer = actors.send(ACCEPTED[operation.name](actors))
    assert answer.status_code == 200, answer.content


@pytest.mark.slow
@of_each
def test_every_documented_refusal_can_be_provoked(
    actors: Actors, operation: Operation, subtests: pytest.Subtests
) -> None:
    for code in operation.codes():
        with subtests.test(code), rolled_back():
            refused = json.loads(provoke(actors, operation.name, code).content)
            assert refused["error"]["code"] == code


def test_only_documented_refusals_have_a_way_to_provoke_them() -> None:
    assert set(OF_ONE) <= {(each.name, code) for each in OPERATIONS for code in each.codes()}


@pytest.mark.slow
def test_every_documented_member_occurs_in_a_reply(actors: Actors) -> None:
    actors.client.seen.clear()
    for accepted in ACCEPTED.values():
        with rolled_back():
            assert actors.send(accepted(actors)).status_code == 200
    provoke(actors, "sendLoginCode", "invalid_request")
    assert documented_members() - actors.client.seen == set()


@contextmanager
def rolled_back() -> Iterator[None]:
    """Roll back what the block writes."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# The tests above can fail


def answer(status: int, body: Any) -> HttpResponse:
    return HttpResponse(json.dumps(body), status=status, content_type="application/json")


@pytest.mark.parametrize(
    "undocumented",
    [
        answer(201, {"message": "success"}),
        answer(200, {"message": "success", "more": 1}),
        answer(200, {}),
        answer(200, {"message": 1}),
        answer(400, {"detail": "no"}),
        answer(400, {"error": {"message": "no"}}),
        answer(400, {"error": {"message": "no", "code": "invalid_code"}}),
        answer(400, {"error": {"message": "no", "code": "invalid_request", "more": 1}}),
        answer(400, {"error": {"message": "no", "code": "invalid_request", "details": {"body": "no"}}}),
    ],
    ids=lambda each: each.content.decode(),
)
def test_an_undocumented_reply_is_detected(undocumented: HttpResponse) -> None:
    with pytest.raises((AssertionError, ValidationError)):
        check(undocumented, method="POST", path="/auth/login/code", body=b"")


def test_the_client_checks_every_reply(db: None) -> None:
    with pytest.raises((AssertionError, StopIteration)):
        ContractClient().get("/auth/nothing")
