"""`/auth/recover/user…`: wire shapes on top, views below."""

from typing import Any, ClassVar, cast

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.login import LoginCodeBody
from dfns_login.api.shapes import (
    KeyAssertionBody,
    NewCredentialsBody,
    creation_reply,
    factor_kinds,
    new_credentials,
    registered_reply,
)
from dfns_login.api.view import SUCCESS, LoginAPIView, TemporaryTokenAPIView
from dfns_login.ceremonies.code_requests import send_code
from dfns_login.ceremonies.recovery import (
    RecoveryAnswer,
    RecoveryChallenge,
    RecoveryRequest,
    complete_recovery,
    open_recovery,
)
from dfns_login.limits import CODE_RATES, INIT_RATES, LOGIN_RATES
from dfns_login.models import CodePurpose, CredentialKind
from dfns_login.verification.assertion import KeyAssertion
from dfns_login.verification.credential_id import parse_credential_id


class RecoveryChallengeBody(fields.Body):
    username = fields.UsernameField()
    orgId = fields.OrganizationIdField()
    verificationCode = fields.TextField(max_length=fields.CODE_MAX_LENGTH)
    credentialId = fields.CredentialIdField()


class RecoveryAssertionBody(KeyAssertionBody):
    clientData = fields.TextField(allow_blank=True, max_length=fields.RECOVERY_CLIENT_DATA_MAX_LENGTH)


class RecoveryFactorBody(fields.Body):
    kind = serializers.ChoiceField(choices=[CredentialKind.RECOVERY_KEY])
    credentialAssertion = RecoveryAssertionBody()


class RecoveryBody(fields.Body):
    recovery = RecoveryFactorBody()
    newCredentials = NewCredentialsBody()


def recovery_challenge_reply(opened: RecoveryChallenge) -> dict[str, Any]:
    return {
        **creation_reply(opened.account, challenge=opened.challenge),
        "temporaryAuthenticationToken": opened.temporary_token,
        "supportedCredentialKinds": factor_kinds(opened.account),
        "otpUrl": "",
        "excludeCredentials": [],  # whatever there is dies with the recovery: its device may make another
        "allowedRecoveryCredentials": [
            {"id": key.credential_id, "encryptedRecoveryKey": key.encrypted_private_key} for key in opened.recovery_keys
        ],
    }


class SendRecoveryCode(LoginAPIView):
    """`POST /auth/recover/user/code`; older clients call it with `PUT`."""

    rates: ClassVar = CODE_RATES
    scope = "recovery_code"

    def post(self, request: Request) -> Response:  # noqa: ARG002
        recipient = self.recipient(self.body(LoginCodeBody))
        send_code(recipient, purpose=CodePurpose.RECOVERY, requester=self.requester, now=self.now)
        return Response(SUCCESS)

    put = post


class CreateRecoveryChallenge(LoginAPIView):
    """`POST /auth/recover/user/init`."""

    rates: ClassVar = INIT_RATES
    scope = "recovery_init"

    def post(self, request: Request) -> Response:  # noqa: ARG002
        body = self.body(RecoveryChallengeBody)
        asked = RecoveryRequest(
            recipient=self.recipient(body),
            credential_id=parse_credential_id(body["credentialId"]),
            verification_code=body["verificationCode"],
        )
        return Response(recovery_challenge_reply(open_recovery(asked, requester=self.requester, now=self.now)))


class CompleteRecovery(TemporaryTokenAPIView):
    """`POST /auth/recover/user`; its bearer is the temporary token."""

    rates: ClassVar = LOGIN_RATES
    scope = "recovery"

    def post(self, request: Request) -> Response:
        token = self.temporary_token
        body = self.body(RecoveryBody)
        assertion = body["recovery"]["credentialAssertion"]
        answer = RecoveryAnswer(
            credential_id=parse_credential_id(assertion["credId"]),
            assertion=KeyAssertion(client_data=assertion["clientData"], signature=assertion["signature"]),
            new=new_credentials(body["newCredentials"]),
            signed=cast("dict[str, Any]", request.data)["newCredentials"],
        )
        return Response(registered_reply(complete_recovery(token, answer, requester=self.requester, now=self.now)))
