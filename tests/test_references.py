"""Check that docs, docstrings and comments refer only to what is in the repository."""

# ruff: noqa: SLF001  argparse has no public way to list what a parser takes

import argparse
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from dfns_login.management.commands.dfns import Command
from tests.support.requirements import HEADING, PAGE

ROOT = Path(__file__).resolve().parent.parent
HERE = "tests/test_references.py"
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
WORD = re.compile(r"\w+")
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
REQUIREMENT = re.compile(r"\b[RD]-\d{1,3}\b")
A_FILE = re.compile(r"^[\w./-]+\.(?:py|md|ts|toml|json|html|txt|mjs|css|yaml|po)$")
A_SYMBOL = re.compile(r"\bdfns_login(?:\.\w+)+")
ELSEWHERE = re.compile(r"\b(?:DESIGN|STYLE|WIRE|ECOSYSTEM)\b|SECURITY (?:[RD]-|§|section)|\bA-\d\d\b|/work\b")
"""Documents and places that are not part of the repository."""
TASKS = {"dfns_login.deliver", "dfns_login.sweep", "dfns_login.purge", "dfns_login.chain"}
OF_OTHERS = {
    "AdminEmailHandler",
    "CORS_ALLOW_CREDENTIALS",
    "HttpOnly",
    "FormData",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
    "acks_late",
    "capture_parameters",
    "client_body_timeout",
    "enable_commenter",
    "include_html",
    "load_pem_public_key",
    "log_format",
    "markRaw",
    "otelTraceID",
    "prepare_threshold",
    "send_default_pii",
    "shallowRef",
    "synchronous_commit",
    "urlsafe_b64decode",
}
"""Names in the docs that our code does not use."""
FOLDERS = ("", "dfns_login", "tests", "docs", *(f"dfns_login/{each}" for each in ("client", "static", "templates")))
"""Where a path in a text may start."""


@cache
def tracked() -> tuple[str, ...]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(name for name in listed.stdout.splitlines() if (ROOT / name).is_file())


def documents() -> list[str]:
    return [name for name in tracked() if name in PAGES or (name.startswith("docs/") and name.endswith(".md"))]


def sources() -> list[str]:
    folders = ("dfns_login/", "project/", "tests/", "benchmarks/", ".ci/")
    kinds = (".py", ".ts", ".mjs", ".html", "run")
    kept = [name for name in tracked() if name.startswith(folders) and name.endswith(kinds) and name != HERE]
    return [*kept, "Makefile", "pyproject.toml"]


def everything() -> list[str]:
    return [*documents(), *sources()]


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text()


