"""Complete a login in a browser: `/login/complete`."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.authentication import check_csrf
from dfns_login.api.login import login_answer
from dfns_login.api.operations import Operation
from dfns_login.api.replies import Reply
from dfns_login.api.shapes import SignedChallengeBody
from dfns_login.api.view import LoginAPIView
from dfns_login.browsers import (
    LONGEST,
    after_sign_in,
    known_device,
    open_browser_session,
    remember_device,
    remember_organization,
)
from dfns_login.ceremonies.login import complete_login
from dfns_login.errors import (
    AccountDeactivated,
    AccountLocked,
    ChallengeRefused,
    CrossSiteRefused,
    NotAuthorized,
    NotFound,
)
from dfns_login.limits import LOGIN_RATES
from dfns_login.usernames import Recipient


class BrowserLoginBody(SignedChallengeBody):
    next = fields.TextField(required=False, allow_blank=True, max_length=LONGEST, default="")


class BrowserLoginReply(Reply):
    next = serializers.CharField(help_text="Where to go: the requested path, if it is on this site.")


class CompleteBrowserLogin(LoginAPIView):
    """`POST /login/complete`: like `POST /auth/login`, but opens a Django session. Requires the CSRF token."""

    rates: ClassVar = LOGIN_RATES
    scope = "login"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not hasattr(self.django_request, "session"):
            raise NotFound("the project has no sessions")
        check_csrf(request)

    @Operation(
        "completeBrowserLogin",
        "Complete a login in a browser",
        description=(
            "Like `login`, for our own pages: the response sets the session cookie and says where to go. "
            "Not part of the Dfns API."
        ),
        body=BrowserLoginBody,
        reply=BrowserLoginReply,
        refusals=(ChallengeRefused, AccountDeactivated, AccountLocked, NotAuthorized, CrossSiteRefused),
    )
    def post(self, request: Request) -> Response:
        body = self.body()
        session = complete_login(
            login_answer(body), requester=self.requester, now=self.now, is_known=self._is_known
        ).session
        open_browser_session(self.django_request, session)
        response = Response({"next": after_sign_in(body["next"])})
        remember_device(self.django_request, response, recipient=session.account.recipient, now=self.now)
        remember_organization(self.django_request, response, session.account.organization_id)
        return response

    def _is_known(self, recipient: Recipient) -> bool:
        return bool(known_device(self.django_request, recipient=recipient, now=self.now))
