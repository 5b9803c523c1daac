"""The documentation tells the truth: settings, paths, symbols, commands, signals."""

import ast
import inspect
import re
import tomllib
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern

from dfns_login import signals
from dfns_login.api import urls, view
from dfns_login.models import CodeDelivery, OneTimeCode
from dfns_login.settings import schema

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def settings_rows() -> list[str]:
    """What `docs/settings.md` has to say of each setting, from the class that defines it."""
    tree = ast.parse(inspect.getsource(schema.LoginSettings)).body[0]
    assert isinstance(tree, ast.ClassDef)
    rows = []
    for field, doc in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            assert isinstance(doc, ast.Expr), f"{field.target.id} has no line of documentation"
            assert isinstance(doc.value, ast.Constant)
            text = " ".join(str(doc.value.value).split())
            rows.append(
                f"| `{field.target.id.upper()}` | {shown(getattr(schema.LoginSettings(), field.target.id))} | {text} |"
            )
    return rows


def shown(value: Any) -> str:
    match value:
        case timedelta():
            minutes = int(value.total_seconds()) // 60
            days, hours = minutes // 1440, minutes // 60
            whole = [(days, "day", 1440), (hours, "hour", 60), (minutes, "minute", 1)]
            number, unit, _ = next(each for each in whole if each[0] and minutes % each[2] == 0)
            return f"{number} {unit}{'s' if number != 1 else ''}"
        case tuple():
            return ", ".join(f"`{each}`" for each in value) or "empty"
        case dict() | str() | None if not value:
            return "empty"
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
    for name, windows in schema.DEFAULT_RATES.items():
        assert f"| `{name}` | {', '.join(f'`{window}`' for window in windows)} |" in text


def test_the_endpoint_table_is_the_urls() -> None:
    rows = re.findall(r"^\| ([A-Z]+) \| `(/[^`]+)` \|", (DOCS / "embedding.md").read_text(), re.MULTILINE)
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


def test_every_symbol_of_the_walk_is_where_it_is_said_to_be() -> None:
    text = (DOCS / "login-code.md").read_text()
    walk, _, table = text.partition("## Where it lives")
    listed = set()
    for symbols, module in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| `([\w.]+)` \|", table, re.MULTILINE):
        for symbol in re.findall(r"`(\w+)`", symbols):
            assert hasattr(import_module(module), symbol), f"{module}.{symbol}"
            listed.add(symbol)
    methods = set(re.findall(r"`(\w+)`", table.rpartition("\n\n")[2])) - {"OneTimeCode"}
    for method in methods:
        assert hasattr(OneTimeCode.objects, method), method
    named = {name for name in re.findall(r"`(\w+)`", walk) if name != "jti"}
    assert named <= listed | methods


def test_every_signal_is_documented() -> None:
    text = (DOCS / "embedding.md").read_text()
    names = [name for name, value in vars(signals).items() if isinstance(value, signals.Signal)]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_outcome_of_delivery_is_explained() -> None:
    text = (DOCS / "operations.md").read_text()
    assert [each.value for each in CodeDelivery if f"| {each.value} |" not in text] == []


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", *(f"docs/{page.name}" for page in DOCS.glob("*.md"))])
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text()):
        assert (folder / link).exists(), link


def test_the_readme_names_what_make_offers() -> None:
    offered = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)  ", (ROOT / "README.md").read_text())) <= offered


def test_the_python_versions_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    assert "Python 3.11 to 3.13" in (ROOT / "README.md").read_text()
