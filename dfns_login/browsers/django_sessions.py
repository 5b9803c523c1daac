"""Browser sign-ins: a Django session that stands for a row of `Session`, and ends with it.

The row decides, at every request; the Django session only says which row.
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
"""Where a Django session names the row that it stands for."""
_RESOLVED: Final = "_dfns_login_session"
"""Where a request keeps its row: the middleware and the view ask for the same one."""


def open_browser_session(request: HttpRequest, session: Session) -> None:
    """Sign the session's user in on this browser (`django.contrib.auth.login`), in a Django session of a fresh key.

    What a visitor had in the session before stays in it; its key and the CSRF token do not, and an earlier sign-in on
    this browser ends.
    Raises NotAuthorized if the session was ended meanwhile, or has no user whom one of the project's backends knows.
    Stored: which Django session it is, and the end of an earlier one.
    """
    user = session.account.user
    if user is None:
        msg = "session of an account without a user"
        raise NotAuthorized(msg)
    before, earlier = request.session.session_key, named_session(request)
    login(request, user, backend=_backend_of(user))
    if request.session.session_key == before:
        request.session.cycle_key()  # Django keeps the key of somebody who signs in again
    request.session[SESSION_KEY] = session.pk
    request.session.set_expiry(int((session.expires_at - session.issued_at).total_seconds()))
    request.session.save()
    key = request.session.session_key or ""
    if not Session.objects.bind(session=session, django_session_key=key):
        request.session.flush()
        msg = "session ended while it was opened"
        raise NotAuthorized(msg)
    if earlier is not None:  # nobody could reach it any more, and it would be listed as one of its owner's
        Session.objects.filter(pk=earlier, django_session_key=before).revoke(now=session.issued_at)


def renew_browser_session(request: HttpRequest, session: Session) -> None:
    """Give the browser that has signed in to this session a Django session of a fresh key (ASVS 7.2.4).

    Nothing happens for whoever came with a token. Stored: which Django session it is.
    """
    if named_session(request) == session.pk:
        request.session.cycle_key()
        Session.objects.bind(session=session, django_session_key=request.session.session_key or "")


def resolve_browser_session(request: HttpRequest, *, now: datetime) -> Session | None:
    """The live session that this browser has signed in to; None where it has not, or it has ended.

    Stored: when it was last seen, at most once a minute.
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


def drop_ended_session(request: HttpRequest) -> None:
    """Let go of the browser's Django session if this very request has ended it, as one that recovers the account does.

    With `SESSION_SAVE_EVERY_REQUEST` Django would try to save it, and answer 400 for what was done.
    """
    if settings.SESSION_SAVE_EVERY_REQUEST and named_session(request) is not None:
        key = request.session.session_key
        if key is not None and not request.session.exists(key):
            request.session.flush()


def _backend_of(user: AbstractBaseUser) -> str:
    """The first of the project's backends that will find the user again, as those that only guard passwords do not."""
    for path in settings.AUTHENTICATION_BACKENDS:
        find = getattr(load_backend(path), "get_user", None)
        if find is not None and (len(settings.AUTHENTICATION_BACKENDS) == 1 or find(user.pk) is not None):
            return path
    msg = "no backend of the project knows the user"
    raise NotAuthorized(msg)


def named_session(request: HttpRequest) -> int | None:
    """Id of the row that the browser's Django session stands for, live or not."""
    session = getattr(request, "session", None)
    row = None if session is None else session.get(SESSION_KEY)
    return row if isinstance(row, int) else None
