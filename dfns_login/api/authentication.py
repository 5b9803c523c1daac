"""Authentication by bearer token or browser session, for our views and the project's."""

from copy import copy
from typing import Final

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from dfns_login.api.envelope import api_exception
from dfns_login.audit import log_refusal
from dfns_login.browsers import resolve_browser_session
from dfns_login.early_bodies import read_body_early
from dfns_login.errors import BodyRefused, CrossSiteRefused, TokenRefused
from dfns_login.models import Session
from dfns_login.proofs import resolve_session

CSRF_HEADER: Final = "HTTP_X_CSRFTOKEN"
"""The header in which the pages send the CSRF token."""


class SessionTokenAuthentication(BaseAuthentication):
    """Authenticate by `Authorization: Bearer <login token>`. `request.auth` is the `Session`.

    Each request reads the session's row, once its body has arrived (R-123), so a token is invalid as soon as its
    session ends. Without a bearer token, the next authentication class is tried.
    """

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Session] | None:
        token = bearer_token(request)
        if token is None:
            return None
        _read_body(request)
        try:
            session = resolve_session(token, now=timezone.now())
        except TokenRefused as refusal:
            log_refusal(refusal, where=type(self).__name__, requester=None)
            raise AuthenticationFailed(refusal.message) from refusal
        user: AbstractBaseUser | None = session.account.user
        if user is None:
            raise AuthenticationFailed(TokenRefused.message)
        return user, session

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class BrowserSessionAuthentication(BaseAuthentication):
    """Authenticate by the Django session that our sign-in page opened. `request.auth` is the `Session`.

    Each request reads the session's row, as with a token. Unsafe methods require the CSRF token in `X-CSRFToken`. If
    something else opened the Django session, the next authentication class is tried.
    """

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Session] | None:
        _read_body(request)
        session = resolve_browser_session(django_request(request), now=timezone.now())
        if session is None or session.account.user is None:
            return None
        try:
            check_csrf(request)
        except CrossSiteRefused as refusal:
            raise api_exception(refusal, view=_view(request)) from refusal
        return session.account.user, session


class SignedInBrowser(BaseAuthentication):
    """Tell which session the browser is signed in to, for a view that anybody may call. It is `request.auth`, or None.

    Without the CSRF token, the browser counts as signed out.
    """

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Session] | None:
        _read_body(request)
        session = resolve_browser_session(django_request(request), now=timezone.now())
        if session is None or session.account.user is None:
            return None
        try:
            check_csrf(request)
        except CrossSiteRefused:
            return None
        return session.account.user, session


def _read_body(request: Request) -> None:
    """Read the body before the session, for views of the project. Raises: BodyRefused, if it is incomplete."""
    view = _view(request)
    if not getattr(view, "reads_body", False) and not read_body_early(django_request(request)):
        raise api_exception(BodyRefused("incomplete body"), view=view)


def _view(request: Request) -> APIView | None:
    """Return the view that authenticates the request; None if other code does, such as a middleware."""
    view: APIView | None = request.parser_context.get("view")
    return view


def check_csrf(request: Request) -> None:
    """Check the CSRF token as Django's middleware does, which exempts REST framework's views.

    The token must be in a header: `X-CSRFToken`, or the project's `CSRF_HEADER_NAME`.
    Raises: CrossSiteRefused.
    """
    plain = copy(django_request(request))
    plain.POST = QueryDict()  # the check must not read the body, whose size and type are not checked yet
    if CSRF_HEADER in plain.META:
        plain.META = {settings.CSRF_HEADER_NAME: plain.META[CSRF_HEADER], **plain.META}
    check = CSRFCheck(lambda _: HttpResponse())
    check.process_request(plain)
    reason = check.process_view(plain, lambda _: HttpResponse(), (), {})
    if reason is not None:
        raise CrossSiteRefused(str(reason))


class HasSession(BasePermission):
    """Allow requests that authenticated with a session."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, Session)


def bearer_token(request: Request) -> str | None:
    """Return the token of the `Authorization: Bearer` header, or None (RFC 6750 §2.1)."""
    scheme, _, token = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def django_request(request: Request) -> HttpRequest:
    """Return the Django request that REST framework's request wraps."""
    return request._request  # noqa: SLF001  REST framework has no public name for it
