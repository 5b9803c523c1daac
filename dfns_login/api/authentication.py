"""Bearer tokens at the edge, for our views and for any view of the project."""

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
from dfns_login.errors import CrossSiteRefused, TokenRefused
from dfns_login.models import Session
from dfns_login.proofs import resolve_session

CSRF_HEADER: Final = "HTTP_X_CSRFTOKEN"
"""The header in which the pages' scripts send the CSRF token."""


class SessionTokenAuthentication(BaseAuthentication):
    """Resolves `Authorization: Bearer <login token>` to the project's user; `request.auth` is the `Session`.

    The session's row is read at every request: after a logout, a deactivation
    or a recovery the token is dead at once. A request without a bearer token is
    left to the next authentication class.
    """

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Session] | None:
        token = bearer_token(request)
        if token is None:
            return None
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
    """Resolves the Django session that our sign-in page opened; `request.auth` is the `Session`.

    The row is read at every request, as with a token. Unsafe methods have to bring the
    CSRF token in `X-CSRFToken`. A request whose Django session is not of our making is left to the next class.
    """

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Session] | None:
        session = resolve_browser_session(django_request(request), now=timezone.now())
        if session is None or session.account.user is None:
            return None
        try:
            check_csrf(request)
        except CrossSiteRefused as refusal:
            raise api_exception(refusal, view=request.parser_context["view"]) from refusal
        return session.account.user, session


def check_csrf(request: Request) -> None:
    """Raise CrossSiteRefused unless the request comes from a page of ours, as Django's own middleware sees it.

    The token is looked for in the header alone: `X-CSRFToken`, or what `CSRF_HEADER_NAME` calls it in the project.
    The middleware itself leaves REST framework's views alone: whoever brings a bearer token needs no such proof.
    """
    plain = copy(django_request(request))
    plain.POST = QueryDict()  # or the check would read a form's body, before anybody has looked at its size or type
    if CSRF_HEADER in plain.META:
        plain.META = {settings.CSRF_HEADER_NAME: plain.META[CSRF_HEADER], **plain.META}
    check = CSRFCheck(lambda _: HttpResponse())
    check.process_request(plain)
    reason = check.process_view(plain, lambda _: HttpResponse(), (), {})
    if reason is not None:
        raise CrossSiteRefused(str(reason))


class HasSession(BasePermission):
    """Lets in whoever came with the token of a live session."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, Session)


def bearer_token(request: Request) -> str | None:
    """Credentials of the `Bearer` scheme (RFC 6750 §2.1), or None where the request has none."""
    scheme, _, token = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def django_request(request: Request) -> HttpRequest:
    """Return the request that REST framework's wraps, with Django's own session, cookies and stream."""
    return request._request  # noqa: SLF001  REST framework has no public name for it
