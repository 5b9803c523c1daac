"""Inviting users that the project already has. Each account is linked to its user from the start."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from dfns_login.ceremonies.invitation import Invitation, invite
from dfns_login.errors import BodyRefused, Refusal
from dfns_login.models import Account, AccountKind, Organization
from dfns_login.project_users import email_of
from dfns_login.requester import Requester

ORDINARY: Final = {"is_active": True, "is_staff": False, "is_superuser": False}
"""Fields of an ordinary user. A user model may lack some."""
CHUNK: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrollment:
    """What became of one user.

    account: the invited account, or the one that the user had. invited: false if nothing was emailed now.
    problem: why there is no account, for operators.
    """

    user: AbstractBaseUser = field(repr=False)
    account: Account | None = None
    invited: bool = False
    problem: str = ""


def enroll(
    user: AbstractBaseUser,
    *,
    organization: Organization,
    kind: AccountKind = AccountKind.END_USER,
    requester: Requester,
    now: datetime,
) -> Account:
    """Invite a user at the user's own email address, or return the account that the user has in the organization.

    Raises: like `invite`; BodyRefused also if the user has no email address.
    Stored: as `invite` does, for a user without an account.
    """
    return _account_of(user, organization=organization) or _invite(
        user, organization=organization, kind=kind, requester=requester, now=now
    )


def enroll_each(
    users: Iterable[AbstractBaseUser], *, organization: Organization, requester: Requester, now: datetime
) -> Iterator[Enrollment]:
    """Enroll users one by one. A user who cannot be invited does not stop the others."""
    for user in users:
        existing = _account_of(user, organization=organization)
        if existing is not None:
            yield Enrollment(user=user, account=existing)
            continue
        try:
            account = _invite(user, organization=organization, requester=requester, now=now)
        except Refusal as refusal:
            yield Enrollment(user=user, problem=refusal.explanation)
        else:
            yield Enrollment(user=user, account=account, invited=True)


def _invite(
    user: AbstractBaseUser,
    *,
    organization: Organization,
    kind: AccountKind = AccountKind.END_USER,
    requester: Requester,
    now: datetime,
) -> Account:
    email = email_of(user)
    if not email:
        raise BodyRefused("user without an email address", details={"user": ["The user has no email address."]})
    invitation = Invitation(organization=organization, email=email, kind=kind, user=user)
    return invite(invitation, requester=requester, now=now)


def _account_of(user: AbstractBaseUser, *, organization: Organization) -> Account | None:
    return Account.objects.filter(organization=organization, user=user.pk).first()


def ordinary_users(organization: Organization) -> Iterator[AbstractBaseUser]:
    """Yield the active users who are neither staff nor superusers and have no account in the organization."""
    model: Any = get_user_model()
    enrolled = Account.objects.filter(organization=organization, user__isnull=False).values("user")
    names = {each.name for each in model._meta.get_fields()}
    wanted = {name: value for name, value in ORDINARY.items() if name in names}
    users = model._default_manager.filter(**wanted).exclude(pk__in=enrolled).order_by("pk")
    chunk = list(users[:CHUNK])
    while chunk:  # not one cursor, which a transaction of the caller's or a pooler would close
        yield from chunk
        chunk = list(users.filter(pk__gt=chunk[-1].pk)[:CHUNK])
