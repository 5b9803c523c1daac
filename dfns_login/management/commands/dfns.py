"""`manage.py dfns …`, the commands for operators.

With `--json`, each command prints one JSON value, or `{"error": …}` if it fails, whatever fails.
"""

import argparse
import os
import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser
from django.db import Error

from dfns_login.errors import Refusal
from dfns_login.management import accounts, audit, keys, previews, quickstart, sweep, upkeep
from dfns_login.management.terminal import Handler, ReportedError, Terminal


class Command(BaseCommand):
    help = "Manage organizations, invitations, accounts, keys and the audit trail, and check the deployment."
    requires_system_checks: list[str] = []  # noqa: RUF012  `keys` must run without keys, `doctor` runs the checks

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
        for topic in (quickstart, accounts, keys, sweep, upkeep, audit, previews):
            topic.add_commands(commands)

    def handle(self, *_: object, **options: Any) -> None:  # noqa: ANN401  Django's signature
        terminal = Terminal(out=self.stdout, err=self.stderr, style=self.style, as_json=options["as_json"])
        handler: Handler = options["handler"]
        try:
            handler(argparse.Namespace(**options), terminal)
        except BrokenPipeError:  # the reader closed the pipe, like `head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (CommandError, Refusal, ImproperlyConfigured, Error) as error:
            text = _text(error)
            if terminal.as_json and not isinstance(error, ReportedError):
                terminal.print_json({"error": text})
            raise CommandError(text) from error
        except Exception as error:
            if terminal.as_json:
                terminal.print_json({"error": f"Unexpected error: {type(error).__name__}."})
            raise


def _text(error: Exception) -> str:
    if isinstance(error, Refusal):
        return error.explanation
    if isinstance(error, Error):
        return f"Database error: {type(error).__name__}. Run `manage.py dfns doctor` to find the cause."
    return str(error)
