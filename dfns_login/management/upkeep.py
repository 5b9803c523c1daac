"""`dfns purge`, `dfns doctor`, `dfns void`."""

import argparse
import dataclasses

from django.core.management import CommandError
from django.utils import timezone

from dfns_login import purge
from dfns_login.ceremonies.operators import Operator, void_organization
from dfns_login.doctor import Level, examine
from dfns_login.management.terminal import Parsers, ReportedError, Terminal, add_command, requester
from dfns_login.models import Organization


def add_commands(parsers: Parsers) -> None:
    add_command(parsers, "purge", purge_now, "Close expired codes and delete rows past their retention time.")
    about = "Check settings, keys, database, cache, broker, workers and mail server."
    add_command(parsers, "doctor", examine_deployment, about)
    about = "Revoke every session, code, challenge, temporary token and user action, after restoring a backup."
    voiding = add_command(parsers, "void", void, about)
    voiding.add_argument("--organization", metavar="ID", help="only in this organization")


def purge_now(_given: argparse.Namespace, terminal: Terminal) -> None:
    now = timezone.now()
    counts = {"closed_codes": purge.close_expired_codes(now=now), **purge.purge(now=now)}
    terminal.print(counts, ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in counts.items()))


def examine_deployment(_given: argparse.Namespace, terminal: Terminal) -> None:
    findings = examine(clock=timezone.now)
    failed = [each.name for each in findings if each.level == Level.ERROR]
    if terminal.as_json:
        terminal.print_json({"ok": not failed, "findings": [dataclasses.asdict(each) for each in findings]})
    style = terminal.style
    styles = {Level.OK: style.SUCCESS, Level.WARNING: style.WARNING, Level.ERROR: style.ERROR}
    for each in () if terminal.as_json else findings:
        remedy = f" {each.remedy}" if each.level != Level.OK else ""
        terminal.out.write(f"{styles[each.level](f'{each.level:7}')}  {each.name}: {each.message}{remedy}")
    if failed:
        raise ReportedError(f"Unhealthy: {', '.join(dict.fromkeys(failed))}.")


def void(given: argparse.Namespace, terminal: Terminal) -> None:
    organizations = Organization.objects.order_by("pk")
    if given.organization is not None:
        organizations = organizations.filter(pk=given.organization)
        if not organizations:
            raise CommandError(f"There is no organization with the id {given.organization}.")
    operator, now = Operator(requester=requester()), timezone.now()
    rows = []
    for each in organizations:
        voided = void_organization(each, operator=operator, now=now)
        rows.append({"organization": each.pk, "sessions": voided.sessions, "codes": voided.codes})
    lines = "\n".join(f"{row['organization']}  sessions {row['sessions']}, codes {row['codes']}" for row in rows)
    terminal.print(rows, lines)
