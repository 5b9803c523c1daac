"""What the commands of `manage.py dfns` share: their parsers, and how they print."""

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, Final

from django.conf import settings
from django.core.management import CommandError
from django.core.management.base import CommandParser, OutputWrapper
from django.core.management.color import Style

from dfns_login.requester import Requester

Parsers = Any
"""`argparse._SubParsersAction`, which argparse does not name."""
AGENT: Final = "manage.py dfns"
IN_MEMORY: Final = 2**16
"""A longer JSON array is written to a temporary file first. In characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Where a command prints. as_json: whether `--json` was given."""

    out: OutputWrapper
    err: OutputWrapper
    style: Style
    as_json: bool

    def print(self, value: object, text: str) -> None:
        """Print the value with `--json`, and the text without."""
        if self.as_json:
            self.print_json(value)
        else:
            self.out.write("\n".join(map(_line, text.split("\n"))))

    def print_json(self, value: object) -> None:
        self.out.write(json.dumps(value))

    def print_each(self, rows: Iterable[tuple[object, str]], *, if_none: str = "") -> None:
        """Print any number of values as one JSON array, or one text a line. No more than one is held in memory.

        The array is printed once it is complete, so an exception leaves no half of it.
        if_none: the note on standard error if there are no values and no `--json`.
        """
        if not self.as_json:
            note = if_none
            for _, text in rows:
                self.out.write(_line(text))
                note = ""
            if note:
                self.err.write(note)
            return
        with SpooledTemporaryFile(max_size=IN_MEMORY, mode="w+", encoding="utf-8") as array:
            before = "["
            for value, _ in rows:
                array.write(before + json.dumps(value))
                before = ",\n"
            array.write("]" if before != "[" else "[]")
            array.seek(0)
            while part := array.read(IN_MEMORY):
                self.out.write(part, ending="")
            self.out.write("")


def _line(text: str) -> str:
    """Return the text with escapes for what is not printable: names of the project's users may contain anything."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


Handler = Callable[[argparse.Namespace, Terminal], None]


class ReportedError(CommandError):
    """Raised by a command that has printed its findings already."""


def add_command(parsers: Parsers, name: str, handler: Handler, description: str) -> CommandParser:
    added: CommandParser = parsers.add_parser(name, help=description, description=description)
    added.add_argument("--json", action="store_true", dest="as_json", help="print one JSON value")
    added.set_defaults(handler=handler)
    return added


def add_group(parsers: Parsers, name: str, description: str) -> Parsers:
    """Add a command that has commands below it."""
    return parsers.add_parser(name, help=description).add_subparsers(dest="action", required=True, metavar="ACTION")


def requester() -> Requester:
    """Return the requester of what a command does: no address, and the command as its agent."""
    return Requester(address="", agent=AGENT, locale=settings.LANGUAGE_CODE)
