"""What the pages in `reference` contain, as Markdown that is made from the code."""

# ruff: noqa: INP001, SLF001  Sphinx imports it; argparse has no public way to list what a parser takes

import argparse
import inspect
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from dfns_login import signals
from dfns_login.checks import backends, deployment, monitoring, pages, poolers, settings
from dfns_login.management.commands.dfns import Command

DOCS = Path(__file__).parent
API = json.loads((DOCS.parent / "dfns_login" / "api" / "openapi.json").read_text())


def checks() -> str:
    """The tables in the docstrings of the modules in `dfns_login/checks/`."""
    return "\n".join(
        f"## {title}\n\n{inspect.cleandoc(str(module.__doc__))}\n"
        for title, module in {
            "Settings": settings,
            "Deployment": deployment,
            "Backends in deployment": backends,
            "Pages": pages,
            "Monitoring": monitoring,
            "Connections": poolers,
        }.items()
    )


def commands() -> str:
    """Each verb, with its arguments and options."""
    parser = Command().create_parser("manage.py", "dfns")
    return "\n".join(_described(verb, each, level=2) for verb, each in _verbs(parser))


def _verbs(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def screenshots() -> str:
    """The pictures in `docs/screenshots`, by what they show."""
    names = sorted((each.stem for each in (DOCS / "screenshots").glob("*.webp")), key=_place)
    if {name.partition(".")[0] for name in names} != {*PICTURED, "theme"}:
        raise ValueError("PICTURED lacks a heading for a picture, or has one too many.")
    groups = {group: [name for name in names if name.partition(".")[0] == group] for group in PICTURED}
    return "\n".join(f"## {PICTURED[group]}\n\n{_gallery(found)}" for group, found in groups.items())


def _place(name: str) -> tuple[int, str]:
    """Steps as people take them, then looks; all others before them, by name."""
    part = name.partition(".")[2]
    return (STEPS.index(part) if part in STEPS else -1, name)


def _gallery(names: list[str]) -> str:
    """Tables of three pictures each, below what they show."""
    rows = [(names + [""] * 2)[at : at + 3] for at in range(0, len(names), 3)]
    titles = [[_shown(name) for name in row] for row in rows]
    pictures = [[f"![{_shown(name)}](screenshots/{name}.webp)" if name else "" for name in row] for row in rows]
    return "\n".join(
        f"| {' | '.join(above)} |\n| --- | --- | --- |\n| {' | '.join(below)} |\n"
        for above, below in zip(titles, pictures, strict=True)
    )


def _shown(name: str) -> str:
    """For example "Notice signed in" of the picture `email.notice-signed-in`."""
    return (name.partition(".")[2].replace(".", ", ").replace("-", " ") or "page").capitalize() if name else ""


def _described(verb: str, parser: argparse.ArgumentParser, *, level: int) -> str:
    given = [each for each in parser._actions if each.help and each.help != argparse.SUPPRESS and each.dest != "help"]
    options = [each for each in given if not isinstance(each, argparse._SubParsersAction) and each.dest != "as_json"]
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split()).replace(" [-h]", "")
    text = f"{'#' * level} {verb}\n\n{parser.description or ''}\n\n```text\n{usage}\n```\n"
    for each in options:
        name = ", ".join(each.option_strings) or str(each.metavar or each.dest)
        text += f"\n- `{name}`: {str(each.help) % {'default': f'`{each.default}`'}}"
    below = (_described(f"{verb} {name}", each, level=level + 1) for name, each in _verbs(parser))
    return "\n".join([text, "", *below])


def signal_list() -> str:
    """The signals of events, with the kind of their event."""
    names = {signal: name for name, signal in vars(signals).items() if isinstance(signal, signals.Signal)}
    rows = [f"| `{names[signal]}` | `{kind.value}` | {kind.label} |" for kind, signal in signals.SIGNALS.items()]
    return "\n".join(["| signal | event | meaning |", "| --- | --- | --- |", *rows])


def endpoints() -> str:
    """Each operation of the OpenAPI document: what it takes, what it returns, and what it refuses.

    What most of them refuse is said once.
    """
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in API["paths"].items()
        for method, operation in methods.items()
    }
    counted = Counter(each for operation in operations.values() for each in _refusals(operation))
    common = [each for each, number in counted.items() if number > len(operations) / 2 and "401" not in each]
    texts = [_operation(name, each, common=common) for name, each in operations.items()]
    return "\n".join(["Most of them may also answer:", "", *common, "", *texts])


def _refusals(operation: dict[str, Any]) -> list[str]:
    return [
        f"- {status} {line.removeprefix('* ')}"
        for status, answer in operation["responses"].items()
        if status >= "300"
        for line in _resolved(answer)["description"].splitlines()
    ]


