"""Checks responses against the OpenAPI document. An undocumented member is an error."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.test import Client
from jsonschema import Draft202012Validator

from project.openapi.document import FILE

Schema = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")
DOCUMENT: Schema = json.loads(FILE.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path in the document."""

    name: str
    method: str
    path: str
    described: Schema

    def matches(self, method: str, path: str) -> bool:
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(self.path))
        return method == self.method and re.fullmatch(pattern, path) is not None

    @property
    def statuses(self) -> dict[int, Schema]:
        return {int(status): resolved(response) for status, response in self.described["responses"].items()}

    def codes(self) -> Iterator[str]:
        """Yield the code of every documented refusal."""
        for status, response in self.statuses.items():
            if status != 200:
                yield from json_of(response)["schema"]["allOf"][1]["properties"]["error"]["properties"]["code"]["enum"]


def resolved(node: Schema) -> Schema:
    """Follow references."""
    while "$ref" in node:
        target: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def json_of(response: Schema) -> Schema:
    content: Schema = response["content"]
    assert set(content) == {"application/json"}
    media: Schema = content["application/json"]
    return media


def closed(node: Any) -> Any:
    """Return the schema with `additionalProperties: false` on every object."""
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    inner = {name: closed(each) for name, each in node.items()}
    return {"additionalProperties": False, **inner} if node.get("type") == "object" and "properties" in node else inner


OPERATIONS = [
    Operation(name=described["operationId"], method=method.upper(), path=path, described=described)
    for path, methods in DOCUMENT["paths"].items()
    for method, described in methods.items()
    if method in METHODS
]
CLOSED_COMPONENTS = closed(copy.deepcopy(DOCUMENT["components"]))


def answer_validator(schema: Schema) -> Draft202012Validator:
    return Draft202012Validator({**closed(schema), "components": CLOSED_COMPONENTS})


def request_validator(schema: Schema) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def operation_at(method: str, path: str) -> Operation:
    return next(each for each in OPERATIONS if each.matches(method, path.partition("?")[0]))


def check(response: HttpResponse, *, method: str, path: str, body: bytes) -> None:
    """Assert that the response is documented (status, shape, code, headers), and the body of an accepted request."""
    operation = operation_at(method, path)
    documented = operation.statuses.get(response.status_code)
    assert documented is not None, f"{operation.name} documents no {response.status_code}: {response.content!r}"
    assert response["Content-Type"] == "application/json"
    answer_validator(json_of(documented)["schema"]).validate(json.loads(response.content))
    for header, described in documented.get("headers", {}).items():
        Draft202012Validator(described["schema"]).validate(
            int(response[header]) if described["schema"]["type"] == "integer" else response[header]
        )
    asked = operation.described.get("requestBody")
    if response.status_code == 200 and asked and body:
        request_validator(json_of(asked)["schema"]).validate(json.loads(body))


def members(schema: Schema, value: Any) -> Iterator[str]:
    """Yield the members that the value has, as `Component.member`."""
    name = schema.get("$ref", "").rpartition("/")[2]
    schema = resolved(schema)
    for part in schema.get("allOf", ()):
        yield from members(part, value)
    if isinstance(value, list):
        for each in value:
            yield from members(schema.get("items", {}), each)
    elif isinstance(value, dict):
        for member, inner in schema.get("properties", {}).items():
            if member in value:
                if name:
                    yield f"{name}.{member}"
                yield from members(inner, value[member])


def documented_members() -> set[str]:
    """Return every member that the document allows in a response, as `Component.member`."""
    found: set[str] = set()
    waiting = [json_of(response)["schema"] for each in OPERATIONS for response in each.statuses.values()]
    while waiting:
        schema = waiting.pop()
        name = schema.get("$ref", "").rpartition("/")[2]
        schema = resolved(schema)
        named = {f"{name}.{member}" for member in schema.get("properties", {})} if name else set()
        if not named or not named <= found:
            found |= named
            waiting += [*schema.get("properties", {}).values(), *schema.get("allOf", ())]
            waiting += [schema["items"]] if "items" in schema else []
    return found


class ContractClient(Client):
    """A client that checks every response and keeps no cookies. seen: the members that responses had."""

    def __init__(self, **options: Any) -> None:
        super().__init__(raise_request_exception=False, **options)
        self.seen: set[str] = set()

    def generic(self, method: str, path: str, data: Any = b"", *arguments: Any, **options: Any) -> HttpResponse:
        response: HttpResponse = super().generic(method, path, data, *arguments, **options)
        check(response, method=method, path=path, body=data)
        schema = json_of(operation_at(method, path).statuses[response.status_code])["schema"]
        self.seen |= set(members(schema, json.loads(response.content)))
        self.cookies.clear()
        return response
