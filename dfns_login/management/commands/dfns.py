"""`manage.py dfns …`, the commands for operators.

With `--json`, each command prints one JSON value, or `{"error": …}` if it fails.
"""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser
from django.db import DatabaseError
from django.utils import timezone

from dfns_login import purge
from dfns_login.ceremonies.invitation import Invitation, create_organization, invite
from dfns_login.doctor import Level, examine
from dfns_login.errors import Refusal
from dfns_login.key_rings import Ring, key_ids, key_rings, new_rings, ring_texts, rotate_ring
from dfns_login.models import Account, AccountKind, AccountState, CodePurpose, OneTimeCode, Organization
from dfns_login.proofs import reencrypt_keys
from dfns_login.requester import Requester

Handler = Callable[[argparse.Namespace], None]
Parsers = Any
"""`argparse._SubParsersAction`, which argparse does not name."""
AGENT: Final = "manage.py dfns"
NAMED: Final = 10
"""The most ids or organizations that one message lists."""
CHUNK: Final = 2000
AFTER_ROTATION: Final = {
    Ring.CODES: "Remove the old key REGISTRATION_CODE_LIFETIME after every host has the new rings.",
    Ring.CHALLENGES: "Remove the old key CHALLENGE_LIFETIME_WITH_CODE after every host has the new rings.",
    Ring.TOKENS: "Remove the old key TOKEN_LIFETIME after every host has the new rings.",
    Ring.AT_REST: "Once every host has the new rings, run `manage.py dfns reencrypt`, then remove the old key.",
}


class Command(BaseCommand):
    help = "Manage organizations, invitations, accounts and keys, and check the deployment."
    requires_system_checks: list[str] = []  # noqa: RUF012  `keys` must run without keys, `doctor` runs the checks

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

        organization = commands.add_parser("organization", help="create an organization")
        actions = organization.add_subparsers(dest="action", required=True, metavar="ACTION")
        creating = _add_command(actions, "create", self.create_organization, "Create an organization.")
        creating.add_argument("name")
        inviting = _add_command(commands, "invite", self.invite, "Create an account and email its registration code.")
        inviting.add_argument("email")
        inviting.add_argument("--organization", metavar="ID", help="required if there are several")
        inviting.add_argument("--user", metavar="PK_OR_USERNAME", help="link the account to this existing user")
        inviting.add_argument("--kind", choices=AccountKind.values, default=AccountKind.END_USER.value)
        listing = _add_command(commands, "accounts", self.list_accounts, "List accounts.")
        listing.add_argument("--organization", metavar="ID")
        listing.add_argument("--state", choices=AccountState.values)
        keys = _add_command(commands, "keys", self.make_keys, "Print new key rings as JSON, for DFNS_LOGIN_KEYS.")
        which = keys.add_mutually_exclusive_group()
        which.add_argument(
            "--rotate",
            choices=list(AFTER_ROTATION),
            metavar="RING",
            help=f"print the current rings with a new key in one of them: {', '.join(AFTER_ROTATION)}",
        )
        which.add_argument("--list", action="store_true", dest="listing", help="list key ids, newest first")
        about = "Re-encrypt stored private keys with the newest key of the at_rest ring."
        _add_command(commands, "reencrypt", self.reencrypt, about)
        _add_command(commands, "purge", self.purge, "Close expired codes and delete rows past their retention time.")
        about = "Check settings, keys, database, cache, broker, workers and mail server."
        _add_command(commands, "doctor", self.examine, about)

    def handle(self, *_: object, **options: Any) -> None:  # noqa: ANN401  Django's signature
        self.as_json: bool = options["as_json"]
        handler: Handler = options["handler"]
        try:
            handler(argparse.Namespace(**options))
        except BrokenPipeError:  # the reader closed the pipe, like `head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (CommandError, Refusal, ImproperlyConfigured, DatabaseError) as error:
            text = _text(error)
            if self.as_json and not isinstance(error, UnhealthyError):
                self._print_json({"error": text})
            raise CommandError(text) from error

    def create_organization(self, given: argparse.Namespace) -> None:
        made = create_organization(given.name, requester=_requester(), now=timezone.now())
        self._print({"id": made.pk, "name": made.name}, f"{made.pk}  {made.name}")

    def invite(self, given: argparse.Namespace) -> None:
        organization = _organization(given.organization)
        user = _user(given.user) if given.user is not None else None
        invitation = Invitation(organization=organization, email=given.email, kind=AccountKind(given.kind), user=user)
        account = invite(invitation, requester=_requester(), now=timezone.now())
        codes = OneTimeCode.objects.open().of(account.recipient, purpose=CodePurpose.REGISTRATION)
        until = codes.values_list("expires_at", flat=True).first()
        row = _row(Account.objects.filter(pk=account.pk).values(*COLUMNS).get())
        self._print(
            {**row, "code_expires_at": until and until.isoformat()},
            f"{account.pk}  {account.email}  invited to {organization.name} as {account.kind}; "
            f"the registration code will be emailed and expires at {until:%Y-%m-%d %H:%M} UTC.",
        )

    def list_accounts(self, given: argparse.Namespace) -> None:
        accounts = Account.objects.order_by("organization_id", "username")
        if given.organization is not None:
            accounts = accounts.filter(organization=_organization(given.organization))
        if given.state:
            accounts = accounts.filter(state=given.state)
        rows = map(_row, accounts.values(*COLUMNS).iterator(chunk_size=CHUNK))
        before = "["
        for row in rows:
            if self.as_json:
                self.stdout.write(before + json.dumps(row), ending="")
                before = ",\n"
            else:
                self.stdout.write("  ".join(row[name] for name in ("id", "organization", "state", "kind", "username")))
        if self.as_json:
            self.stdout.write("]" if before != "[" else "[]")

    def make_keys(self, given: argparse.Namespace) -> None:
        if given.listing:
            ids = key_ids()
            self._print(ids, "\n".join(f"{name}: {', '.join(each)}" for name, each in ids.items()))
            return
        if given.rotate is None:
            self._print_json(new_rings(now=timezone.now()))
            return
        key_rings()  # invalid rings raise here
        configured = ring_texts()
        if not configured:
            raise CommandError(
                "There are no rings to rotate: DFNS_LOGIN['KEYS'] is empty, so they are derived from SECRET_KEY."
            )
        self._print_json(rotate_ring(configured, ring=Ring(given.rotate), now=timezone.now()))
        if not self.as_json:
            self.stderr.write(AFTER_ROTATION[Ring(given.rotate)])

    def reencrypt(self, _given: argparse.Namespace) -> None:
        current = key_ids()[Ring.AT_REST.value][0]
        done = reencrypt_keys()
        if done.undecryptable:
            raise CommandError(
                f"Re-encrypted {done.count} keys with {current}. {len(done.undecryptable)} cannot be decrypted and are "
                f"unchanged: {', '.join(done.undecryptable[:NAMED])}. Put the removed key back into the ring."
            )
        text = f"Re-encrypted {done.count} keys with {current}. You can now remove the older keys of the at_rest ring."
        self._print({"reencrypted": done.count, "kid": current}, text)

    def purge(self, _given: argparse.Namespace) -> None:
        now = timezone.now()
        counts = {"closed_codes": purge.close_expired_codes(now=now), **purge.purge(now=now)}
        self._print(counts, ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in counts.items()))

    def examine(self, _given: argparse.Namespace) -> None:
        findings = examine(clock=timezone.now)
        failed = [each.name for each in findings if each.level == Level.ERROR]
        if self.as_json:
            self._print_json({"ok": not failed, "findings": [dataclasses.asdict(each) for each in findings]})
        styles = {Level.OK: self.style.SUCCESS, Level.WARNING: self.style.WARNING, Level.ERROR: self.style.ERROR}
        for each in () if self.as_json else findings:
            remedy = f" {each.remedy}" if each.level != Level.OK else ""
            self.stdout.write(f"{styles[each.level](f'{each.level:7}')}  {each.name}: {each.message}{remedy}")
        if failed:
            raise UnhealthyError(f"Unhealthy: {', '.join(dict.fromkeys(failed))}.")

    def _print(self, value: object, text: str) -> None:
        if self.as_json:
            self._print_json(value)
        else:
            self.stdout.write(text)

    def _print_json(self, value: object) -> None:
        self.stdout.write(json.dumps(value))


