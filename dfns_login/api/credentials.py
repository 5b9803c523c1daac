"""`/auth/credentials…`: wire shapes on top, views below."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.fields import wire_time
from dfns_login.api.shapes import NewCredentialBody, creation_reply, new_credential
from dfns_login.api.signed_requests import user_action_required
from dfns_login.api.view import SUCCESS, AuthenticatedAPIView, LoginAPIView
from dfns_login.browsers import renew_browser_session
from dfns_login.ceremonies.credential_changes import (
    activate_credential,
    change_password,
    deactivate_own_credential,
    rename_credential,
)
from dfns_login.ceremonies.credentials import (
    CredentialChallenge,
    add_credential,
    add_credential_with_code,
    list_credentials,
    open_credential,
    open_credential_with_code,
    show_code,
)
from dfns_login.ceremonies.new_credentials import REGISTERED_KINDS
from dfns_login.limits import CREDENTIAL_CODE_RATES, LOGIN_RATES
from dfns_login.models import Credential, CredentialKind
from dfns_login.settings import login_settings
from dfns_login.verification.public_keys import public_key_pem


class CredentialChallengeBody(fields.Body):
    kind = serializers.ChoiceField(choices=REGISTERED_KINDS)


class CredentialChallengeWithCodeBody(fields.Body):
    code = fields.TextField(max_length=fields.CODE_MAX_LENGTH)
    credentialKind = serializers.ChoiceField(choices=REGISTERED_KINDS)


class CreateCredentialBody(NewCredentialBody):
    challengeIdentifier = fields.TextField(max_length=fields.TOKEN_MAX_LENGTH)


class CredentialUuidBody(fields.Body):
    credentialUuid = fields.TextField(max_length=fields.UUID_MAX_LENGTH)


class RenameCredentialBody(CredentialUuidBody):
    credentialName = fields.TextField(max_length=fields.NAME_MAX_LENGTH)


class ReplaceKeyBody(CredentialUuidBody):
    encryptedPrivateKey = fields.TextField(max_length=fields.ENVELOPE_MAX_LENGTH)


class CredentialCodeBody(fields.Body):
    expiration = fields.MomentField()


def credential_item(credential: Credential) -> dict[str, Any]:
    conf = login_settings()
    return {
        "kind": credential.kind,
        "credentialId": credential.credential_id,
        "credentialUuid": credential.pk,
        "dateCreated": wire_time(credential.created_at),
        "isActive": credential.active,
        "name": credential.name,
        "publicKey": public_key_pem(bytes(credential.public_key)),
        "relyingPartyId": conf.rp_id,
        "origin": credential.origin or conf.issuer,
    }


def credential_challenge_reply(challenge: CredentialChallenge) -> dict[str, Any]:
    return {
        **creation_reply(challenge.account, challenge=challenge.opened.challenge),
        "kind": challenge.kind.value,
        "challengeIdentifier": challenge.opened.identifier,
        "temporaryAuthenticationToken": challenge.opened.identifier,
    }


class Credentials(AuthenticatedAPIView):
    """`GET` and `POST /auth/credentials`."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        return Response({"items": [credential_item(each) for each in list_credentials(self.session.account)]})

    @user_action_required
    def post(self, request: Request) -> Response:  # noqa: ARG002
        body = self.body(CreateCredentialBody)
        credential = add_credential(
            self.session.account,
            new_credential(body),
            body["challengeIdentifier"],
            requester=self.requester,
            now=self.now,
        )
        return Response(credential_item(credential))


class CreateCredentialChallenge(AuthenticatedAPIView):
    """`POST /auth/credentials/init`."""

    rates: ClassVar = LOGIN_RATES
    scope = "credential_init"

    def post(self, request: Request) -> Response:  # noqa: ARG002
        kind = CredentialKind(self.body(CredentialChallengeBody)["kind"])
        return Response(credential_challenge_reply(open_credential(self.session.account, kind, now=self.now)))


class ActivateCredential(AuthenticatedAPIView):
    """`PUT /auth/credentials/activate`."""

    @user_action_required
    def put(self, request: Request) -> Response:  # noqa: ARG002
        uuid = self.body(CredentialUuidBody)["credentialUuid"]
        activate_credential(self.session.account, uuid, requester=self.requester, now=self.now)
        return Response(SUCCESS)


class DeactivateCredential(AuthenticatedAPIView):
    """`PUT /auth/credentials/deactivate`."""

    @user_action_required
    def put(self, request: Request) -> Response:  # noqa: ARG002
        uuid = self.body(CredentialUuidBody)["credentialUuid"]
        deactivate_own_credential(self.session.account, uuid, requester=self.requester, now=self.now)
        return Response(SUCCESS)


class RenameCredential(AuthenticatedAPIView):
    """`PUT /auth/credentials/rename`: ours, not of the Dfns API."""

    @user_action_required
    def put(self, request: Request) -> Response:  # noqa: ARG002
        body = self.body(RenameCredentialBody)
        uuid, name = body["credentialUuid"], body["credentialName"]
        credential = rename_credential(self.session.account, uuid, name, requester=self.requester, now=self.now)
        return Response(credential_item(credential))


class ReplaceKey(AuthenticatedAPIView):
    """`PUT /auth/credentials/key`: ours, not of the Dfns API."""

    @user_action_required
    def put(self, request: Request) -> Response:
        body = self.body(ReplaceKeyBody)
        uuid, key = body["credentialUuid"], body["encryptedPrivateKey"]
        credential = change_password(self.session, uuid, key, requester=self.requester, now=self.now)
        renew_browser_session(request._request, self.session)  # noqa: SLF001  Django's own session
        return Response(credential_item(credential))


class CreateCredentialCode(AuthenticatedAPIView):
    """`POST /auth/credentials/code`."""

    rates: ClassVar = CREDENTIAL_CODE_RATES
    scope = "credential_code"

    @user_action_required
    def post(self, request: Request) -> Response:  # noqa: ARG002
        expires_at: datetime = self.body(CredentialCodeBody)["expiration"]
        code = show_code(self.session.account, expires_at=expires_at, requester=self.requester, now=self.now)
        return Response({"code": code, "expiration": wire_time(expires_at.astimezone(UTC))})


class CreateCredentialChallengeWithCode(LoginAPIView):
    """`POST /auth/credentials/code/init`."""

    rates: ClassVar = CREDENTIAL_CODE_RATES
    scope = "credential_code_init"

    def post(self, request: Request) -> Response:  # noqa: ARG002
        body = self.body(CredentialChallengeWithCodeBody)
        challenge = open_credential_with_code(
            body["code"], CredentialKind(body["credentialKind"]), requester=self.requester, now=self.now
        )
        return Response(credential_challenge_reply(challenge))


class CreateCredentialWithCode(LoginAPIView):
    """`POST /auth/credentials/code/verify`."""

    rates: ClassVar = LOGIN_RATES
    scope = "credential_code_verify"

    def post(self, request: Request) -> Response:  # noqa: ARG002
        body = self.body(CreateCredentialBody)
        credential = add_credential_with_code(
            new_credential(body), body["challengeIdentifier"], requester=self.requester, now=self.now
        )
        return Response(credential_item(credential))
