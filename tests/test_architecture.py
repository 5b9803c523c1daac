"""Rules about the source that import-linter and ruff cannot state. Each test lists the lines that break its rule."""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from django.apps import apps

from dfns_login.models.primary import PrimaryQuerySet

ROOT = Path(__file__).resolve().parent.parent / "dfns_login"
MODULES = sorted(path for path in ROOT.rglob("*.py") if "migrations" not in path.parts)
LINES = 250
FUNCTION_LINES = 40
CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "localtime", "time_ns"}
READS_THE_CLOCK = (
    "accounts.py",
    "decorators.py",
    "api/",
    "pages/",
    "admin/",
    "management/",
    "tasks.py",
    "doctor/",
    "monitoring/",
    "limits/bounded.py",
    "limits/redis_server.py",
    "limits/tallies.py",
    "templatetags/",
    "testing/",
)
READS_ENCRYPTED_KEYS = {"proofs/key_release.py", "models/credentials.py", "models/login_records.py"}
ENCRYPTED_KEY = "encrypted_key_at_rest"
TOPICS = {"settings", "limits", "proofs", "browsers", "delivery", "doctor", "checks"}
"""Packages whose modules are private to them."""
VAGUE_NAMES = {"utils", "helpers", "services", "base", "internal", "common", "misc"}
SECRETS = {"code", "digest", "signature", "challenge", "salt", "secret"}
SPECIFIED_NAMES = {
    "verification/": {
        "attStmt",
        "authData",
        "certInfo",
        "clientDataHash",
        "crossOrigin",
        "pubArea",
        "publicKey",
        "topOrigin",
    },
    "proofs/signed_tokens.py": {"orgId", "userId"},
    "delivery/devices.py": {"iPhone", "iPad", "macOS"},
}
"""Members of signed or encoded data, as WebAuthn and the official clients name them, and brands."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports() -> Iterator[tuple[Path, str]]:
    """Yield each module with everything it imports, wherever in the file."""
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import):
                yield from ((path, each.name) for each in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield path, node.module
                yield from ((path, f"{node.module}.{each.name}") for each in node.names)


def functions() -> Iterator[tuple[Path, Function]]:
    for path in MODULES:
        yield from ((path, node) for node in ast.walk(tree_of(path)) if isinstance(node, Function))


def lines_where(is_wrong: Callable[[ast.AST], bool], *, but_in: tuple[str, ...] = ()) -> list[str]:
    """Return `module.py:line` for each syntax node that is wrong."""
    return [
        f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        for path in MODULES
        if not name_of(path).startswith(but_in or ("-",))
        for node in ast.walk(tree_of(path))
        if is_wrong(node)
    ]


def test_the_rules_see_the_modules() -> None:
    assert len(MODULES) > 40
    assert {name_of(path) for path in MODULES} >= {"proofs/codes.py", "api/login.py", "verification/assertion.py"}


def test_only_the_api_imports_rest_framework() -> None:
    found = {name_of(path) for path, module in imports() if module.startswith("rest_framework")}
    assert [each for each in found if not each.startswith("api/")] == []


def test_random_values_come_from_the_secrets_module() -> None:
    """R-01: no `random`, no `uuid`."""
    assert [name_of(path) for path, module in imports() if module.split(".")[0] in {"random", "uuid", "numpy"}] == []
    assert [name_of(path) for path in MODULES if "get_random_string" in path.read_text()] == []


def test_only_key_release_reads_an_encrypted_key() -> None:
    """The record of a login reads it in one statement with the code. Other modules only defer the column."""
    deferred = {
        id(argument)
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "defer"
        for argument in node.args
    }

    def reads(node: ast.AST) -> bool:
        match node:
            case ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                return name.startswith(ENCRYPTED_KEY)
            case ast.Constant(value=str(text)):
                return text.rpartition("__")[2] == ENCRYPTED_KEY and id(node) not in deferred
        return False

    assert lines_where(reads), "the column has another name"
    assert lines_where(reads, but_in=tuple(READS_ENCRYPTED_KEYS)) == []


def test_only_the_edge_reads_the_clock() -> None:
    def reads(node: ast.AST) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(attr=name, value=ast.Name(id=module))):
                return name in CLOCKS and module in {"timezone", "datetime", "date", "time"}
        return False

    assert lines_where(reads, but_in=READS_THE_CLOCK) == []


def test_transactions_are_on_the_database_that_has_the_tables() -> None:
    """R-135. Django's own functions would open them on the default database."""

    def uses_django(node: ast.AST) -> bool:
        match node:
            case ast.ImportFrom(module="django.db", names=names):
                return any(each.name == "transaction" for each in names)
            case ast.ImportFrom(module="django.db.transaction"):
                return True
        return False

    allowed = ("models/transaction.py", "api/view.py")  # exempts views from `ATOMIC_REQUESTS`, on every database
    assert lines_where(uses_django, but_in=allowed) == []


