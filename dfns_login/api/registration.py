"""`/auth/registration…`: wire shapes on top, views below."""

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.authentication import bearer_token
from dfns_login.api.shapes import NewCredentialBody, NotServed, relying_party
from dfns_login.api.view import SUCCESS, LoginAPIView
from dfns_login.ceremonies.credentials import FIRST_FACTORS, NewCredential
from dfns_login.ceremonies.registration import (
    RegistrationChallenge,
    complete_registration,
    open_registration,
    send_registration_code,
)
from dfns_login.errors import TokenRefused
from dfns_login.limits import CODE_RATES, INIT_RATES, LOGIN_RATES
from dfns_login.models import Credential, CredentialKind
from dfns_login.verification.attestation import KeyAttestation

PUBLIC_KEY_PARAMETERS = [{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -257}]
"""COSE algorithms ES256 and RS256, for authenticators (RFC 9053 §2.1, RFC 8812 §2)."""


class RegistrationCodeBody(fields.Body):
    username = fields.UsernameField()
    orgId = fields.OrganizationIdField()


class RegistrationChallengeBody(fields.Body):
    username = fields.UsernameField()
    orgId = fields.OrganizationIdField()
    registrationCode = fields.TextField(max_length=fields.CODE_MAX_LENGTH)


class RegistrationBody(fields.Body):
    firstFactorCredential = NewCredentialBody()
    secondFactorCredential = NotServed(required=False, allow_null=True)
    recoveryCredential = NotServed(required=False, allow_null=True)


def registration_challenge_reply(opened: RegistrationChallenge) -> dict[str, Any]:
    kinds = [kind.value for kind in FIRST_FACTORS]
    account = opened.account
    return {
        "user": {"id": account.pk, "name": account.username, "displayName": account.username},
        "temporaryAuthenticationToken": opened.temporary_token,
        "challenge": opened.challenge,
        "rp": relying_party(),
        "supportedCredentialKinds": {"firstFactor": kinds, "secondFactor": []},
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
        "pubKeyCredParams": PUBLIC_KEY_PARAMETERS,
        "excludeCredentials": [],
        "otpUrl": "",
    }


def registration_reply(credential: Credential) -> dict[str, Any]:
    account = credential.account
    return {
        "credential": {
            "uuid": credential.pk,
            "kind": credential.kind,
            "credentialKind": credential.kind,
            "name": credential.name,
        },
        "user": {"id": account.pk, "username": account.username, "orgId": account.organization_id},
    }


class SendRegistrationCode(LoginAPIView):
    """`PUT /auth/registration/code`."""

    rates: ClassVar = CODE_RATES
    scope = "registration_code"

    def put(self, request: Request) -> Response:  # noqa: ARG002
        recipient = self.recipient(self.body(RegistrationCodeBody))
        send_registration_code(recipient, requester=self.requester, now=self.now)
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


class CompleteRegistration(LoginAPIView):
    """`POST /auth/registration`; its bearer is the temporary token."""

    rates: ClassVar = LOGIN_RATES
    scope = "registration"

    def post(self, request: Request) -> Response:
        token = bearer_token(request)
        if token is None:
            msg = "no temporary token"
            raise TokenRefused(msg)
        first_factor = new_credential(self.body(RegistrationBody)["firstFactorCredential"])
        credential = complete_registration(token, first_factor, requester=self.requester, now=self.now)
        return Response(registration_reply(credential))


def new_credential(body: dict[str, Any]) -> NewCredential:
    info = body["credentialInfo"]
    return NewCredential(
        kind=CredentialKind(body["credentialKind"]),
        attestation=KeyAttestation(
            credential_id=info["credId"], client_data=info["clientData"], attestation_data=info["attestationData"]
        ),
        name=body.get("credentialName", ""),
        encrypted_private_key=body.get("encryptedPrivateKey"),
    )
