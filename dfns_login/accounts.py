"""Invite people, enroll users, and find the session and organization of a request.

    from dfns_login.accounts import enroll, invite, session_of

Functions that act return an `Account`. They raise `dfns_login.errors.Refusal`, whose `details` say why.
"""

from collections.abc import Iterable, Iterator

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone

from dfns_login import organizations
from dfns_login.browsers import resolve_browser_session
from dfns_login.ceremonies import enrollment, invitation
from dfns_login.ceremonies.enrollment import Enrollment
from dfns_login.early_bodies import read_body_early
from dfns_login.errors import BodyRefused, Refusal, TokenRefused, UserExists
from dfns_login.models import Account, AccountKind, Organization, Session
from dfns_login.organizations import organization_of
from dfns_login.proofs import resolve_session
from dfns_login.requester import Requester

__all__ = [
    "AccountKind",
    "BodyRefused",
    "Enrollment",
    "Refusal",
    "UserExists",
    "create_organization",
    "enroll",
    "enroll_each",
    "invite",
    "organization_of",
    "session_of",
]


def create_organization(name: str) -> Organization:
    """Create an organization. Raises: BodyRefused, if the name is empty, too long or not printable."""
    return invitation.create_organization(name, requester=_program(), now=timezone.now())


def invite(
    email: str,
    *,
    organization: Organization | None = None,
    user: AbstractBaseUser | None = None,
    kind: AccountKind = AccountKind.END_USER,
) -> Account:
    """Invite somebody. The registration code is emailed after the commit.

    Somebody who is already invited gets the code again. organization: by default, that of the setting
    `ORGANIZATION`, or else the only one.
    user: an existing user to link the account to. The person who registers can act as this user.
    Raises: BodyRefused, if the address, organization or user is not valid; UserExists, if the account is registered or
    deactivated.
    """
    asked = invitation.Invitation(organization=organization or _only(), email=email, kind=kind, user=user)
    return invitation.invite(asked, requester=_program(), now=timezone.now())


def enroll(
    user: AbstractBaseUser, *, organization: Organization | None = None, kind: AccountKind = AccountKind.END_USER
) -> Account:
    """Invite an existing user at the user's own email address, or return the account that the user already has.

    Raises: like `invite`.
    """
    return enrollment.enroll(
        user, organization=organization or _only(), kind=kind, requester=_program(), now=timezone.now()
    )


def enroll_each(users: Iterable[AbstractBaseUser], *, organization: Organization | None = None) -> Iterator[Enrollment]:
    """Enroll users one by one, and yield each outcome. A user who cannot be invited does not stop the others."""
    return enrollment.enroll_each(users, organization=organization or _only(), requester=_program(), now=timezone.now())


def session_of(request: HttpRequest) -> Session | None:
    """Return the live session of the request: that of its bearer token, or else of its browser.

    Works with requests of Django and REST framework. None if the token belongs to somebody other than the
    `request.user` for whom the view acts, or if the request has other credentials in `Authorization`. Reads the body,
    if it fits into memory, and then the session's row. Stores when it was last used, at most once a minute.
    """
    # REST framework's request knows who was authenticated, and wraps Django's
    authenticated = getattr(request, "auth", None)
    if isinstance(authenticated, Session):
        return authenticated
    request = getattr(request, "_request", request)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme and scheme.lower() != "bearer":
        return None  # REST framework may authenticate another user with it than the browser's
    if not read_body_early(request):
        return None
    if not scheme:
        return resolve_browser_session(request, now=timezone.now())
    try:
        session = resolve_session(token.strip(), now=timezone.now())
    except TokenRefused:
        return None
    user = getattr(request, "user", None)
    return session if user is None or user.is_anonymous or user.pk == session.account.user_id else None


def _only() -> Organization:
    """Return the organization of the settings, or the only active one. Raises: BodyRefused, if there is none."""
    found = organizations.default_organization()
    if found is None:
        problem = "Name the organization: there are several active ones, or none."
        raise BodyRefused("organization not named", details={"organization": [problem]})
    return found


def _program() -> Requester:
    """Return the requester of what the project's own code does."""
    return Requester(address="", agent="dfns_login.accounts")