def test_reads_go_where_writes_go() -> None:
    """R-135. A replica may be behind."""
    assert lines_where(lambda node: isinstance(node, ast.Attribute) and node.attr == "db_for_read") == []
    for model in apps.get_app_config("dfns_login").get_models():
        assert isinstance(model._default_manager.all(), PrimaryQuerySet), model
        assert isinstance(model._base_manager.all(), PrimaryQuerySet), model  # noqa: SLF001  Django documents it


def test_no_module_is_long() -> None:
    lines = {name_of(path): sum(bool(line.strip()) for line in path.read_text().splitlines()) for path in MODULES}
    assert {name: number for name, number in lines.items() if number > LINES} == {}


def test_no_function_is_long() -> None:
    """Except verifications, which follow the steps of their specification."""
    found = []
    for path, function in functions():
        if name_of(path).startswith("verification/"):
            continue
        first = function.body[1] if ast.get_docstring(function) and len(function.body) > 1 else function.body[0]
        if (function.end_lineno or 0) - first.lineno >= FUNCTION_LINES and not name_of(path).startswith(
            "verification/"
        ):
            found.append(f"{name_of(path)}:{function.lineno} {function.name}")
    assert found == []


def test_no_public_parameter_is_a_boolean() -> None:
    """Except where a framework sets the signature. Two functions say more than a flag."""
    found = []
    for path, function in functions():
        if name_of(path).startswith(("admin/", "management/")) or function.name.startswith("_"):
            continue
        parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        flags = [each.arg for each in parameters if each.annotation and ast.unparse(each.annotation) == "bool"]
        found.extend(
            f"{name_of(path)}:{function.lineno} {function.name}({each})" for each in flags if each != "matched"
        )
    assert found == []


def test_a_package_file_only_names_what_others_may_import() -> None:
    found = []
    for path in MODULES:
        for node in tree_of(path).body if path.name == "__init__.py" else ():
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            is_export = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            is_version = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
            if not (is_docstring or is_export or is_version or isinstance(node, ast.ImportFrom)):
                found.append(f"{name_of(path)}:{node.lineno}")
    assert found == []


def test_other_packages_import_a_topic_from_its_package_file() -> None:
    found = []
    for path, module in imports():
        match module.split("."):
            case ["dfns_login", topic, _, _, *_] if topic in TOPICS and topic != path.relative_to(ROOT).parts[0]:
                found.append(f"{name_of(path)} imports {module}")
    assert found == []


def test_no_module_has_a_vague_name() -> None:
    assert [name_of(path) for path in MODULES if path.stem in VAGUE_NAMES] == []


def test_secrets_are_compared_in_constant_time() -> None:
    """R-10: no `==` on a code, digest or challenge."""

    def compares(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Compare)
            and any(isinstance(each, (ast.Eq, ast.NotEq)) for each in node.ops)
            and any(isinstance(each, ast.Name) and each.id in SECRETS for each in [node.left, *node.comparators])
        )

    assert lines_where(compares) == []


def test_only_the_api_uses_wire_names() -> None:
    """Below it, code uses domain names. Docstrings may name the wire."""
    camel_case = re.compile(r"\b[a-z]+[A-Z][A-Za-z]*\b")
    found = []
    for path in MODULES:
        name = name_of(path)
        if name.startswith(("api/", "testing/")):
            continue
        allowed = {each for where, names in SPECIFIED_NAMES.items() if name.startswith(where) for each in names}
        found.extend(
            f"{name}:{line} {each}"
            for line, text in identifiers_and_texts(path)
            for each in camel_case.findall(text)
            if each not in allowed
        )
    assert found == []


def identifiers_and_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every name that a module defines, and every string that is not a docstring, with its line."""
    tree = tree_of(path)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                yield node.lineno, text
            case ast.Name(id=text) | ast.arg(arg=text) | ast.keyword(arg=str(text)):
                yield node.lineno, text
            case ast.FunctionDef(name=text):
                yield node.lineno, text