@cache
def parts_of(name: str) -> tuple[str, frozenset[str]]:
    """What a person reads of a module, its docstrings and comments; and every word of the rest of it."""
    prose: list[str] = []
    words: set[str] = set()
    starts_a_line = True
    for token in tokenize.generate_tokens(io.StringIO(text_of(name)).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and starts_a_line):
            prose.append(token.string)
        else:
            words.update(WORD.findall(token.string))
        if token.type not in {tokenize.COMMENT, tokenize.NL}:
            starts_a_line = token.type in {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    return "\n".join(prose), frozenset(words)


def prose_of(name: str) -> str:
    """What a person reads of a file: all of it, unless it is a module."""
    return parts_of(name)[0] if name.endswith(".py") else text_of(name)


@cache
def anchors_of(name: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@cache
def code_spans(name: str) -> list[str]:
    """Whatever a text has between backticks, but for whole blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", prose_of(name), flags=re.DOTALL | re.MULTILINE))


def missing(names: list[str], find: Callable[[str], Iterable[str]]) -> dict[str, list[str]]:
    """What is missing, by the file that refers to it."""
    found = {name: sorted(set(find(name))) for name in names}
    return {name: each for name, each in found.items() if each}


def test_links_lead_somewhere() -> None:
    def dead(name: str) -> Iterator[str]:
        for link in LINK.findall(text_of(name)):
            path, _, anchor = link.partition("#")
            target = ((ROOT / name).parent / path).resolve() if path else ROOT / name
            if not target.exists() or (anchor and anchor not in anchors_of(target.relative_to(ROOT).as_posix())):
                yield link

    assert missing(documents(), dead) == {}


def test_requirements_are_listed() -> None:
    listed = set(HEADING.findall(PAGE.read_text()))
    assert missing(everything(), lambda name: set(REQUIREMENT.findall(text_of(name))) - listed) == {}


def test_nothing_outside_the_repository_is_cited() -> None:
    assert missing(everything(), lambda name: ELSEWHERE.findall(text_of(name))) == {}


def test_files_are_there() -> None:
    def gone(name: str) -> Iterator[str]:
        beside = (ROOT / name).parent.relative_to(ROOT).as_posix()
        for span in code_spans(name):
            if not A_FILE.match(span) or span.startswith((".", "/", "var/", "dist/")):
                continue
            if any((ROOT / folder / span).exists() for folder in (*FOLDERS, beside, f"{beside}/..")):
                continue
            if "/" in span or not any(each.endswith(f"/{span}") for each in tracked()):
                yield span

    assert missing(everything(), gone) == {}


def resolves(symbol: str) -> bool:
    """Whether a dotted name is a module of the app, or an attribute of one."""
    parts = symbol.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_symbols_are_there() -> None:
    """Ids of checks, permissions and tasks have the same form."""
    other = re.compile(r"dfns_login\.(?:[EWI]\d{3}|(?:add|change|delete|view)_\w+|session)$")

    def gone(name: str) -> Iterator[str]:
        symbols = {each for each in A_SYMBOL.findall(prose_of(name)) if not other.match(each)}
        return (each for each in symbols - TASKS if not resolves(each))

    assert missing(everything(), gone) == {}


@cache
def words_of_the_code() -> frozenset[str]:
    """Every name and every word of a string in the code, without docstrings and comments."""
    return frozenset().union(*(words_of(name) for name in sources()))


def words_of(name: str) -> Iterable[str]:
    return parts_of(name)[1] if name.endswith(".py") else WORD.findall(text_of(name))


def test_names_in_backticks_are_names_of_the_code() -> None:
    """A name with an underscore or an inner capital, such as `open_or_keep` or `PresentedCode`, is used somewhere."""
    a_name = re.compile(r"[A-Za-z]\w*(?:_\w|[a-z][A-Z])\w*")
    names = [*documents(), *(each for each in sources() if each.startswith("dfns_login/"))]
    names.remove("docs/conformance.md")  # its names are those of the official clients

    def gone(name: str) -> Iterator[str]:
        for span in {span.removesuffix("()") for span in code_spans(name)} - OF_OTHERS:
            setting = span.lower() if span.isupper() else span
            if a_name.fullmatch(span) and not {span, setting} & words_of_the_code():
                yield span

    assert missing(names, gone) == {}


def test_make_targets_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))

    def gone(name: str) -> Iterable[str]:
        called = [span.split()[1] for span in code_spans(name) if re.match(r"make [a-z]", span)]
        if name.endswith(".md"):
            blocks = re.findall(r"^```sh\n(.*?)^```", text_of(name), re.DOTALL | re.MULTILINE)
            called += re.findall(r"^make ([a-z-]+)", "\n".join(blocks), re.MULTILINE)
        return set(called) - targets

    assert missing(everything(), gone) == {}


def verbs() -> dict[str, set[str]]:
    """Options of each verb of `manage.py dfns`."""

    def options(parser: argparse.ArgumentParser) -> set[str]:
        found = set()
        for action in parser._actions:
            found |= set(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                found = found.union(*map(options, action.choices.values()))
        return found

    parser = Command().create_parser("manage.py", "dfns")
    (below,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    return {verb: options(each) for verb, each in below.choices.items()}


def test_commands_are_there() -> None:
    known = verbs()

    def gone(name: str) -> Iterator[str]:
        for call in re.findall(r"(?:`|manage\.py )dfns ([a-z][^`\n#|]*)", prose_of(name)):
            verb = call.split()[0]
            if verb not in known or not set(re.findall(r"--[a-z-]+", call)) <= known[verb]:
                yield call

    assert missing(everything(), gone) == {}
