"""`/auth/credentials/code…`: a code shown on one device adds a credential from another one."""

from datetime import UTC, datetime
from typing import ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.credentials import (
    CreateCredentialBody,
    CredentialReply,
    credential_challenge_reply,
    credential_item,
)
from dfns_login.api.fields import wire_time
from dfns_login.api.operations import Operation
from dfns_login.api.replies import CredentialChallengeReply, Reply
from dfns_login.api.shapes import new_credential
from dfns_login.api.signed_requests import user_action_required
from dfns_login.api.view import AuthenticatedAPIView, LoginAPIView
from dfns_login.ceremonies.credentials import add_credential_with_code, open_credential_with_code, show_code
from dfns_login.ceremonies.new_credentials import REGISTERED_KINDS
from dfns_login.errors import AttestationRefused, ChallengeRefused, CodeRefused, CredentialIdTaken, TooManyCredentials
from dfns_login.limits import CREDENTIAL_CODE_RATES, LOGIN_RATES
from dfns_login.models import CredentialKind


class CredentialCodeBody(fields.Body):
    expiration = fields.MomentField()


class CredentialChallengeWithCodeBody(fields.Body):
    code = fields.TextField(max_length=fields.CODE_MAX_LENGTH)
    credentialKind = fields.WordField(choices=REGISTERED_KINDS)


class CredentialCodeReply(Reply):
    code = serializers.RegexField(r"^[0-9A-Z]{4}(-[0-9A-Z]{4}){5}$")
    expiration = fields.MomentField()


class CreateCredentialCode(AuthenticatedAPIView):
    """`POST /auth/credentials/code`."""

    rates: ClassVar = CREDENTIAL_CODE_RATES
    scope = "credential_code"

    @Operation(
        "createCredentialCode",
        "Show a code that adds a credential from another device",
        description="The code expires after one minute at the latest; the reply says when.",
        body=CredentialCodeBody,
        reply=CredentialCodeReply,
    )
    @user_action_required
    def post(self, request: Request) -> Response:
        asked: datetime = self.body()["expiration"]
        code, expires_at = show_code(self.session.account, expires_at=asked, requester=self.requester, now=self.now)
        return Response({"code": code, "expiration": wire_time(expires_at.astimezone(UTC))})


class CreateCredentialChallengeWithCode(LoginAPIView):
    """`POST /auth/credentials/code/init`."""

    rates: ClassVar = CREDENTIAL_CODE_RATES
    scope = "credential_code_init"

    @Operation(
        "createCredentialChallengeWithCode",
        "Start adding a credential with a code",
        description="This uses up the code.",
        body=CredentialChallengeWithCodeBody,
        reply=CredentialChallengeReply,
        refusals=(CodeRefused,),
    )
    def post(self, request: Request) -> Response:
        body = self.body()
        challenge = open_credential_with_code(
            body["code"], CredentialKind(body["credentialKind"]), requester=self.requester, now=self.now
        )
        return Response(credential_challenge_reply(challenge))


class CreateCredentialWithCode(LoginAPIView):
    """`POST /auth/credentials/code/verify`."""

    rates: ClassVar = LOGIN_RATES
    scope = "credential_code_verify"

    @Operation(
        "createCredentialWithCode",
        "Add a credential with a code",
        body=CreateCredentialBody,
        reply=CredentialReply,
        refusals=(ChallengeRefused, AttestationRefused, CredentialIdTaken, TooManyCredentials),
    )
    def post(self, request: Request) -> Response:
        body = self.body()
        credential = add_credential_with_code(
            new_credential(body), body["challengeIdentifier"], requester=self.requester, now=self.now
        )
        return Response(credential_item(credential))
