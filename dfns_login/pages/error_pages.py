"""Error pages in the look and language of the other pages. They read no database, session or user.

The template is `dfns_login/error.html`, which a project may override.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import get_script_prefix
from django.utils import translation
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.http import escape_leading_slashes
from django.utils.translation import gettext_lazy as _

from dfns_login.browsers import sign_in_again
from dfns_login.errors import retry_seconds
from dfns_login.pages.headers import HEADERS, content_security_policy
from dfns_login.settings import login_settings

logger = logging.getLogger("dfns_login.pages")

PLAIN: Final = '<!doctype html><html lang="en"><meta charset="utf-8"><title>{0}</title><h1>{0}</h1><p>{1}</p></html>\n'
"""The page if the template can't be rendered, as with a mistake in one that a project overrides."""
PLAIN_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """What an error page says.

    try_again: whether the same address may work in a moment. sign_in: whether to link the sign-in page.
    """

    name: str
    status: int
    title: str | Promise
    text: str | Promise
    try_again: bool = False
    sign_in: bool = False


ERROR_PAGES: Final[Mapping[str, ErrorPage]] = {
    each.name: each
    for each in (
        ErrorPage(
            name="bad_request",
            status=400,
            title=_("There is a problem with this request"),
            text=_("Go back, reload the page and try again."),
        ),
        ErrorPage(
            name="permission_denied",
            status=403,
            title=_("You don't have access to this page"),
            text=_("You may need to sign in with another account."),
            sign_in=True,
        ),
        ErrorPage(
            name="csrf_failure",
            status=403,
            title=_("We couldn't accept this form"),
            text=_(
                "Nothing was changed. Go back, reload the page and send the form again. If that doesn't help, allow "
                "cookies for this site."
            ),
        ),
        ErrorPage(
            name="page_not_found",
            status=404,
            title=_("Page not found"),
            text=_("Check the address. The page may have moved."),
        ),
        ErrorPage(
            name="too_many_requests",
            status=429,
            title=_("Too many requests"),
            text=_("Wait a few minutes, then try again."),
            try_again=True,
        ),
        ErrorPage(
            name="server_error",
            status=500,
            title=_("Something went wrong"),
            text=_("The error was on our side and has been logged. Try again in a moment."),
            try_again=True,
        ),
        ErrorPage(
            name="unavailable",
            status=503,
            title=_("We'll be back soon"),
            text=_("This site is being maintained or can't be reached right now. Try again in a few minutes."),
            try_again=True,
        ),
    )
}


def error_page(request: HttpRequest, name: str, *, retry_after: timedelta | None = None) -> HttpResponse:
    """Return the error page of this name. It is never cached."""
    page = ERROR_PAGES[name]
    try:
        with translation.override(_language(request)):
            content = render_to_string("dfns_login/error.html", _context(request, page))  # no request: nothing is read
        policy = content_security_policy()
    except Exception:
        logger.exception("error page could not be rendered")
        with translation.override("en"):
            content, policy = format_html(PLAIN, page.title, page.text), PLAIN_POLICY
    response = HttpResponse(content, status=page.status, headers={**HEADERS, "Content-Security-Policy": policy})
    if retry_after is not None:
        response["Retry-After"] = retry_seconds(retry_after)
    return response


def _language(request: HttpRequest) -> str:
    """Return the language that `LocaleMiddleware` chose, or would have chosen for a request that was refused before.

    Without that middleware, the project's.
    """
    if chosen := getattr(request, "LANGUAGE_CODE", ""):
        return str(chosen)
    if any("LocaleMiddleware" in each for each in settings.MIDDLEWARE):
        return translation.get_language_from_request(request)
    return settings.LANGUAGE_CODE


def _context(request: HttpRequest, page: ErrorPage) -> dict[str, object]:
    """Return the context of an error page.

    again_url: the same address, if another try may work; not for a form, which the browser would have to send again.
    sign_in_url: leads back to the same address. request_id: empty if no log line can have it.
    """
    conf = login_settings()
    address = _own_address(request) if request.method in {"GET", "HEAD"} else ""
    return {
        "page": page,
        "request_id": getattr(request, "dfns_request_id", ""),
        "rp_name": conf.rp_name,
        "support_email": conf.support_email,
        "home_url": get_script_prefix(),
        "sign_in_url": sign_in_again(address) if page.sign_in else "",
        "again_url": address if page.try_again else "",
    }


def _own_address(request: HttpRequest) -> str:
    """Return the request's path and query. A path that begins with `//` would lead to another site."""
    return escape_leading_slashes(request.get_full_path())
