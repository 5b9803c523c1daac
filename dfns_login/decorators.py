"""Decorators for the project's own views."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.http import urlencode

from dfns_login.accounts import session_of
from dfns_login.api.envelope import envelope
from dfns_login.audit import log_refusal
from dfns_login.errors import SignInTooOld
from dfns_login.requester import Requester

Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[HttpRequest, Arguments], HttpResponseBase]


def recently_signed_in(*, within: timedelta) -> Callable[[View[Arguments]], View[Arguments]]:
    """Decorate a view so that it runs only for somebody who signed in within this time.

    Others are redirected to the sign-in page, which leads back. A request that does not accept HTML, or sends a bearer
    token, gets 403 `sign_in_again` in the error envelope. Use `method_decorator` for classes and REST framework views.
    """

    def decorate(view: View[Arguments]) -> View[Arguments]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponseBase:
            session = session_of(request)
            if session is not None and timezone.now() - session.issued_at <= within:
                return view(request, *args, **kwargs)
            page = _sign_in_page()
            if page and "Authorization" not in request.headers and request.accepts("text/html"):
                return HttpResponseRedirect(f"{page}?{urlencode({'next': request.get_full_path(), 'again': '1'})}")
            refusal = SignInTooOld("signed in too long ago" if session else "not signed in")
            log_refusal(refusal, where=guarded.__qualname__, requester=Requester.of(request))
            return JsonResponse(envelope(refusal), status=refusal.status, headers={"Cache-Control": "no-store"})

        return guarded

    return decorate


def _sign_in_page() -> str:
    """Return the path of the sign-in page; empty if the project serves the API only."""
    try:
        return reverse("dfns_login:sign-in")
    except NoReverseMatch:
        return ""
