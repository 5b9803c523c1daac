"""The OpenAPI document: made from the code, committed, served, and true of every answer."""

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
from tests.support.openapi.requests import ACCEPTED, Scene

of_each = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)


@pytest.fixture(scope="module")
def contract_client() -> ContractClient:
    """One for all: a client of Django's loads the middleware of its own."""
    return ContractClient()


@pytest.fixture
def scene(contract_client: ContractClient, db: None, without_rates: None) -> Scene:
    return Scene(contract_client)


# The file


def test_the_committed_document_is_what_the_code_makes() -> None:
    """drf-spectacular has no warning, and the document is valid OpenAPI 3.1, or none is made."""
    assert FILE.read_text(encoding="utf-8") == to_text(make_document()), "run `make openapi` and commit the file"


def test_it_is_served_as_it_was_committed() -> None:
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
    named = {code for each in OPERATIONS for code in each.codes()} | {errors.MethodNotAllowed.code}
    assert {each.code for each in refusals} == named


# Its examples


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
def test_every_example_of_a_request_is_taken(shape: Any, example: Any) -> None:
    shape(data=example).is_valid(raise_exception=True)


# Its answers


@pytest.mark.slow
@of_each
def test_an_accepted_request_is_answered_as_documented(scene: Scene, operation: Operation) -> None:
    answer = scene.send(ACCEPTED[operation.name](scene))
    assert answer.status_code == 200, answer.content


@pytest.mark.slow
@of_each
def test_every_documented_refusal_can_be_provoked(
    scene: Scene, operation: Operation, subtests: pytest.Subtests
) -> None:
    for code in operation.codes():
        with subtests.test(code), rolled_back():
            refused = json.loads(provoke(scene, operation.name, code).content)
            assert refused["error"]["code"] == code


def test_there_is_no_way_to_provoke_what_is_not_documented() -> None:
    assert set(OF_ONE) <= {(each.name, code) for each in OPERATIONS for code in each.codes()}


@pytest.mark.slow
def test_every_documented_member_is_answered_by_somebody(scene: Scene) -> None:
    scene.client.seen.clear()
    for accepted in ACCEPTED.values():
        with rolled_back():
            assert scene.send(accepted(scene)).status_code == 200
    provoke(scene, "sendLoginCode", "invalid_request")
    assert documented_members() - scene.client.seen == set()


@contextmanager
def rolled_back() -> Iterator[None]:
    """What happens inside leaves no row behind."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# That the tests above have teeth


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
def test_what_is_not_documented_is_seen(undocumented: HttpResponse) -> None:
    with pytest.raises((AssertionError, ValidationError)):
        check(undocumented, method="POST", path="/auth/login/code", body=b"")


def test_the_client_checks_what_it_gets(db: None) -> None:
    with pytest.raises((AssertionError, StopIteration)):
        ContractClient().get("/auth/nothing")
