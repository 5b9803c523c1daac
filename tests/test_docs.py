"""Check the tables, examples and generated pages of the documentation against the code."""

import ast
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern

from dfns_login import errors, signals
from dfns_login.api import urls, view
from dfns_login.models import DeliveryState
from dfns_login.settings import DEFAULT_RATES, LoginSettings
from tests.test_references import verbs

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def settings_rows() -> list[str]:
    """Rows of the table in `docs/settings.md`: name, default and docstring of each field."""
    tree = ast.parse(inspect.getsource(LoginSettings)).body[0]
    assert isinstance(tree, ast.ClassDef)
    rows = []
    for field, doc in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            assert isinstance(doc, ast.Expr), f"{field.target.id} has no line of documentation"
            assert isinstance(doc.value, ast.Constant)
            text = " ".join(str(doc.value.value).split())
            rows.append(
                f"| `{field.target.id.upper()}` | {shown(getattr(LoginSettings(), field.target.id))} | {text} |"
            )
    return rows


def shown(value: Any) -> str:
    match value:
        case timedelta() if value:
            minutes = int(value.total_seconds()) // 60
            days, hours = minutes // 1440, minutes // 60
            whole = [(days, "day", 1440), (hours, "hour", 60), (minutes, "minute", 1)]
            number, unit, _ = next(each for each in whole if each[0] and minutes % each[2] == 0)
            return f"{number} {unit}{'s' if number != 1 else ''}"
        case tuple():
            return ", ".join(f"`{each}`" for each in value) or "empty"
        case timedelta() | dict() | str() | None if not value:
            return "zero" if isinstance(value, timedelta) else "empty"
        case str():
            return f"`{value}`"
        case bool() | int():
            return f"`{value}`"
        case _:
            return "see below"


