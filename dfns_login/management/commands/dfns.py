"""The operator's verbs: `manage.py dfns …`.

With `--json` each prints one JSON value, and `{"error": …}` where it fails.
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
from dfns_login.key_rings import Ring, key_ids, key_rings, new_rings, ring_texts, turned_rings
from dfns_login.models import Account, AccountKind, AccountState, CodePurpose, OneTimeCode, Organization
from dfns_login.proofs import reencrypt_keys
from dfns_login.requester import Requester

Act = Callable[[argparse.Namespace], None]
AGENT: Final = "manage.py dfns"
NAMED: Final = 10
"""So many organizations are named where one is to be chosen."""
CHUNK: Final = 2000
TURNING: Final = {
    Ring.CODES: "Take the old key out REGISTRATION_CODE_LIFETIME after every host has this.",
    Ring.CHALLENGES: "Take the old key out CHALLENGE_LIFETIME_WITH_CODE after every host has this.",
    Ring.TOKENS: "Take the old key out TOKEN_LIFETIME after every host has this.",
    Ring.AT_REST: "Once every host has this, run `manage.py dfns reseal`; then take the old key out.",
}


class Command(BaseCommand):
    """Organizations, invitations, key rings, upkeep, and a look at everything that runs."""

    help = "Operate the login: organization, invite, accounts, keys, reseal, purge, doctor."
    requires_system_checks: list[str] = []  # noqa: RUF012  `keys` mends what they find, `doctor` runs them

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

        def verb(
            name: str, act: Act, said: str, *, under: "argparse._SubParsersAction[CommandParser]" = verbs
        ) -> CommandParser:
            added = under.add_parser(name, help=said, description=said)
            added.add_argument("--json", action="store_true", dest="as_json", help="print one JSON value")
            added.set_defaults(act=act)
            return added

        organization = verbs.add_parser("organization", help="make an organization")
        actions = organization.add_subparsers(dest="action", required=True, metavar="ACTION")
        verb("create", self.create_organization, "Make an organization.", under=actions).add_argument("name")
        inviting = verb("invite", self.invite, "Make an account and have its registration code mailed.")
        inviting.add_argument("email")
        inviting.add_argument("--organization", metavar="ID", help="needed where there are several")
        inviting.add_argument("--user", metavar="PK_OR_USERNAME", help="existing user to link the account to")
        inviting.add_argument("--kind", choices=AccountKind.values, default=AccountKind.END_USER.value)
        listing = verb("accounts", self.list_accounts, "List accounts.")
        listing.add_argument("--organization", metavar="ID")
        listing.add_argument("--state", choices=AccountState.values)
        keys = verb("keys", self.make_keys, "Print fresh key rings, as JSON for DFNS_LOGIN_KEYS.")
        which = keys.add_mutually_exclusive_group()
        which.add_argument(
            "--turn", choices=list(TURNING), metavar="RING", help=f"the rings, one turned: {', '.join(TURNING)}"
        )
        which.add_argument("--list", action="store_true", dest="listing", help="ids of the keys in force, newest first")
        verb("reseal", self.reseal, "Seal every encrypted key under the newest key of the at-rest ring.")
        verb("purge", self.purge, "Close what has expired and delete what is past its retention, now.")
        verb("doctor", self.examine, "Look at everything that a login leans on.")

    def handle(self, *_: object, **options: Any) -> None:  # noqa: ANN401  Django's signature
        self.as_json: bool = options["as_json"]
        act: Act = options["act"]
        try:
            act(argparse.Namespace(**options))
        except BrokenPipeError:  # whoever reads has seen enough, as `head` has
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (CommandError, Refusal, ImproperlyConfigured, DatabaseError) as error:
            text = _text(error)
            if self.as_json and not isinstance(error, FoundIllError):
                self._say_json({"error": text})
            raise CommandError(text) from error

    def create_organization(self, given: argparse.Namespace) -> None:
        made = create_organization(given.name)
        self._say({"id": made.pk, "name": made.name}, f"{made.pk}  {made.name}")

    def invite(self, given: argparse.Namespace) -> None:
        place = _organization(given.organization)
        user = _user(given.user) if given.user is not None else None
        invitation = Invitation(organization=place, email=given.email, kind=AccountKind(given.kind), user=user)
        requester = Requester(address="", agent=AGENT, locale=settings.LANGUAGE_CODE)
        account = invite(invitation, requester=requester, now=timezone.now())
        codes = OneTimeCode.objects.open().of(account.recipient, purpose=CodePurpose.REGISTRATION)
        until = codes.values_list("expires_at", flat=True).first()
        row = _row(Account.objects.filter(pk=account.pk).values(*COLUMNS).get())
        self._say(
            {**row, "code_expires_at": until and until.isoformat()},
            f"{account.pk}  {account.email}  invited to {place.name} as {account.kind}; "
            f"the registration code is mailed, and good until {until:%Y-%m-%d %H:%M} UTC.",
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
            self._say(ids, "\n".join(f"{name}: {', '.join(each)}" for name, each in ids.items()))
            return
        if given.turn is None:
            self._say_json(new_rings(now=timezone.now()))
            return
        key_rings()  # what does not parse is not turned
        configured = ring_texts()
        if not configured:
            msg = "There are no rings to turn: DFNS_LOGIN['KEYS'] is empty, and DEBUG derives them from SECRET_KEY."
            raise CommandError(msg)
        self._say_json(turned_rings(configured, ring=Ring(given.turn), now=timezone.now()))
        if not self.as_json:
            self.stderr.write(TURNING[Ring(given.turn)])

    def reseal(self, _given: argparse.Namespace) -> None:
        current = key_ids()[Ring.AT_REST.value][0]
        done = reencrypt_keys()
        if done.undecryptable:
            msg = (
                f"{done.count} keys are sealed under {current}; {len(done.undecryptable)} cannot be opened, and stay: "
                f"{', '.join(done.undecryptable[:NAMED])}. Put the key back that has left the ring."
            )
            raise CommandError(msg)
        said = f"{done.count} keys are sealed under {current}. The older keys of the at-rest ring may go."
        self._say({"resealed": done.count, "kid": current}, said)

    def purge(self, _given: argparse.Namespace) -> None:
        now = timezone.now()
        counts = {"closed_codes": purge.close_expired_codes(now=now), **purge.purge(now=now)}
        self._say(counts, ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in counts.items()))

    def examine(self, _given: argparse.Namespace) -> None:
        findings = examine(clock=timezone.now)
        ill = [each.name for each in findings if each.level == Level.ERROR]
        if self.as_json:
            self._say_json({"ok": not ill, "findings": [dataclasses.asdict(each) for each in findings]})
        styles = {Level.OK: self.style.SUCCESS, Level.WARNING: self.style.WARNING, Level.ERROR: self.style.ERROR}
        for each in () if self.as_json else findings:
            advice = f" {each.do}" if each.level != Level.OK else ""
            self.stdout.write(f"{styles[each.level](f'{each.level:7}')}  {each.name}: {each.says}{advice}")
        if ill:
            msg = f"Not well: {', '.join(dict.fromkeys(ill))}."
            raise FoundIllError(msg)

    def _say(self, value: object, text: str) -> None:
        if self.as_json:
            self._say_json(value)
        else:
            self.stdout.write(text)

    def _say_json(self, value: object) -> None:
        self.stdout.write(json.dumps(value))


class FoundIllError(CommandError):
    """The doctor has said what is wrong."""


COLUMNS: Final = ("id", "organization_id", "username", "email", "kind", "state", "user_id", "created_at")


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
    """The one that is named, or the only active one."""
    if given is not None:
        if found := Organization.objects.filter(pk=given).first():
            return found
        msg = f"No organization has the id {given}."
        raise CommandError(msg)
    active = list(Organization.objects.filter(active=True).order_by("created_at")[: NAMED + 1])
    if len(active) == 1:
        return active[0]
    if not active:
        msg = "There is no active organization: `manage.py dfns organization create NAME` makes one."
        raise CommandError(msg)
    names = ", ".join(f"{each.pk} ({each.name})" for each in active[:NAMED])
    msg = f"Name one by --organization: {names}{', …' if len(active) > NAMED else ''}."
    raise CommandError(msg)


def _user(given: str) -> AbstractBaseUser:
    """The user of this primary key or this username. Never a guess: whom the account is linked to, it signs in as."""
    model: Any = get_user_model()
    found: dict[Any, AbstractBaseUser] = {}
    for name in ("pk", model.USERNAME_FIELD):
        try:
            found |= {user.pk: user for user in model._default_manager.filter(**{name: given})}
        except (ValueError, ValidationError, OverflowError):
            continue  # no key looks like that
    if len(found) != 1:
        msg = f"{'Several users have' if found else 'No user has'} the key or username {given}."
        raise CommandError(msg)
    return next(iter(found.values()))


def _text(error: Exception) -> str:
    if isinstance(error, Refusal):
        details = [f"{field}: {' '.join(texts)}" for field, texts in (error.details or {}).items()]
        return " ".join(details or [error.message])
    if isinstance(error, DatabaseError):
        return f"The database refuses: {type(error).__name__}. `manage.py dfns doctor` looks at it."
    return str(error)
