"""Every authentication method of the official clients, unchanged, against the live project.

The results are in `docs/conformance.md`. `make conformance` rewrites it.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints

import pytest
from dfns_sdk.generated.auth.client import AuthClient  # type: ignore[import-untyped]

from tests.support.conformance.calls import CALLS, NOT_SERVED
from tests.support.conformance.methods import methods_of
from tests.support.conformance.official import PythonSurface
from tests.support.conformance.stage import Stage
from tests.support.conformance.table import ACTION_INIT, Row, call_every_method, in_markdown
from tests.support.javascript_clients import JavaScript

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
TABLES = "\n## "


@pytest.fixture(scope="module")
def rows(stage: Stage, javascript: JavaScript) -> list[Row]:
    return call_every_method(stage, javascript)


def test_the_table_is_the_committed_one(rows: list[Row], capsys: pytest.CaptureFixture[str]) -> None:
    lines = "\n".join(in_markdown(rows)) + "\n"
    with capsys.disabled():
        print(lines)  # noqa: T201  for the person who runs the tests
    head = PAGE.read_text().partition(TABLES)[0]
    if os.environ.get("WRITE_CONFORMANCE"):
        PAGE.write_text(head + lines)
    assert (head + lines).splitlines() == PAGE.read_text().splitlines(), "run `make conformance`"


def test_every_served_call_can_succeed_and_be_refused(rows: list[Row]) -> None:
    for row in rows:
        if row.not_served is None:
            assert row.success, row
            assert row.refusal, row
            assert (row.success.status, row.success.refused) == (200, False), (row.surface, row.method, row.success)
            assert row.refusal.refused, (row.surface, row.method)
            assert 400 <= row.refusal.status < 500, row.refusal
            assert row.refusal.code not in {None, "not_found"}, row.refusal


def test_the_called_endpoint_refuses(rows: list[Row]) -> None:
    elsewhere = [
        row.method.name for row in rows if row.success and row.refusal and row.success.request != row.refusal.request
    ]
    assert elsewhere == ["register"]  # of DfnsAuthenticator: its first request is refused


def test_each_method_calls_the_endpoint_in_its_source(rows: list[Row]) -> None:
    for row in rows:
        said = ACTION_INIT if row.method.half == "Init" else str(row.method.endpoint)
        assert row.request == said, (row.surface, row.method.name)


def test_unserved_endpoints_reply_with_the_error_envelope(rows: list[Row]) -> None:
    for row in rows:
        if row.not_served and row.method.half != "Init":
            assert row.refusal, row
            assert (row.refusal.status, row.refusal.code) == (404, "not_found"), (row.surface, row.method.name)


def test_every_reason_and_every_call_is_used(rows: list[Row]) -> None:
    reasons = Counter(row.not_served for row in rows)
    assert [reason for reason in NOT_SERVED.values() if not reasons[reason]] == []
    assert {str(row.method.endpoint) for row in rows if row.not_served is None} == CALLS.keys()


def test_replies_have_the_types_of_the_client(rows: list[Row]) -> None:
    """Checked by the Python client's own types, which spell the members in snake case."""
    methods = methods_of(PythonSurface("http://localhost", "DfnsClient.auth").sources())
    types = {str(each.endpoint): get_type_hints(getattr(AuthClient, each.name))["return"] for each in methods}
    wrong = [
        f"{row.surface} {row.method.name}: {problem}"
        for row in rows
        if row.success and isinstance(row.success.answer, dict)
        for problem in problems(row.success.answer, types[row.request])
    ]
    assert wrong == []


def problems(answer: dict[str, Any], expected: Any) -> list[str]:
    """Return the differences between the reply and the typed dictionary."""
    if get_origin(expected) is dict:
        return []
    found = []
    for name, hint in get_type_hints(expected, include_extras=True).items():
        head, *words = name.split("_")
        member = head + "".join(word.capitalize() for word in words)
        optional = get_origin(hint) is NotRequired
        inner = get_args(hint)[0] if optional else hint
        if member not in answer:
            found += [] if optional else [f"{member} is missing"]
        elif get_origin(inner) is Literal:
            found += [] if answer[member] in get_args(inner) else [f"{member} is {answer[member]!r}"]
        elif inner is not Any and not isinstance(answer[member], get_origin(inner) or inner):
            found.append(f"{member} is {answer[member]!r}")
    return found
