"""`/auth/login…`, `/auth/logout`: wire shapes on top, views below."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth import logout
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.shapes import SignedChallengeBody, factor_answer, second_factor_answer, signing_challenge_reply
from dfns_login.api.view import SUCCESS, AuthenticatedAPIView, LoginAPIView
from dfns_login.browsers import named_session
from dfns_login.ceremonies.code_requests import send_code
from dfns_login.ceremonies.login import (
    LoginAnswer,
    LoginRequest,
    complete_login,
    open_login,
)
from dfns_login.ceremonies.sign_out import end_every_session, end_session
from dfns_login.limits import CODE_RATES, INIT_RATES, LOGIN_RATES
from dfns_login.models import CodePurpose


class LoginCodeBody(fields.Body):
    username = fields.UsernameField()
    orgId = fields.OrganizationIdField()


class LoginChallengeBody(fields.Body):
    username = fields.UsernameField(required=False)
    orgId = fields.OrganizationIdField()
    loginCode = fields.TextField(required=False, max_length=fields.CODE_MAX_LENGTH)


class LogoutBody(fields.Body):
    allSessions = fields.FlagField(required=False, default=False)


def login_answer(body: Mapping[str, Any]) -> LoginAnswer:
    return LoginAnswer(
        challenge_identifier=body["challengeIdentifier"],
        first_factor=factor_answer(body["firstFactor"]),
        second_factor=second_factor_answer(body),
    )


class SendLoginCode(LoginAPIView):
    """`POST /auth/login/code`."""

    rates: ClassVar = CODE_RATES
    scope = "login_code"

    def post(self, request: Request) -> Response:  # noqa: ARG002
        recipient = self.recipient(self.body(LoginCodeBody))
        send_code(recipient, purpose=CodePurpose.LOGIN, requester=self.requester, now=self.now)
        return Response(SUCCESS)


class CreateLoginChallenge(LoginAPIView):
    """`POST /auth/login/init`."""

    rates: ClassVar = INIT_RATES
    scope = "login_init"

    def post(self, request: Request) -> Response:  # noqa: ARG002
        body = self.body(LoginChallengeBody)
        asked = LoginRequest(
            organization=body["orgId"],
            recipient=self.recipient(body) if "username" in body else None,
            login_code=body.get("loginCode"),
        )
        return Response(signing_challenge_reply(open_login(asked, requester=self.requester, now=self.now)))


class CompleteLogin(LoginAPIView):
    """`POST /auth/login`."""

    rates: ClassVar = LOGIN_RATES
    scope = "login"

    def post(self, request: Request) -> Response:  # noqa: ARG002
        body = self.body(SignedChallengeBody)
        answer = login_answer(body)
        return Response({"token": complete_login(answer, requester=self.requester, now=self.now).token})


class Logout(AuthenticatedAPIView):
    """`PUT /auth/logout`."""

    def put(self, request: Request) -> Response:
        if self.body(LogoutBody)["allSessions"]:
            end_every_session(self.session.account, requester=self.requester, now=self.now)
        else:
            end_session(self.session, requester=self.requester, now=self.now)
        plain = request._request  # noqa: SLF001  Django's own session
        if named_session(plain) == self.session.pk:
            logout(plain)
        return Response(SUCCESS)
