"""`dfns audit`: verify the audit trail, print its head, export its events."""

import argparse
import json
from datetime import UTC, datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from dfns_login.audit_chain import Head, head
from dfns_login.audit_verification import Problem, verify_trail
from dfns_login.ceremonies.audit_trail import Entry, Selection, entries
from dfns_login.management.terminal import Parsers, ReportedError, Terminal, add_command, add_group
from dfns_login.models import AuditKind


def add_commands(parsers: Parsers) -> None:
    actions = add_group(parsers, "audit", "Verify and export the audit trail.")
    about = "Verify that no event was altered, removed, moved or inserted, and the signatures of user actions."
    verifying = add_command(actions, "verify", verify, about)
    text = "an earlier head, from the log or from `dfns audit head`: shows if the end was cut off"
    verifying.add_argument("--head", type=_head, metavar="POSITION:MAC", help=text)
    add_command(actions, "head", show_head, "Print the newest link, to keep it outside of the database.")
    about = "Print events as JSON, one a line, or as one array with --json. The oldest come first."
    exporting = add_command(actions, "export", export, about)
    exporting.add_argument("--since", type=_moment, metavar="TIME", help="ISO 8601; UTC unless it says otherwise")
    exporting.add_argument("--until", type=_moment, metavar="TIME", help="events before this time")
    exporting.add_argument("--organization", metavar="ID", default="")
    exporting.add_argument("--kind", action="append", choices=AuditKind.values, default=[], help="may be repeated")


def verify(given: argparse.Namespace, terminal: Terminal) -> None:
    problems = list(verify_trail(expected=given.head, now=timezone.now()))
    terminal.print_each((_problem_row(each), _problem_text(each)) for each in problems)
    if problems:
        raise ReportedError(f"Problems of the audit trail: {len(problems)}.")
    if not terminal.as_json:
        newest = head()
        terminal.out.write(f"The audit trail is intact, up to {newest}." if newest else "There are no events.")


def show_head(_given: argparse.Namespace, terminal: Terminal) -> None:
    newest = head()
    text = str(newest) if newest else ""
    terminal.print({"head": text}, text)


def export(given: argparse.Namespace, terminal: Terminal) -> None:
    wanted = Selection(since=given.since, until=given.until, organization=given.organization, kinds=tuple(given.kind))
    rows = map(_row, entries(wanted))
    terminal.print_each((row, json.dumps(row)) for row in rows)


def _problem_row(problem: Problem) -> dict[str, object]:
    return {
        "finding": problem.finding.value,
        "position": problem.position,
        "event": problem.event,
        "message": problem.message,
    }


def _problem_text(problem: Problem) -> str:
    return f"{problem.finding.value}  position {problem.position}, event {problem.event}: {problem.message}"


def _row(entry: Entry) -> dict[str, object]:
    event, link = entry.event, entry.link
    return {
        "id": event.pk,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "kind": event.kind,
        "organization": event.organization_id,
        "account": event.account_id,
        "address": event.address,
        "agent": event.agent,
        "request_id": event.request_id,
        "detail": event.detail,
        "evidence": event.evidence,
        "position": link and link.position,
        "mac": link and bytes(link.mac).hex(),
    }


def _head(text: str) -> Head:
    try:
        return Head.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not POSITION:MAC") from None


def _moment(text: str) -> datetime:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise argparse.ArgumentTypeError("not a time such as 2026-01-31T12:00:00Z")
    return found if found.tzinfo else found.replace(tzinfo=UTC)
