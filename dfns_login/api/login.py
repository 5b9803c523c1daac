"""`/auth/login…`, `/auth/logout`: wire shapes on top, views below."""

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.shapes import FirstFactorBody, NotServed, relying_party
from dfns_login.api.view import SUCCESS, AuthenticatedAPIView, LoginAPIView
from dfns_login.ceremonies.credentials import FIRST_FACTORS
from dfns_login.ceremonies.login import (
    LoginAnswer,
    LoginChallenge,
    LoginRequest,
    complete_login,
    end_every_session,
    end_session,
    open_login,
    send_login_code,
)
from dfns_login.limits import CODE_RATES, INIT_RATES, LOGIN_RATES
from dfns_login.models import CredentialKind
from dfns_login.verification.assertion import KeyAssertion
from dfns_login.verification.credential_id import parse_credential_id


class LoginCodeBody(fields.Body):
    username = fields.UsernameField()
    orgId = fields.OrganizationIdField()


class LoginChallengeBody(fields.Body):
    username = fields.UsernameField(required=False)
    orgId = fields.OrganizationIdField()
    loginCode = fields.TextField(required=False, max_length=fields.CODE_MAX_LENGTH)


class LoginBody(fields.Body):
    challengeIdentifier = fields.TextField(max_length=fields.TOKEN_MAX_LENGTH)
    firstFactor = FirstFactorBody()
    secondFactor = NotServed(required=False, allow_null=True)


class LogoutBody(fields.Body):
    allSessions = fields.FlagField(required=False, default=False)


def login_challenge_reply(challenge: LoginChallenge) -> dict[str, Any]:
    allowed: dict[str, list[dict[str, str]]] = {"key": [], "webauthn": []}
    for listed in challenge.listed:
        allowed[listed.kind].append({"type": "public-key", "id": listed.credential_id})
    if challenge.released_keys is not None:
        allowed["passwordProtectedKey"] = [
            {"type": "public-key", "id": key.credential_id, "encryptedPrivateKey": key.encrypted_private_key}
            for key in challenge.released_keys
        ]
    return {
        "challenge": challenge.opened.challenge,
        "challengeIdentifier": challenge.opened.identifier,
        "rp": relying_party(),
        "supportedCredentialKinds": [
            {"kind": kind.value, "factor": "first", "requiresSecondFactor": False} for kind in FIRST_FACTORS
        ],
        "userVerification": "required",
        "attestation": "none",
        "externalAuthenticationUrl": "",
        "allowCredentials": allowed,
    }


class SendLoginCode(LoginAPIView):
    """`POST /auth/login/code`."""

    rates: ClassVar = CODE_RATES
    scope = "login_code"

    def post(self, request: Request) -> Response:  # noqa: ARG002
        recipient = self.recipient(self.body(LoginCodeBody))
        send_login_code(recipient, requester=self.requester, now=self.now)
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
        return Response(login_challenge_reply(open_login(asked, requester=self.requester, now=self.now)))


class CompleteLogin(LoginAPIView):
    """`POST /auth/login`."""

    rates: ClassVar = LOGIN_RATES
    scope = "login"

    def post(self, request: Request) -> Response:  # noqa: ARG002
        body = self.body(LoginBody)
        factor = body["firstFactor"]
        assertion = factor["credentialAssertion"]
        answer = LoginAnswer(
            challenge_identifier=body["challengeIdentifier"],
            kind=CredentialKind(factor["kind"]),
            credential_id=parse_credential_id(assertion["credId"]),
            assertion=KeyAssertion(client_data=assertion["clientData"], signature=assertion["signature"]),
        )
        return Response({"token": complete_login(answer, requester=self.requester, now=self.now)})


class Logout(AuthenticatedAPIView):
    """`PUT /auth/logout`."""

    def put(self, request: Request) -> Response:  # noqa: ARG002
        if self.body(LogoutBody)["allSessions"]:
            end_every_session(self.session.account, requester=self.requester, now=self.now)
        else:
            end_session(self.session, requester=self.requester, now=self.now)
        return Response(SUCCESS)