class UnhealthyError(CommandError):
    """Raised after `doctor` has printed its findings."""


def _add_command(parsers: Parsers, name: str, handler: Handler, description: str) -> CommandParser:
    added: CommandParser = parsers.add_parser(name, help=description, description=description)
    added.add_argument("--json", action="store_true", dest="as_json", help="print one JSON value")
    added.set_defaults(handler=handler)
    return added


COLUMNS: Final = ("id", "organization_id", "username", "email", "kind", "state", "user_id", "created_at")


def _requester() -> Requester:
    return Requester(address="", agent=AGENT, locale=settings.LANGUAGE_CODE)


def _row(account: dict[str, Any]) -> dict[str, Any]:
    user = account["user_id"]
    return {
        "id": account["id"],
        "organization": account["organization_id"],
        "username": account["username"],
        "email": account["email"],
        "kind": account["kind"],
        "state": account["state"],
        "user": None if user is None else str(user),
        "created_at": account["created_at"].isoformat(),
    }


def _organization(given: str | None) -> Organization:
    """Return the organization with this id, or the only active one."""
    if given is not None:
        if found := Organization.objects.filter(pk=given).first():
            return found
        raise CommandError(f"There is no organization with the id {given}.")
    active = list(Organization.objects.filter(active=True).order_by("created_at")[: NAMED + 1])
    if len(active) == 1:
        return active[0]
    if not active:
        raise CommandError(
            "There is no active organization. Create one with `manage.py dfns organization create NAME`."
        )
    names = ", ".join(f"{each.pk} ({each.name})" for each in active[:NAMED])
    raise CommandError(f"Choose one with --organization: {names}{', …' if len(active) > NAMED else ''}.")


def _user(given: str) -> AbstractBaseUser:
    """Return the only user with this primary key or username. The account will sign in as this user."""
    model: Any = get_user_model()
    found: dict[Any, AbstractBaseUser] = {}
    for name in ("pk", model.USERNAME_FIELD):
        try:
            found |= {user.pk: user for user in model._default_manager.filter(**{name: given})}
        except (ValueError, ValidationError, OverflowError):
            continue  # not a valid primary key
    if len(found) != 1:
        raise CommandError(f"{'Several users have' if found else 'No user has'} the primary key or username {given}.")
    return next(iter(found.values()))


def _text(error: Exception) -> str:
    if isinstance(error, Refusal):
        details = [f"{field}: {' '.join(texts)}" for field, texts in (error.details or {}).items()]
        return " ".join(details or [error.message])
    if isinstance(error, DatabaseError):
        return f"Database error: {type(error).__name__}. Run `manage.py dfns doctor` to find the cause."
    return str(error)
