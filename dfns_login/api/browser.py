"""`/login/complete`: the login ceremony, completed by a browser page. Wire shapes on top, the view below."""

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.authentication import check_csrf
from dfns_login.api.login import login_answer
from dfns_login.api.shapes import SignedChallengeBody
from dfns_login.api.view import LoginAPIView
from dfns_login.browsers import LONGEST, after_sign_in, open_browser_session, remember_device
from dfns_login.ceremonies.login import complete_login
from dfns_login.errors import NotFound
from dfns_login.limits import LOGIN_RATES


class BrowserLoginBody(SignedChallengeBody):
    next = fields.TextField(required=False, allow_blank=True, max_length=LONGEST, default="")


class CompleteBrowserLogin(LoginAPIView):
    """`POST /login/complete`: as `POST /auth/login`, for a Django session instead of a token. Wants the CSRF token."""

    rates: ClassVar = LOGIN_RATES
    scope = "login"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not hasattr(request._request, "session"):  # noqa: SLF001  Django's own
            msg = "the project has no sessions"
            raise NotFound(msg)
        check_csrf(request)

    def post(self, request: Request) -> Response:
        body = self.body(BrowserLoginBody)
        session = complete_login(login_answer(body), requester=self.requester, now=self.now).session
        plain = request._request  # noqa: SLF001  Django's own session and cookies
        open_browser_session(plain, session)
        response = Response({"next": after_sign_in(body["next"])})
        remember_device(plain, response, recipient=session.account.recipient, now=self.now)
        return response
