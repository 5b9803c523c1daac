"""`dfns organization`, `dfns invite`, `dfns accounts`, `dfns unlock`."""

import argparse
from collections.abc import Iterator
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.db.models import Q, QuerySet
from django.utils import timezone

from dfns_login.ceremonies.enrollment import enroll_each, ordinary_users
from dfns_login.ceremonies.invitation import Invitation, create_organization, invite
from dfns_login.ceremonies.lockdown import unlock_account
from dfns_login.ceremonies.operators import Operator
from dfns_login.delivery import page_url
from dfns_login.management.terminal import Parsers, ReportedError, Terminal, add_command, add_group, requester
from dfns_login.models import Account, AccountKind, AccountState, CodePurpose, OneTimeCode, Organization

NAMED: Final = 10
"""The most organizations that one message lists."""
CHUNK: Final = 500
COLUMNS: Final = ("id", "organization_id", "username", "email", "kind", "state", "user_id", "created_at")


def add_commands(parsers: Parsers) -> None:
    actions = add_group(parsers, "organization", "Create organizations.")
    creating = add_command(actions, "create", make_organization, "Create an organization.")
    creating.add_argument("name")
    inviting = add_command(parsers, "invite", invite_person, "Create an account and email its registration code.")
    inviting.add_argument("email")
    inviting.add_argument("--organization", metavar="ID", help="required if there are several")
    inviting.add_argument("--user", metavar="PK_OR_USERNAME", help="link the account to this existing user")
    inviting.add_argument("--kind", choices=AccountKind.values, default=AccountKind.END_USER.value)
    enrolling = add_command(parsers, "enroll", enroll_users, "Invite existing users: all active ones, or those named.")
    enrolling.add_argument("--organization", metavar="ID", help="required if there are several")
    enrolling.add_argument(
        "--user", metavar="PK_OR_USERNAME", action="append", help="only this user; may be repeated, and may be staff"
    )
    listing = add_command(parsers, "accounts", list_accounts, "List accounts.")
    listing.add_argument("--organization", metavar="ID")
    listing.add_argument("--state", choices=AccountState.values)
    unlocking = add_command(parsers, "unlock", unlock, "Unlock an account that its owner locked.")
    unlocking.add_argument("account", metavar="ID")


def make_organization(given: argparse.Namespace, terminal: Terminal) -> None:
    made = create_organization(given.name, requester=requester(), now=timezone.now())
    terminal.print({"id": made.pk, "name": made.name}, f"{made.pk}  {made.name}")


def invite_person(given: argparse.Namespace, terminal: Terminal) -> None:
    organization = find_organization(given.organization)
    user = _user(given.user) if given.user is not None else None
    invitation = Invitation(organization=organization, email=given.email, kind=AccountKind(given.kind), user=user)
    account = invite(invitation, requester=requester(), now=timezone.now())
    codes = OneTimeCode.objects.open().of(account.recipient, purpose=CodePurpose.REGISTRATION)
    code = codes.order_by("pk").first()
    until = code.expires_at if code else None
    if code and code.sent_at:
        sent = f"was emailed at {code.sent_at:%Y-%m-%d %H:%M} UTC"
        sent += " and waits to be emailed again" if code.is_requested_again else ""
    else:
        sent = "waits to be emailed"
    url = page_url("register", account=account)
    row = _row(Account.objects.filter(pk=account.pk).values(*COLUMNS).get())
    terminal.print(
        {**row, "code_expires_at": until and until.isoformat(), "code_email": code and code.delivery, "url": url},
        f"{account.pk}  {account.email}  invited to {organization.name} as {account.kind}; "
        f"the registration code {sent}"
        + (f" and expires at {until:%Y-%m-%d %H:%M} UTC." if until else ".")
        + (f"\n{url}" if url else ""),
    )


def enroll_users(given: argparse.Namespace, terminal: Terminal) -> None:
    """Invite each user who has no account. Staff and superusers can act for others, so they have to be named."""
    organization = find_organization(given.organization)
    users = [_user(each) for each in given.user] if given.user else ordinary_users(organization)
    done = enroll_each(users, organization=organization, requester=requester(), now=timezone.now())
    failed = 0

    def rows() -> Iterator[tuple[object, str]]:
        nonlocal failed
        for each in done:
            name, account = each.user.get_username(), each.account
            failed += account is None
            row = {
                "user": str(each.user.pk),
                "account": account and account.pk,
                "invited": each.invited,
                "problem": each.problem,
            }
            state = account and (account.state if each.invited else f"already {account.state}, no email sent")
            yield row, f"{account.pk}  {state}  {name}" if account else f"not invited  {name}: {each.problem}"

    nobody = "Nobody to enroll: each active user has an account, or is staff or a superuser."
    terminal.print_each(rows(), if_none=nobody)
    if failed:
        raise ReportedError(f"{failed} {'user was' if failed == 1 else 'users were'} not invited.")


def list_accounts(given: argparse.Namespace, terminal: Terminal) -> None:
    accounts = Account.objects.all()
    if given.organization is not None:
        accounts = accounts.filter(organization=find_organization(given.organization))
    if given.state:
        accounts = accounts.filter(state=given.state)
    shown = ("id", "organization", "state", "kind", "username")
    rows = map(_row, _in_pages(accounts))
    terminal.print_each(((row, "  ".join(row[name] for name in shown)) for row in rows), if_none="No accounts.")


def unlock(given: argparse.Namespace, terminal: Terminal) -> None:
    account = Account.objects.filter(pk=given.account).first()
    if account is None:
        raise CommandError(f"There is no account with the id {given.account}.")
    if not unlock_account(account, operator=Operator(requester=requester()), now=timezone.now()):
        raise CommandError(f"{account.pk} is not locked.")
    terminal.print({"id": account.pk, "locked": False}, f"{account.pk} is unlocked.")


def find_organization(given: str | None) -> Organization:
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


def _in_pages(accounts: QuerySet[Account]) -> Iterator[dict[str, Any]]:
    """Yield the columns of each account, by organization and username.

    A cursor on the server would need the same connection for every page. A pooler such as PgBouncer does not give that.
    """
    columns = accounts.order_by("organization_id", "username").values(*COLUMNS)
    rows = columns
    while page := list(rows[:CHUNK]):
        yield from page
        organization, username = page[-1]["organization_id"], page[-1]["username"]
        rows = columns.filter(
            Q(organization_id__gt=organization) | Q(organization_id=organization, username__gt=username)
        )


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
