"""Why a browser is no longer signed in, for the sign-in page to say (R-170).

`BrowserSessionMiddleware` keeps a cookie that names the browser's newest session, and whether it was ended by this
browser. The rest is read from the session's row, so a link can't choose what the page says.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qs, urlsplit

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect

from dfns_login.browsers.cookies import cookie_name, delete_cookie, set_cookie, set_signed_cookie, signed_cookie
from dfns_login.browsers.destinations import sign_in_path
from dfns_login.browsers.django_sessions import named_session
from dfns_login.models import Session
from dfns_login.settings import login_settings

_SESSION: Final = "session"
_UNSAVED: Final = "unsaved"
_HERE: Final = ".here"
_LASTING: Final = timedelta(minutes=5)
"""How long the sign-in page can say what this browser itself did."""


class Ended(StrEnum):
    """Why a session is over. EXPIRED: or it was idle. ELSEWHERE: by another device, an operator or a new password."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    EXPIRED = "expired"


def note_session(request: HttpRequest, response: HttpResponseBase, *, before: int | None) -> None:
    """Set the cookies: which session this browser has now, or ended, and whether a form was turned away.

    before: primary key of the session that the browser had when the request came.
    """
    session = getattr(request, "session", None)
    if session is not None and session.modified:
        row = named_session(request)
        if row is None and before is not None:
            set_signed_cookie(response, _SESSION, f"{before}{_HERE}", lasting=_LASTING)
        elif row is not None and row != before:
            set_signed_cookie(response, _SESSION, str(row), lasting=login_settings().token_lifetime * 2)
    if request.method not in {"GET", "HEAD", "OPTIONS"} and not _is_own_form(request) and _turns_away(response):
        set_cookie(response, _UNSAVED, "1", lasting=_LASTING, samesite="Lax")


def why_ended(request: HttpRequest, *, now: datetime) -> Ended | None:
    """Return why this browser's newest session is over; None if it isn't, or nothing is known."""
    number, here, _ = signed_cookie(request, _SESSION).partition(_HERE)
    if here:
        return Ended.HERE
    if not number:
        return None
    idle = login_settings().token_idle
    is_live = Exists(Session.objects.live(now=now, idle=idle).filter(pk=OuterRef("pk")))
    times = ("revoked_at", "expires_at", "last_seen_at")
    row = Session.objects.filter(pk=int(number)).values(*times, is_live=is_live).first()
    if row is None or row["is_live"]:
        return None
    expired_at = min(row["expires_at"], row["last_seen_at"] + idle)
    return Ended.EXPIRED if (row["revoked_at"] or now) >= expired_at else Ended.ELSEWHERE


def was_turned_away(request: HttpRequest) -> bool:
    """Whether a form of this browser was answered with a redirect to the sign-in page, so it was not accepted."""
    return bool(request.COOKIES.get(cookie_name(_UNSAVED)))


def forget_ended(request: HttpRequest, response: HttpResponseBase) -> None:
    """Delete the cookies, because the page has shown the reason. A cookie that names a live session stays."""
    delete_cookie(request, response, _UNSAVED)
    if named_session(request) is None:
        delete_cookie(request, response, _SESSION)


def _is_own_form(request: HttpRequest) -> bool:
    """Whether the form is one of our pages', such as that of the language, which leads back to the sign-in page."""
    match = request.resolver_match
    return match is not None and "dfns_login" in match.app_names


def _turns_away(response: HttpResponseBase) -> bool:
    """Whether the response redirects to the sign-in page, which leads back."""
    path = sign_in_path()
    if not path or not isinstance(response, HttpResponseRedirect):
        return False
    target = urlsplit(response.url)
    return target.path == path and "next" in parse_qs(target.query)
