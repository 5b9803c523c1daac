"""The house rules that a reader relies on, read off the source. The layers are import-linter's."""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "dfns_login"
MODULES = sorted(path for path in ROOT.rglob("*.py") if "migrations" not in path.parts)
LINES = 250
FUNCTION_LINES = 40
CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "localtime", "time_ns"}
READS_THE_CLOCK = ("api/", "pages/", "admin/", "management/", "tasks.py", "doctor/")
READS_SEALED_KEYS = {"proofs/key_release.py", "models/credentials.py"}
TOPICS = {"settings", "proofs", "browsers", "delivery", "doctor", "checks"}
"""Packages whose modules are private to them."""
NOT_A_NAME = {"utils", "helpers", "services", "base", "internal", "common", "misc"}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of(path: Path) -> Iterator[str]:
    """Every module that is imported, wherever in the file."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def nodes(path: Path, wanted: Callable[[ast.AST], bool]) -> list[str]:
    return [f"{name_of(path)}:{getattr(node, 'lineno', 0)}" for node in ast.walk(tree_of(path)) if wanted(node)]


of_each_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


def test_there_are_modules() -> None:
    assert len(MODULES) > 40
    assert {name_of(path) for path in MODULES} >= {"proofs/codes.py", "api/login.py", "verification/assertion.py"}


@of_each_module
def test_only_the_edge_imports_rest_framework(path: Path) -> None:
    if not name_of(path).startswith("api/"):
        assert not [each for each in imports_of(path) if each.startswith("rest_framework")]


@of_each_module
def test_what_is_drawn_is_drawn_by_secrets(path: Path) -> None:
    """R-01: no `random`, no `uuid`."""
    assert not [each for each in imports_of(path) if each.split(".")[0] in {"random", "uuid", "numpy"}]
    assert "get_random_string" not in path.read_text()


@of_each_module
def test_only_key_release_touches_a_sealed_key(path: Path) -> None:
    """Elsewhere the column is only ever left out of what is read."""
    if name_of(path) in READS_SEALED_KEYS:
        return

    def touches(node: ast.AST) -> bool:
        return (isinstance(node, ast.Attribute) and node.attr.startswith("encrypted_key_at_rest")) or (
            isinstance(node, ast.keyword) and str(node.arg).startswith("encrypted_key_at_rest")
        )

    deferred = {
        id(argument)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "defer"
        for argument in node.args
    }

    def names(node: ast.AST) -> bool:
        text = (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value) or ""
        return text.rpartition("__")[2] == "encrypted_key_at_rest" and id(node) not in deferred

    assert not nodes(path, touches)
    assert not nodes(path, names)


@of_each_module
def test_only_the_edge_reads_the_clock(path: Path) -> None:
    if name_of(path).startswith(READS_THE_CLOCK):
        return

    def reads(node: ast.AST) -> bool:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            return False
        of = node.func.value
        return (
            node.func.attr in CLOCKS and isinstance(of, ast.Name) and of.id in {"timezone", "datetime", "date", "time"}
        )

    assert not nodes(path, reads)


@of_each_module
def test_a_module_can_be_held_in_the_head(path: Path) -> None:
    lines = sum(bool(line.strip()) for line in path.read_text().splitlines())
    assert lines <= LINES


@of_each_module
def test_a_function_is_seen_at_once(path: Path) -> None:
    """But for verifications, which are their specification's steps in order."""
    if name_of(path).startswith("verification/"):
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert (node.end_lineno or 0) - first.lineno < FUNCTION_LINES, f"{name_of(path)}:{node.lineno} {node.name}"


@of_each_module
def test_no_parameter_is_a_boolean(path: Path) -> None:
    """But for what a framework calls, and what travels as a value; two functions say more."""
    if name_of(path).startswith(("admin/", "management/")):
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            flags = {
                each.arg for each in arguments if isinstance(each.annotation, ast.Name) and each.annotation.id == "bool"
            }
            assert flags <= {"matched"}, f"{name_of(path)}:{node.lineno} {node.name}"


@of_each_module
def test_a_package_only_names_what_others_may_import(path: Path) -> None:
    if path.name != "__init__.py":
        return
    for node in tree_of(path).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_export = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        assert is_docstring or is_export or isinstance(node, ast.ImportFrom), f"{name_of(path)}:{node.lineno}"


@of_each_module
def test_other_packages_import_what_a_package_names(path: Path) -> None:
    """A topic's `__init__.py` says what others may use; its modules are its own."""
    mine = path.relative_to(ROOT).parts[0]
    for module in imports_of(path):
        match module.split("."):
            case ["dfns_login", topic, _, _, *_] if topic in TOPICS and topic != mine:
                pytest.fail(f"{name_of(path)} imports {module}")


@of_each_module
def test_a_module_is_named_by_what_is_in_it(path: Path) -> None:
    assert path.stem not in NOT_A_NAME


@of_each_module
def test_nothing_is_compared_in_a_hurry(path: Path) -> None:
    """What Python compares of a code, digest or challenge it compares in constant time. R-10."""
    secret = {"code", "digest", "signature", "challenge", "salt", "secret"}

    def compares(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Compare)
            and any(isinstance(each, (ast.Eq, ast.NotEq)) for each in node.ops)
            and any(isinstance(each, ast.Name) and each.id in secret for each in [node.left, *node.comparators])
        )

    assert not nodes(path, compares)
