"""`/auth/login…`, `/auth/logout`: wire shapes on top, views below."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.contrib.auth import logout
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.operations import Operation
from dfns_login.api.replies import SUCCESS, MessageReply, Reply, SigningChallengeReply, signing_challenge_reply
from dfns_login.api.shapes import SignedChallengeBody, factor_answer, second_factor_answer
from dfns_login.api.view import AuthenticatedAPIView, LoginAPIView
from dfns_login.browsers import named_session
from dfns_login.ceremonies.code_requests import send_code
from dfns_login.ceremonies.login import (
    LoginAnswer,
    LoginRequest,
    complete_login,
    open_login,
)
from dfns_login.ceremonies.sign_out import end_every_session, end_session
from dfns_login.errors import (
    AccountDeactivated,
    AccountLocked,
    ChallengeRefused,
    CodeRefused,
    NotAuthorized,
    NoUsableCredential,
    UserNotFound,
)
from dfns_login.limits import CODE_RATES, GUESS_RATES, INIT_RATES, LOGIN_RATES
from dfns_login.models import CodePurpose

SAME_FOR_ALL: Final = "The reply is the same whether or not the account exists. An unknown name gets no email."
SECOND_FACTOR: Final = "The organization's policy decides whether a second factor is required or accepted."


class LoginCodeBody(fields.OrganizationBody):
    username = fields.UsernameField()


class LoginChallengeBody(fields.OrganizationBody):
    username = fields.UsernameField(required=False)
    loginCode = fields.TextField(required=False, max_length=fields.CODE_MAX_LENGTH)
    ephemeralPublicKey = fields.EphemeralKeyField()


class LogoutBody(fields.Body):
    allSessions = fields.FlagField(required=False, default=False)


class TokenReply(Reply):
    token = serializers.CharField(
        help_text="JWT. Its claim `https://custom/app_metadata` carries `orgId` and `userId`."
    )


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

    @Operation("sendLoginCode", "Email a login code", description=SAME_FOR_ALL, body=LoginCodeBody, reply=MessageReply)
    def post(self, request: Request) -> Response:
        recipient = self.count_recipient(self.body())
        send_code(recipient, purpose=CodePurpose.LOGIN, requester=self.requester, now=self.now)
        return Response(SUCCESS)


class CreateLoginChallenge(LoginAPIView):
    """`POST /auth/login/init`."""

    rates: ClassVar = INIT_RATES
    scope = "login_init"

    @Operation(
        "createLoginChallenge",
        "Start a login",
        description=(
            "With the emailed code, the reply includes the account's encrypted private keys. A code works once. "
            "An unknown name gets the same reply as a known one. Without a username, the challenge is for a "
            "discoverable passkey."
        ),
        body=LoginChallengeBody,
        reply=SigningChallengeReply,
        refusals=(CodeRefused, UserNotFound, NoUsableCredential),
    )
    def post(self, request: Request) -> Response:
        body = self.body()
        recipient = None
        if "username" in body:
            recipient = self.count_recipient(body, rates=GUESS_RATES if "loginCode" in body else INIT_RATES)
        else:
            self.count_requester()
        asked = LoginRequest(organization=body["orgId"], recipient=recipient, login_code=body.get("loginCode"))
        opened = open_login(asked, requester=self.requester, now=self.now)
        return Response(signing_challenge_reply(opened, reader=body.get("ephemeralPublicKey")))


class CompleteLogin(LoginAPIView):
    """`POST /auth/login`."""

    rates: ClassVar = LOGIN_RATES
    scope = "login"

    @Operation(
        "login",
        "Complete a login",
        description=f"Verifies the signed challenge and opens a session. {SECOND_FACTOR}",
        body=SignedChallengeBody,
        reply=TokenReply,
        refusals=(ChallengeRefused, AccountDeactivated, AccountLocked, NotAuthorized),
    )
    def post(self, request: Request) -> Response:
        answer = login_answer(self.body())
        return Response({"token": complete_login(answer, requester=self.requester, now=self.now).token})


class Logout(AuthenticatedAPIView):
    """`PUT /auth/logout`."""

    @Operation(
        "logout",
        "End the session",
        description="The session ends at once. With `allSessions`, every session of the account ends.",
        body=LogoutBody,
        reply=MessageReply,
    )
    def put(self, request: Request) -> Response:
        if self.body()["allSessions"]:
            end_every_session(self.session, requester=self.requester, now=self.now)
        else:
            end_session(self.session, requester=self.requester, now=self.now)
        if named_session(self.django_request) == self.session.pk:
            logout(self.django_request)
        return Response(SUCCESS)
