"""`/auth/registration…`: wire shapes on top, views below."""

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.login import LoginCodeBody
from dfns_login.api.shapes import (
    NewCredentialsBody,
    creation_reply,
    factor_kinds,
    new_credentials,
    registered_reply,
)
from dfns_login.api.view import SUCCESS, LoginAPIView, TemporaryTokenAPIView
from dfns_login.ceremonies.code_requests import send_code
from dfns_login.ceremonies.registration import (
    RegistrationChallenge,
    complete_registration,
    open_registration,
)
from dfns_login.limits import CODE_RATES, INIT_RATES, LOGIN_RATES
from dfns_login.models import CodePurpose


class RegistrationChallengeBody(fields.Body):
    username = fields.UsernameField()
    orgId = fields.OrganizationIdField()
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

    def put(self, request: Request) -> Response:  # noqa: ARG002
        recipient = self.recipient(self.body(LoginCodeBody))
        send_code(recipient, purpose=CodePurpose.REGISTRATION, requester=self.requester, now=self.now)
        return Response(SUCCESS)


class CreateRegistrationChallenge(LoginAPIView):
    """`POST /auth/registration/init`."""

    rates: ClassVar = INIT_RATES
    scope = "registration_init"

    def post(self, request: Request) -> Response:  # noqa: ARG002
        body = self.body(RegistrationChallengeBody)
        recipient = self.recipient(body)
        opened = open_registration(recipient, body["registrationCode"], requester=self.requester, now=self.now)
        return Response(registration_challenge_reply(opened))


class CompleteRegistration(TemporaryTokenAPIView):
    """`POST /auth/registration`; its bearer is the temporary token."""

    rates: ClassVar = LOGIN_RATES
    scope = "registration"

    def post(self, request: Request) -> Response:  # noqa: ARG002
        token = self.temporary_token
        new = new_credentials(self.body(NewCredentialsBody))
        return Response(registered_reply(complete_registration(token, new, requester=self.requester, now=self.now)))
