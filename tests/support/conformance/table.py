"""Calls every method of the official clients and makes a table of the results."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from tests.support.conformance.calls import AUTHENTICATOR_CALLS, CALLS, Call, reason_not_served
from tests.support.conformance.methods import Method, methods_of
from tests.support.conformance.official import (
    Arguments,
    JavaScriptSurface,
    Outcome,
    PythonSurface,
    Surface,
)
from tests.support.conformance.stage import Stage, answer
from tests.support.javascript_clients import JavaScript

ACTION_INIT: Final = "POST /auth/action/init"
HEADINGS: Final = ("method", "request", "served", "success", "refusal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The results of one method. success, refusal: None if it was not called for that."""

    surface: str
    method: Method
    not_served: str | None
    success: Outcome | None
    refusal: Outcome | None

    @property
    def request(self) -> str:
        called = self.success or self.refusal
        return called.request if called else str(self.method.endpoint)

    def cells(self) -> tuple[str, ...]:
        served = f"no: {self.not_served}" if self.not_served else "yes"
        return (
            f"`{self.method.name}`",
            f"`{self.request}`",
            served,
            str(self.success or ""),
            str(self.refusal or ""),
        )


def surfaces(javascript: JavaScript, *, base_url: str) -> list[tuple[Surface, Mapping[str, str]]]:
    """Yield each surface with the sources of the classes that it may use."""
    base = JavaScriptSurface(javascript, "BaseAuthApi").sources()
    names = ("DfnsApiClient.auth", "DfnsDelegatedApiClient.auth", "DfnsAuthenticator", "BaseAuthApi")
    of_javascript: list[Surface] = [JavaScriptSurface(javascript, name) for name in names]
    python_names = ("DfnsClient.auth", "DfnsDelegatedClient.auth", "BaseAuthApi")
    of_python: list[Surface] = [PythonSurface(base_url, name) for name in python_names]
    return [(each, base) for each in of_javascript] + [(each, {}) for each in of_python]


def call_every_method(stage: Stage, javascript: JavaScript) -> list[Row]:
    rows = []
    for surface, elsewhere in surfaces(javascript, base_url=stage.scene.site.url):
        with closing(surface):
            methods = {each.name: each for each in methods_of(surface.sources(), elsewhere)}
            rows += [_row(surface, method, methods, stage) for method in methods.values()]
    return rows


def _row(surface: Surface, method: Method, methods: Mapping[str, Method], stage: Stage) -> Row:
    reason = reason_not_served(method.endpoint)
    if reason is None:
        own = AUTHENTICATOR_CALLS if "DfnsAuthenticator" in surface.title else {}
        call = own.get(method.name) or CALLS.get(str(method.endpoint))
        assert call, f"{surface.title} {method.name}: neither called nor said not to be served: {method.endpoint}"
    else:
        path = {name: f":{name}" for name in method.endpoint.parameters}
        ask = Arguments(path=path, body={}, token=stage.operator.token, key=stage.operator.key)
        call = Call(success=lambda _: ask, refusal=lambda _: ask)
    success = refusal = None
    if method.half == "Init":
        success = surface.call(method, call.success(stage))
        refusal = surface.call(method, _of_nobody(call.success(stage), stage))
    elif method.half == "Complete":
        opening = next(each for each in methods.values() if each.half == "Init" and _stem(each) == _stem(method))
        success = _complete(surface, opening, method, call.success(stage)) if reason is None else None
        refusal = _complete(surface, opening, method, call.refusal(stage))
    else:
        success = surface.call(method, call.success(stage)) if reason is None else None
        refusal = surface.call(method, call.refusal(stage))
    return Row(surface=surface.title, method=method, not_served=reason, success=success, refusal=refusal)


def _stem(method: Method) -> str:
    return method.name[: -len(method.half)].rstrip("_")


def _complete(surface: Surface, opening: Method, completing: Method, ask: Arguments) -> Outcome:
    """Call both halves, and sign in between."""
    opened = surface.call(opening, ask)
    assert ask.key
    assert opened.answer, f"{surface.title} {opening.name}: {opened}"
    return surface.call(completing, ask, answer(opened.answer, ask.key))


def _of_nobody(ask: Arguments, stage: Stage) -> Arguments:
    return Arguments(path=ask.path, body=ask.body, query=ask.query, token=stage.dead_token, key=ask.key)


def in_markdown(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the tables, one table for each surface."""
    for surface in dict.fromkeys(row.surface for row in rows):
        own = [row for row in rows if row.surface == surface]
        yield from ("", f"## {surface}", "", _line(HEADINGS), _line("---" for _ in HEADINGS))
        yield from (_line(row.cells()) for row in own)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")
