"""`docs/security.md` names for each requirement the tests that hold it, or says why there is none."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "security.md"

SECTIONS = {
    "3. The gate": range(20, 28),
    "6. Challenge and assertion": range(50, 58),
    "7. Keys": range(60, 64),
    "8. Tokens and sessions": range(70, 78),
    "9. Registration, recovery, credentials, user actions": range(80, 88),
    "10. HTTP, browser pages": range(90, 98),
}
"""Numbers of the requirements, as the specification has them."""
REQUIRED = [f"R-{number}" for section in SECTIONS.values() for number in section]

ROWS = dict(re.findall(r"^\| (R-\d+) \| [^|]+ \| (.+) \|$", PAGE.read_text(), re.MULTILINE))
"""What holds each requirement, in the words of the page."""
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


@cache
def sources_of(module: str) -> dict[str, str]:
    """Source of each test of a module, with what the module says of itself."""
    source = (TESTS / module).read_text()
    tree = ast.parse(source)
    found = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")]
    return {each.name: f"{ast.get_docstring(tree)}\n{ast.get_source_segment(source, each)}" for each in found}


def test_every_requirement_has_its_row() -> None:
    assert list(ROWS) == REQUIRED


@pytest.mark.parametrize("requirement", REQUIRED)
def test_what_holds_it_is_there_and_says_so(requirement: str) -> None:
    named = NAMED.findall(ROWS[requirement])
    missing = [f"{module}::{name}" for module, name in named if name not in sources_of(module)]
    assert missing == []
    if named:
        texts = [sources_of(module)[name] for module, name in named]
        assert [each for each in texts if re.search(rf"\b{requirement}\b", each)], "no test of the row names it"
    else:
        assert "Why not: " in ROWS[requirement]


def test_no_test_is_named_in_another_way() -> None:
    """Whatever looks like a test there is one that is looked for."""
    page = PAGE.read_text()
    assert len(re.findall(r"\btest_\w+\.py::", page)) == len(NAMED.findall(page))
    assert set(re.findall(r"\btest_\w+\b(?!\.py)", page)) == {name for _, name in NAMED.findall(page)}
