"""Operator actions on accounts through the API, within the operator's organization and Django permissions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from django.db.models import OuterRef, QuerySet, Subquery

from dfns_login.ceremonies.invitation import Invitation, invite
from dfns_login.ceremonies.operators import Operator, deactivate_account, delete_account, reactivate_account
from dfns_login.errors import NotFound, NotPermitted
from dfns_login.models import Account, AccountKind, Credential, Session
from dfns_login.requester import Requester

PAGE: Final = 100
"""The most accounts that one page lists."""


class Operation(Enum):
    """An operation: its name on the wire, and the Django permission that it requires."""

    CREATE = ("Auth:Users:Create", "dfns_login.add_account")
    READ = ("Auth:Users:Read", "dfns_login.view_account")
    ACTIVATE = ("Auth:Users:Activate", "dfns_login.change_account")
    DEACTIVATE = ("Auth:Users:Deactivate", "dfns_login.change_account")
    DELETE = ("Auth:Users:Delete", "dfns_login.delete_account")
    READ_EVENTS = ("Auth:Events:Read", "dfns_login.view_auditevent")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage:
    """Some of an organization's accounts, ordered by id. next_id: the last id here; empty on the last page."""

    accounts: Sequence[Account]
    next_id: str = ""


def permit(session: Session, operation: Operation) -> None:
    """Check that the session's user may perform the operation. Raises: NotPermitted."""
    name, permission = operation.value
    account = session.account
    if account.user is None or not account.user.has_perm(permission):
        raise NotPermitted.to(name, who=f"{account.kind} {account.pk}")


def create_user(session: Session, *, email: str, kind: AccountKind, requester: Requester, now: datetime) -> Account:
    """Invite somebody into the operator's organization.

    Raises: NotPermitted, BodyRefused, UserExists. Stored: as `invite` does.
    Source: Dfns API, Create User.
    """
    permit(session, Operation.CREATE)
    invitation = Invitation(
        organization=session.account.organization, email=email, kind=kind, operator=session.account.pk
    )
    return _find(session, invite(invitation, requester=requester, now=now).pk)


def list_users(session: Session, *, after: str, limit: int, kind: AccountKind | None) -> AccountPage:
    """Return one page of the organization's accounts. Raises: NotPermitted. Source: Dfns API, List Users."""
    permit(session, Operation.READ)
    accounts = _accounts(session).filter(pk__gt=after).order_by("pk")
    if kind is not None:
        accounts = accounts.filter(kind=kind)
    size = min(limit, PAGE)
    found = list(accounts[: size + 1])
    return AccountPage(accounts=found[:size], next_id=found[size - 1].pk if len(found) > size else "")


def get_user(session: Session, account_id: str) -> Account:
    """Return an account of the organization. Raises: NotPermitted, NotFound. Source: Dfns API, Get User."""
    permit(session, Operation.READ)
    return _find(session, account_id)


def activate_user(session: Session, account_id: str, *, requester: Requester, now: datetime) -> Account:
    """Reactivate an account. Reactivating an active one does nothing. Source: Dfns API, Activate User."""
    permit(session, Operation.ACTIVATE)
    account = _find(session, account_id)
    reactivate_account(account, operator=_operator(session, requester), now=now)
    return _find(session, account_id)


def deactivate_user(session: Session, account_id: str, *, requester: Requester, now: datetime) -> Account:
    """Deactivate an account. Deactivating a deactivated one does nothing. Source: Dfns API, Deactivate User."""
    permit(session, Operation.DEACTIVATE)
    account = _find(session, account_id)
    deactivate_account(account, operator=_operator(session, requester), now=now)
    return _find(session, account_id)


def delete_user(session: Session, account_id: str, *, requester: Requester, now: datetime) -> Account:
    """Delete an account with its credentials and sessions. Its events stay. Source: Dfns API, Archive User."""
    permit(session, Operation.DELETE)
    account = _find(session, account_id)
    delete_account(account, operator=_operator(session, requester), now=now)
    return account


def _accounts(session: Session) -> QuerySet[Account]:
    """Return the organization's accounts, each with the id of its first credential."""
    first = Credential.objects.filter(account=OuterRef("pk")).order_by("created_at", "pk").values("pk")[:1]
    return Account.objects.filter(organization=session.account.organization_id).annotate(
        first_credential=Subquery(first)
    )


def _find(session: Session, account_id: str) -> Account:
    account = _accounts(session).filter(pk=account_id).first()
    if account is None:
        raise NotFound("no such account in the organization")
    return account


def _operator(session: Session, requester: Requester) -> Operator:
    return Operator(requester=requester, name=session.account.pk)
