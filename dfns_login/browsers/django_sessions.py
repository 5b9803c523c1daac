"""Browser sign-ins: a Django session that refers to a `Session` row.

The row is read on every request and decides whether the browser is signed in.
"""

from datetime import datetime
from typing import Final

from django.conf import settings
from django.contrib.auth import load_backend, login
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q
from django.http import HttpRequest

from dfns_login.errors import NotAuthorized
from dfns_login.models import Session
from dfns_login.proofs import find_live_session

SESSION_KEY: Final = "dfns_login.session"
"""Key in the Django session that holds the primary key of the `Session` row."""
_RESOLVED: Final = "_dfns_login_session"
"""Attribute that caches the row on the request, for the middleware and the view."""


def open_browser_session(request: HttpRequest, session: Session) -> None:
    """Sign the session's user in on this browser with `django.contrib.auth.login`.

    The Django session keeps its data but gets a new key and a new CSRF token. An earlier sign-in on this browser ends.
    Stores the Django session key in the row, and revokes the row of the earlier sign-in.

    Raises: NotAuthorized, if the session has been revoked, or none of the project's backends finds its user.
    """
    user = session.account.user
    if user is None:
        raise NotAuthorized("the session's account has no user")
    before, earlier = request.session.session_key, named_session(request)
    login(request, user, backend=_backend_of(user))
    if request.session.session_key == before:
        request.session.cycle_key()  # Django keeps the key if the same user signs in again
    request.session[SESSION_KEY] = session.pk
    request.session.set_expiry(int((session.expires_at - session.issued_at).total_seconds()))
    request.session.save()
    key = request.session.session_key or ""
    if not Session.objects.bind(session=session, django_session_key=key):
        request.session.flush()
        raise NotAuthorized("session revoked before it was opened")
    if earlier is not None:  # otherwise the unreachable session would stay in the owner's list
        Session.objects.filter(pk=earlier, django_session_key=before).revoke(now=session.issued_at)


def renew_browser_session(request: HttpRequest, session: Session) -> None:
    """Change the Django session key of a browser that is signed in to this session (ASVS 7.2.4).

    Does nothing for requests that use a token. Stores the new key in the row.
    """
    if named_session(request) == session.pk:
        request.session.cycle_key()
        Session.objects.bind(session=session, django_session_key=request.session.session_key or "")


def resolve_browser_session(request: HttpRequest, *, now: datetime) -> Session | None:
    """Return the live session that this browser is signed in to, or None.

    Stores when the session was last used, at most once a minute.
    """
    row = named_session(request)
    user = getattr(request, "user", None)
    if row is None or not isinstance(user, AbstractBaseUser):
        return None
    mine = (row, request.session.session_key, user.pk)
    known: tuple[object, Session | None] = getattr(request, _RESOLVED, (None, None))
    if known[0] == mine:
        return known[1]
    found = find_live_session(Q(pk=row, django_session_key=mine[1], account__user=user.pk), now=now)
    setattr(request, _RESOLVED, (mine, found))
    return found


def forget_browser_session(request: HttpRequest) -> None:
    """Have `resolve_browser_session` read the row again, because the request has waited since."""
    if hasattr(request, _RESOLVED):
        delattr(request, _RESOLVED)


def drop_ended_session(request: HttpRequest) -> None:
    """Flush the browser's Django session if this request deleted it, as account recovery does.

    With `SESSION_SAVE_EVERY_REQUEST`, Django would otherwise try to save it and answer 400 to a request that succeeded.
    """
    if settings.SESSION_SAVE_EVERY_REQUEST and named_session(request) is not None:
        key = request.session.session_key
        if key is not None and not request.session.exists(key):
            request.session.flush()


def _backend_of(user: AbstractBaseUser) -> str:
    """Return the first authentication backend that can load the user; some only check passwords."""
    for path in settings.AUTHENTICATION_BACKENDS:
        find = getattr(load_backend(path), "get_user", None)
        if find is not None and (len(settings.AUTHENTICATION_BACKENDS) == 1 or find(user.pk) is not None):
            return path
    raise NotAuthorized("no authentication backend finds the user")


def named_session(request: HttpRequest) -> int | None:
    """Return the primary key of the row that the Django session refers to, whether or not the row is live."""
    session = getattr(request, "session", None)
    row = None if session is None else session.get(SESSION_KEY)
    return row if isinstance(row, int) else None