def _operation(name: str, operation: dict[str, Any], *, common: list[str]) -> str:
    text = [f"### {name}", f"{operation['summary']}. {operation.get('description', '')}".strip()]
    if content := operation.get("requestBody", {}).get("content", {}).get("application/json", {}):
        text.append(f"Body:\n\n{_members(content['schema'])}")
    answers = [_resolved(each) for status, each in operation["responses"].items() if status < "300"]
    schemas = [each["content"]["application/json"]["schema"] for each in answers if "content" in each]
    text += [f"Answer:\n\n{_members(each)}" for each in schemas]
    if refusals := [each for each in _refusals(operation) if each not in common]:
        text.append("Refusals:\n\n" + "\n".join(refusals))
    return "\n\n".join(text) + "\n"


def _members(schema: dict[str, Any], *, indent: str = "") -> str:
    """The members of an object as a list, and those of the objects in it below them."""
    found = _resolved(schema)
    if found.get("type") == "array":
        return _members(found["items"], indent=indent)
    own = found.get("properties", {})
    lines = [_members(each, indent=indent) for each in found.get("allOf", [])]
    for name, each in own.items():
        note = "" if name in found.get("required", []) else ", optional"
        text = _resolved(each).get("description", "")
        lines.append(f"{indent}- `{name}` ({_type(each)}{note}){f': {text}' if text else ''}")
        lines.append(_members(each, indent=f"{indent}  "))
    forms = [_resolved(each) for each in found.get("oneOf", []) + found.get("anyOf", [])]
    if own and forms:
        required = [" and ".join(f"`{name}`" for name in each.get("required", [])) for each in forms]
        lines.append(f"{indent}- {' or '.join(required)} is required")
    else:
        between = f"\n{indent}- or\n" if indent else "\n\nor\n\n"
        lines.append(between.join(filter(None, (_members(each, indent=indent) for each in forms))))
    return "\n".join(filter(None, lines))


def _type(schema: dict[str, Any]) -> str:
    found = _resolved(schema)
    if "enum" in found:
        return " or ".join(f"`{each}`" for each in found["enum"])
    if "const" in found:
        return f"`{found['const']}`"
    if found.get("type") == "array":
        return f"list of {_type(found.get('items', {}))}"
    kind = found.get("type", "object")
    return str(kind) if isinstance(kind, str) else " or ".join(each for each in kind if each != "null")


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    found: Any = schema
    while "$ref" in found:
        at: Any = API
        for part in found["$ref"].removeprefix("#/").split("/"):
            at = at[part]
        found = {**at, **{name: value for name, value in found.items() if name != "$ref"}}
    return dict(found)


def python_api() -> str:
    """The docstrings of what the table in `reference/python-api.md` lists."""
    text = (DOCS / "reference" / "python-api.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \| (.+) \|$", text, re.MULTILINE)
    parts = []
    for module, listed in rows:
        entries = [_entry(module, name) for name in re.findall(r"`(\w+)`", listed)]
        if any(entries):
            parts.append(f"## {module}\n\n```{{eval-rst}}\n{''.join(entries)}```\n")
    return "\n".join(parts)


def _entry(module: str, name: str) -> str:
    found = getattr(import_module(module), name)
    if not inspect.getdoc(found) or isinstance(found, str | dict):
        return ""
    directive = "autoclass" if inspect.isclass(found) else "autofunction"
    members = (
        "   :members:\n   :exclude-members: process_view\n   :member-order: bysource\n"
        if inspect.isclass(found) and _is_plain(found)
        else ""
    )
    return f".. {directive}:: {module}.{name}\n{members}\n"


def _is_plain(found: type) -> bool:
    """Whether all that the class has is its own: not that of Django, REST framework or an exception."""
    return all(each.__module__.startswith(("dfns_login", "builtins", "typing")) for each in found.__mro__) and not (
        issubclass(found, Exception)
    )


PICTURED = {
    "sign-in": "Sign in",
    "register": "Register",
    "recover": "Recover",
    "account": "Account",
    "secure": "Secure an account",
    "lock": "Lock an account",
    "error": "Errors",
    "email": "Emails",
    "admin": "Admin",
    "project": "The runnable project",
}
"""The first words of the names of pictures, and their headings. The page on themes has its own."""
STEPS = [
    *("username", "code", "unlock", "password", "passkey", "second", "kit", "done", "expired", "resumed"),
    *("phone", "dark", "arabic"),
]

PAGES: dict[str, Callable[[], str]] = {
    "checks": checks,
    "commands": commands,
    "endpoints": endpoints,
    "python_api": python_api,
    "screenshots": screenshots,
    "signals": signal_list,
}
