"""Decorators for the project's own views."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils import timezone

from dfns_login.accounts import session_of
from dfns_login.api.envelope import plain_error_response
from dfns_login.audit import log_refusal
from dfns_login.browsers import sign_in_again
from dfns_login.errors import SignInTooOld
from dfns_login.requester import Requester

Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[HttpRequest, Arguments], HttpResponseBase]


def recently_signed_in(*, within: timedelta) -> Callable[[View[Arguments]], View[Arguments]]:
    """Decorate a view so that it runs only for somebody who signed in within this time.

    Others are redirected to the sign-in page, and then back to the view. A request that does not accept HTML, or sends
    a bearer token, gets 403 `sign_in_again` in the error envelope. Use `method_decorator` for classes and REST
    framework views.
    """

    def decorate(view: View[Arguments]) -> View[Arguments]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponseBase:
            session = session_of(request)
            if session is not None and timezone.now() - session.issued_at <= within:
                return view(request, *args, **kwargs)
            page = sign_in_again(request.get_full_path())
            if page and "Authorization" not in request.headers and request.accepts("text/html"):
                return HttpResponseRedirect(page)
            refusal = SignInTooOld("signed in too long ago" if session else "not signed in")
            log_refusal(refusal, where=guarded.__qualname__, requester=Requester.of(request))
            return plain_error_response(refusal)

        return guarded

    return decorate
