"""`dfns preview-emails`: every email with made-up data, as files for designers. Nothing is sent or stored."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.management import CommandError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_supported_language_variant

from dfns_login.delivery import sample_emails
from dfns_login.management.terminal import Parsers, Terminal, add_command

DEFAULT_FOLDER: Final = "email-previews"
INDEX: Final = SafeString('<!doctype html><meta charset="utf-8"><title>Emails</title>\n<ul>\n{}\n</ul>\n')
ITEM: Final = SafeString('<li><a href="{0}.html">{0}</a> (<a href="{0}.txt">text</a>, <a href="{0}.eml">eml</a>): {1}')


def add_commands(parsers: Parsers) -> None:
    about = "Write every email with made-up data to a folder, as HTML, text and .eml. Nothing is sent."
    adding = add_command(parsers, "preview-emails", preview_emails, about)
    adding.add_argument("--to", type=Path, default=Path(DEFAULT_FOLDER), metavar="FOLDER", help="default: %(default)s")
    adding.add_argument("--language", default=settings.LANGUAGE_CODE, help="language code (default: %(default)s)")


def preview_emails(given: argparse.Namespace, terminal: Terminal) -> None:
    folder: Path = given.to
    try:
        language = get_supported_language_variant(given.language)
    except LookupError:
        raise CommandError("The language is not one of LANGUAGES.") from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        subjects = dict(_write(sample_emails(language), folder))
        index = format_html(INDEX, format_html_join("\n", ITEM, subjects.items()))
        (folder / "index.html").write_text(index, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"Can't write to {folder}: {error.strerror}.") from error
    about = {"folder": str(folder), "emails": list(subjects)}
    terminal.print(about, f"Wrote {len(subjects)} emails. Open {folder / 'index.html'}.")


def _write(emails: Iterator[tuple[str, EmailMultiAlternatives]], folder: Path) -> Iterator[tuple[str, str]]:
    """Write the files of each email. Return its name and subject."""
    for name, email in emails:
        (folder / f"{name}.html").write_text(str(email.alternatives[0][0]), encoding="utf-8")
        (folder / f"{name}.txt").write_text(str(email.body), encoding="utf-8")
        (folder / f"{name}.eml").write_bytes(email.message().as_bytes())
        yield name, str(email.subject)
