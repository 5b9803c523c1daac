"""`/auth/recover/user…`: wire shapes on top, views below."""

from typing import Any, ClassVar, cast

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.authentication import SignedInBrowser
from dfns_login.api.login import SAME_FOR_ALL, LoginCodeBody
from dfns_login.api.operations import Operation
from dfns_login.api.replies import (
    AS_REGISTERED,
    SUCCESS,
    MessageReply,
    RegisteredReply,
    RegistrationChallengeReply,
    Reply,
    creation_reply,
    factor_kinds,
    registered_reply,
)
from dfns_login.api.shapes import KeyAssertionBody, NewCredentialsBody, new_credentials
from dfns_login.api.view import LoginAPIView, TemporaryTokenAPIView
from dfns_login.ceremonies.code_requests import send_code
from dfns_login.ceremonies.recovery import (
    RecoveryAnswer,
    RecoveryChallenge,
    RecoveryRequest,
    complete_recovery,
    open_recovery,
)
from dfns_login.errors import (
    AccountLocked,
    AttestationRefused,
    CodeRefused,
    CredentialIdTaken,
    RecoveryCredentialRefused,
    RecoveryWaits,
)
from dfns_login.limits import CODE_RATES, INIT_RATES, LOGIN_RATES
from dfns_login.models import CodePurpose, CredentialKind, Session
from dfns_login.verification.assertion import KeyAssertion
from dfns_login.verification.credential_id import parse_credential_id
from dfns_login.verification.ephemeral_key import EphemeralKey


class RecoveryChallengeBody(fields.OrganizationBody):
    username = fields.UsernameField()
    verificationCode = fields.TextField(max_length=fields.CODE_MAX_LENGTH)
    credentialId = fields.CredentialIdField()
    ephemeralPublicKey = fields.EphemeralKeyField()


class RecoveryAssertionBody(KeyAssertionBody):
    clientData = fields.TextField(allow_blank=True, max_length=fields.RECOVERY_CLIENT_DATA_MAX_LENGTH)


class RecoveryFactorBody(fields.Body):
    kind = fields.WordField(choices=[CredentialKind.RECOVERY_KEY])
    credentialAssertion = RecoveryAssertionBody()


class RecoveryBody(fields.Body):
    recovery = RecoveryFactorBody()
    newCredentials = NewCredentialsBody()


class AllowedRecoveryCredential(Reply):
    id = serializers.CharField(help_text="Credential id of the recovery key.")
    encryptedRecoveryKey = serializers.CharField(allow_blank=True, help_text=f"{AS_REGISTERED} Empty if there is none.")


class RecoveryChallengeReply(RegistrationChallengeReply):
    allowedRecoveryCredentials = AllowedRecoveryCredential(many=True)


def recovery_challenge_reply(opened: RecoveryChallenge, *, reader: EphemeralKey | None) -> dict[str, Any]:
    return {
        **creation_reply(opened.account, challenge=opened.challenge),
        "temporaryAuthenticationToken": opened.temporary_token,
        "supportedCredentialKinds": factor_kinds(opened.account),
        "otpUrl": "",
        "excludeCredentials": [],  # the recovery ends the old passkeys, so their devices may make new ones
        "allowedRecoveryCredentials": [
            {"id": key.credential_id, "encryptedRecoveryKey": key.readable_by(reader)} for key in opened.recovery_keys
        ],
    }


def signed_in(request: Request) -> Session | None:
    """Return the session that the browser is signed in to."""
    return request.auth if isinstance(request.auth, Session) else None


class SendRecoveryCode(LoginAPIView):
    """`POST /auth/recover/user/code`. Older clients send `PUT`."""

    rates: ClassVar = CODE_RATES
    scope = "recovery_code"

    @Operation(
        "sendRecoveryCode", "Email a recovery code", description=SAME_FOR_ALL, body=LoginCodeBody, reply=MessageReply
    )
    def post(self, request: Request) -> Response:
        recipient = self.count_recipient(self.body())
        send_code(recipient, purpose=CodePurpose.RECOVERY, requester=self.requester, now=self.now)
        return Response(SUCCESS)

    @Operation(
        "sendRecoveryCodeAsOlderClientsDo",
        "Email a recovery code",
        description="The same as `POST`.",
        body=LoginCodeBody,
        reply=MessageReply,
        deprecated=True,
    )
    def put(self, request: Request) -> Response:
        return self.post(request)


class CreateRecoveryChallenge(LoginAPIView):
    """`POST /auth/recover/user/init`."""

    authentication_classes = (SignedInBrowser,)
    rates: ClassVar = INIT_RATES
    scope = "recovery_init"

    @Operation(
        "createRecoveryChallenge",
        "Start a recovery",
        description=(
            "This uses up the emailed code. The reply includes the account's encrypted recovery keys. "
            "If the credential is not one of them, the code stays valid."
        ),
        body=RecoveryChallengeBody,
        reply=RecoveryChallengeReply,
        refusals=(CodeRefused, RecoveryCredentialRefused, RecoveryWaits),
    )
    def post(self, request: Request) -> Response:
        body = self.body()
        asked = RecoveryRequest(
            recipient=self.count_recipient(body),
            credential_id=parse_credential_id(body["credentialId"]),
            verification_code=body["verificationCode"],
        )
        opened = open_recovery(asked, requester=self.requester, now=self.now, signed_in=signed_in(request))
        return Response(recovery_challenge_reply(opened, reader=body.get("ephemeralPublicKey")))


class CompleteRecovery(TemporaryTokenAPIView):
    """`POST /auth/recover/user`. The bearer is the temporary token."""

    authentication_classes = (SignedInBrowser,)
    rates: ClassVar = LOGIN_RATES
    scope = "recovery"

    @Operation(
        "recover",
        "Complete a recovery",
        description=(
            "The recovery key signs a challenge of its own: base64url of the JSON text of `newCredentials`. "
            "All older credentials and sessions of the account end."
        ),
        body=RecoveryBody,
        reply=RegisteredReply,
        refusals=(AttestationRefused, CredentialIdTaken, AccountLocked, RecoveryWaits),
    )
    def post(self, request: Request) -> Response:
        token = self.temporary_token
        body = self.body()
        assertion = body["recovery"]["credentialAssertion"]
        answer = RecoveryAnswer(
            credential_id=parse_credential_id(assertion["credId"]),
            assertion=KeyAssertion(client_data=assertion["clientData"], signature=assertion["signature"]),
            new=new_credentials(body["newCredentials"]),
            signed=cast("dict[str, Any]", request.data)["newCredentials"],
        )
        browser = signed_in(request)
        enrolled = complete_recovery(token, answer, requester=self.requester, now=self.now, signed_in=browser)
        return Response(registered_reply(enrolled))