def test_the_settings_table_is_the_settings() -> None:
    lines = (DOCS / "settings.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("| `") and line.count(" | ") == 2] == settings_rows()


def test_the_rates_table_is_the_rates() -> None:
    text = (DOCS / "settings.md").read_text()
    for name, windows in DEFAULT_RATES.items():
        assert f"| `{name}` | {', '.join(f'`{window}`' for window in windows)} |" in text


def test_the_endpoint_table_is_the_urls() -> None:
    rows = re.findall(r"^\| ([A-Z]+) \| `(/[^`]+)` \|", (DOCS / "reference" / "endpoints.md").read_text(), re.MULTILINE)
    served = []
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        cls = pattern.callback.view_class
        if cls is not view.UnknownPath:
            served += [
                (method.upper(), f"/{pattern.pattern}".replace("<str:user_id>", ":userId"))
                for method in ("get", "post", "put", "delete")
                if hasattr(cls, method)
            ]
    assert sorted(rows) == sorted(served)


def test_functions_are_in_the_modules_that_pages_give_with_them() -> None:
    """As in "`issue_code` (`proofs/codes.py`)" or "`due` in `dfns_login/models/one_time_codes.py`"."""
    given = re.compile(r"`(\w+)`(?:\s+(?:or|and)\s+`(\w+)`)?\s+(?:in\s+|\()`(?:dfns_login/)?([\w/]+\.py)`")
    found = 0
    for page in DOCS.rglob("*.md"):
        for *names, module in given.findall(page.read_text()):
            source = (ROOT / "dfns_login" / module).read_text()
            for name in filter(None, names):
                found += 1
                assert re.search(rf"^\s*(?:(?:def|class) {name}\b|{name}\b.* = )", source, re.MULTILINE), (page, name)
    assert found > 40


def test_the_layers_are_those_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")
    order = {name: number for number, layer in enumerate(layers) for name in re.findall(r"\w+", layer)}
    table = (DOCS / "architecture.md").read_text().partition("## Layers")[2].partition("\n\nAll of them")[0]
    named = [re.findall(r"`(\w+)`", row.split("|")[2]) for row in table.splitlines() if row.startswith("| ")]
    listed = [name for names in named for name in names]
    assert sorted(listed) == sorted(order)
    assert [order[name] for name in listed] == sorted(order.values())


def test_what_integrators_import_is_there() -> None:
    """In the table of what may be imported, and in every Python example."""
    table = (DOCS / "reference" / "python-api.md").read_text().partition("## What you may import")[2]
    listed = [
        (module, name)
        for module, names in re.findall(r"^\| `([\w.]+)` \| (.+) \|$", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    ]
    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    examples = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
    blocks = [each for page in pages for each in examples.findall(page.read_text())]
    imported = [
        (node.module, alias.name)
        for block in blocks
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("dfns_login")
        for alias in node.names
    ]
    assert len(imported) > 4
    for module, name in listed + imported:
        assert hasattr(import_module(str(module)), name), f"{module}.{name}"
    signal_names = [("dfns_login.signals", name) for name in vars(signals)]
    assert set(imported) <= {*listed, *signal_names}, "an example imports what is not public"


def test_every_signal_is_documented() -> None:
    text = (DOCS / "reference" / "signals.md").read_text()
    names = [name for name, value in vars(signals).items() if isinstance(value, signals.Signal)]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_environment_variable_is_documented() -> None:
    settings = (ROOT / "project" / "settings.py").read_text()
    table = (DOCS / "operations.md").read_text().partition("## The runnable project")[2]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(rows) == sorted(re.findall(r"env\.\w+\(\s*\"(\w+)\"", settings))


def test_every_page_is_in_an_index() -> None:
    decisions = DOCS / "decisions"
    for index, pages in (
        (DOCS / "index.md", [each for each in DOCS.rglob("*.md") if each.parent != decisions]),
        (decisions / "README.md", decisions.glob("*.md")),
    ):
        names = {each.relative_to(index.parent).as_posix() for each in pages} - {"README.md", "index.md"}
        assert [name for name in sorted(names) if f"]({name}" not in index.read_text()] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site. Links lead somewhere, every page is in the navigation, and examples parse in their language."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--nitpicky", "--fail-on-warning", str(DOCS), str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def words_in(page: Path) -> set[str]:
    """Whatever a built page says, split at spaces and tags."""
    return set(unescape(re.sub(r"<[^>]+>", " ", page.read_text())).split())


def test_every_check_is_in_the_reference(site: Path) -> None:
    """R-154. Whatever has the form of an id in a string of the modules, but for their tables."""
    raised = {
        f"dfns_login.{number}"
        for module in (ROOT / "dfns_login" / "checks").glob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for number in re.findall(r"^(?:dfns_login\.)?([EWI]\d{3})$", node.value)
    }
    assert len(raised) > 40
    listed = {word for word in words_in(site / "reference" / "checks.html") if word.startswith("dfns_login.")}
    assert raised - listed == set()


def test_every_verb_and_option_is_in_the_reference(site: Path) -> None:
    """R-154."""
    words = {word.strip("[],:") for word in words_in(site / "reference" / "commands.html")}
    known = verbs()
    assert len(known) > 10
    assert {*known, *chain(*known.values())} - words == {"-h", "--help"}


def test_every_signal_and_metric_is_in_the_reference(site: Path) -> None:
    """R-154."""
    listed = words_in(site / "reference" / "signals.html")
    assert {name for name, value in vars(signals).items() if isinstance(value, signals.Signal)} - listed == set()
    listed = {word.partition("{")[0].removesuffix("_total") for word in words_in(site / "monitoring.html")}
    source = (ROOT / "dfns_login" / "monitoring" / "metrics.py").read_text()
    collected = set(re.findall(r"\"(dfns_login_\w+)\"", source))
    assert len(collected) > 8
    assert collected - listed == set()


def test_every_operation_and_error_is_in_the_reference(site: Path) -> None:
    """R-154."""
    text = " ".join(unescape(re.sub(r"<[^>]+>", "", (site / "reference" / "endpoints.html").read_text())).split())
    document = json.loads((ROOT / "dfns_login" / "api" / "openapi.json").read_text())
    for path, operations in document["paths"].items():
        for method in operations:
            assert f"{method.upper()} {path}" in text
    assert {name for name in members(document) if not re.search(rf"\b{name}\b", text)} == set()


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    """R-154. With its docstring, unless it is a value or a URLconf."""
    text = (site / "reference" / "python-api.html").read_text()
    table = (DOCS / "reference" / "python-api.md").read_text().partition("## What you may import")[2]
    listed = [
        f"{module}.{name}"
        for module, names in re.findall(r"^\| `([\w.]+)` \| (.+) \|$", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    ]
    values = {"dfns_login.__version__", "dfns_login.settings.BEAT_SCHEDULE"}
    assert [name for name in listed if f'id="{name}"' not in text and name not in values] == []


def test_the_index_of_decisions_has_their_titles() -> None:
    pages = sorted((DOCS / "decisions").glob("0*.md"))
    lines = [f"- [{page.name[:4]}: {page.read_text().splitlines()[0][2:]}]({page.name})" for page in pages]
    assert [line for line in (DOCS / "decisions" / "README.md").read_text().splitlines() if line[:3] == "- ["] == lines


def test_every_outcome_of_delivery_is_explained() -> None:
    text = (DOCS / "operations.md").read_text()
    assert [each.value for each in DeliveryState if f"| {each.value} |" not in text] == []


def test_every_outage_names_its_test() -> None:
    """R-134."""
    table = (DOCS / "operations.md").read_text().partition("## Outages")[2].partition("\n\n**")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 20
    for row in rows:
        found = re.search(r"\| `(tests/[\w/]+\.py)`: `(test_\w+)` \|$", row)
        assert found, row
        assert f"def {found[2]}(" in (ROOT / found[1]).read_text(), row


def test_the_markers_are_those_of_pytest() -> None:
    markers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert [f"{name}: {text.replace('`', '')}" for name, text in rows] == markers


def test_every_refusal_is_in_the_wire_contract() -> None:
    text = (DOCS / "wire.md").read_text()
    rows = set(re.findall(r"^\| (\d+) \| `([^`]+)` \| `(\w+)` \|", text, re.MULTILINE))
    refusals = [each for each in vars(errors).values() if isinstance(each, type) and "message" in vars(each)]
    assert len(refusals) > 20
    permitted = "<kind> <us-id> is not authorized to perform operation (<name>)"
    expected = {(str(each.status), each.message, each.code) for each in refusals}
    assert rows == {(s, permitted if code == "not_permitted" else m, code) for s, m, code in expected}


def test_every_endpoint_is_in_the_wire_contract() -> None:
    text = (DOCS / "wire.md").read_text()
    rows = re.findall(r"^\| ([A-Z]+) \| `(/[^`]+)` \|", (DOCS / "reference" / "endpoints.md").read_text(), re.MULTILINE)
    called = [f"{method} {path}" for method, path in rows if "." not in path]
    assert [each for each in called if each.replace("PUT /auth/recover/user/code", "`PUT` for older") not in text] == []


def members(schema: Any) -> Iterator[str]:
    """Names of the members of every object in an OpenAPI document."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}) if isinstance(schema.get("properties"), dict) else ()
        for each in schema.values():
            yield from members(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from members(each)


def test_every_member_is_in_the_wire_contract() -> None:
    text = (DOCS / "wire.md").read_text()
    document = json.loads((ROOT / "dfns_login" / "api" / "openapi.json").read_text())
    of_a_json_web_key = {"keys", "kty", "kid", "crv", "x", "y", "alg", "use"}
    named = set(members(document)) - of_a_json_web_key
    assert len(named) > 80
    assert [each for each in sorted(named) if not re.search(rf"\b{each}\b", text)] == []


def test_examples_of_the_wire_contract_are_json() -> None:
    examples = re.findall(r"^```json\n(.*?)^```", (DOCS / "wire.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(examples) > 5
    for each in examples:
        json.loads(each)


def test_the_python_versions_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    assert "Python 3.11 to 3.13" in (ROOT / "README.md").read_text()
