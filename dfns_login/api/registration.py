"""`/auth/registration…`: wire shapes on top, views below."""

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login import errors
from dfns_login.api import fields
from dfns_login.api.login import SAME_FOR_ALL, SECOND_FACTOR, LoginCodeBody
from dfns_login.api.operations import Operation
from dfns_login.api.replies import (
    SUCCESS,
    MessageReply,
    RegisteredReply,
    RegistrationChallengeReply,
    creation_reply,
    factor_kinds,
    registered_reply,
)
from dfns_login.api.shapes import NewCredentialsBody, new_credentials
from dfns_login.api.view import LoginAPIView, TemporaryTokenAPIView
from dfns_login.ceremonies.code_requests import send_code
from dfns_login.ceremonies.registration import (
    RegistrationChallenge,
    complete_registration,
    open_registration,
)
from dfns_login.limits import CODE_RATES, INIT_RATES, LOGIN_RATES
from dfns_login.models import CodePurpose


class RegistrationChallengeBody(fields.OrganizationBody):
    username = fields.UsernameField()
    registrationCode = fields.TextField(max_length=fields.CODE_MAX_LENGTH)


def registration_challenge_reply(opened: RegistrationChallenge) -> dict[str, Any]:
    return {
        **creation_reply(opened.account, challenge=opened.challenge),
        "temporaryAuthenticationToken": opened.temporary_token,
        "supportedCredentialKinds": factor_kinds(opened.account),
        "otpUrl": "",
    }


class SendRegistrationCode(LoginAPIView):
    """`PUT /auth/registration/code`."""

    rates: ClassVar = CODE_RATES
    scope = "registration_code"

    @Operation(
        "resendRegistrationCode",
        "Email the registration code again",
        description=SAME_FOR_ALL,
        body=LoginCodeBody,
        reply=MessageReply,
    )
    def put(self, request: Request) -> Response:
        recipient = self.count_recipient(self.body())
        send_code(recipient, purpose=CodePurpose.REGISTRATION, requester=self.requester, now=self.now)
        return Response(SUCCESS)


class CreateRegistrationChallenge(LoginAPIView):
    """`POST /auth/registration/init`."""

    rates: ClassVar = INIT_RATES
    scope = "registration_init"

    @Operation(
        "createRegistrationChallenge",
        "Start a registration",
        description="This uses up the emailed code.",
        body=RegistrationChallengeBody,
        reply=RegistrationChallengeReply,
        refusals=(
            errors.CodeRefused,
            errors.RegistrationCodeExpired,
            errors.UserNotFound,
            errors.UserExists,
            errors.UserUnavailable,
        ),
    )
    def post(self, request: Request) -> Response:
        body = self.body()
        recipient = self.count_recipient(body)
        opened = open_registration(recipient, body["registrationCode"], requester=self.requester, now=self.now)
        return Response(registration_challenge_reply(opened))


class CompleteRegistration(TemporaryTokenAPIView):
    """`POST /auth/registration`. The bearer is the temporary token."""

    rates: ClassVar = LOGIN_RATES
    scope = "registration"

    @Operation(
        "register",
        "Complete a registration",
        description=f"Adds the account's first credentials. {SECOND_FACTOR}",
        body=NewCredentialsBody,
        reply=RegisteredReply,
        refusals=(errors.AttestationRefused, errors.CredentialIdTaken, errors.UserUnavailable),
    )
    def post(self, request: Request) -> Response:
        token = self.temporary_token
        new = new_credentials(self.body())
        return Response(registered_reply(complete_registration(token, new, requester=self.requester, now=self.now)))
