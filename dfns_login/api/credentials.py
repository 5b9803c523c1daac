"""`/auth/credentials…`: wire shapes on top, views below. Those with a code are in `credential_codes`."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.fields import wire_time
from dfns_login.api.operations import Operation
from dfns_login.api.replies import SUCCESS, CredentialChallengeReply, MessageReply, Reply, creation_reply
from dfns_login.api.shapes import NewCredentialBody, new_credential
from dfns_login.api.signed_requests import user_action_required
from dfns_login.api.view import AuthenticatedAPIView
from dfns_login.authenticator_names import authenticator_name
from dfns_login.browsers import renew_browser_session
from dfns_login.ceremonies.credential_changes import (
    activate_credential,
    change_password,
    deactivate_own_credential,
    rename_credential,
)
from dfns_login.ceremonies.credentials import CredentialChallenge, add_credential, list_credentials, open_credential
from dfns_login.ceremonies.new_credentials import REGISTERED_KINDS
from dfns_login.errors import (
    AttestationRefused,
    ChallengeRefused,
    CredentialIdTaken,
    LastFirstFactor,
    NotFound,
    TooManyCredentials,
)
from dfns_login.limits import LOGIN_RATES
from dfns_login.models import Credential, CredentialKind
from dfns_login.settings import login_settings
from dfns_login.verification.public_keys import public_key_pem


class CredentialChallengeBody(fields.Body):
    kind = fields.WordField(choices=REGISTERED_KINDS)


class CreateCredentialBody(NewCredentialBody):
    challengeIdentifier = fields.TextField(max_length=fields.TOKEN_MAX_LENGTH)


class CredentialUuidBody(fields.Body):
    credentialUuid = fields.TextField(max_length=fields.UUID_MAX_LENGTH)


class RenameCredentialBody(CredentialUuidBody):
    credentialName = fields.TextField(max_length=fields.NAME_MAX_LENGTH)


class ReplaceKeyBody(CredentialUuidBody):
    encryptedPrivateKey = fields.TextField(max_length=fields.ENVELOPE_MAX_LENGTH)


class CredentialReply(Reply):
    kind = fields.WordField(choices=REGISTERED_KINDS)
    credentialId = serializers.CharField(help_text="Credential id, as its client chose it.")
    credentialUuid = serializers.CharField()
    dateCreated = fields.MomentField()
    isActive = serializers.BooleanField()
    name = serializers.CharField()
    publicKey = serializers.CharField(help_text="PEM.")
    relyingPartyId = serializers.CharField()
    origin = serializers.CharField()
    authenticatorName = serializers.CharField(
        allow_blank=True, help_text="Of a passkey: its maker's or password manager's name, if known. Not verified."
    )
    isBackupEligible = serializers.BooleanField(help_text="Whether the passkey may be synced to other devices.")
    isBackedUp = serializers.BooleanField(help_text="Whether it was synced when it was last used.")
    dateLastUsed = fields.MomentField(allow_null=True, help_text="When a passkey last signed.")


class CredentialListReply(Reply):
    items = CredentialReply(many=True)


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
        "authenticatorName": authenticator_name(credential.aaguid),
        "isBackupEligible": credential.backup_eligible,
        "isBackedUp": credential.backed_up,
        "dateLastUsed": wire_time(credential.last_used_at) if credential.last_used_at else None,
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

    @Operation("listCredentials", "List the account's credentials", reply=CredentialListReply)
    def get(self, request: Request) -> Response:
        return Response({"items": [credential_item(each) for each in list_credentials(self.session.account)]})

    @Operation(
        "createCredential",
        "Add a credential",
        body=CreateCredentialBody,
        reply=CredentialReply,
        refusals=(ChallengeRefused, AttestationRefused, CredentialIdTaken, TooManyCredentials),
    )
    @user_action_required
    def post(self, request: Request) -> Response:
        body = self.body()
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

    @Operation(
        "createCredentialChallenge",
        "Start adding a credential",
        body=CredentialChallengeBody,
        reply=CredentialChallengeReply,
    )
    def post(self, request: Request) -> Response:
        kind = CredentialKind(self.body()["kind"])
        return Response(credential_challenge_reply(open_credential(self.session.account, kind, now=self.now)))


class ActivateCredential(AuthenticatedAPIView):
    """`PUT /auth/credentials/activate`."""

    @Operation(
        "activateCredential",
        "Activate a credential",
        description="Does nothing if it is active.",
        body=CredentialUuidBody,
        reply=MessageReply,
        refusals=(NotFound, TooManyCredentials),
    )
    @user_action_required
    def put(self, request: Request) -> Response:
        uuid = self.body()["credentialUuid"]
        activate_credential(self.session.account, uuid, requester=self.requester, now=self.now)
        return Response(SUCCESS)


class DeactivateCredential(AuthenticatedAPIView):
    """`PUT /auth/credentials/deactivate`."""

    @Operation(
        "deactivateCredential",
        "Deactivate a credential",
        description="Its sessions end. The last credential that can sign in cannot be deactivated.",
        body=CredentialUuidBody,
        reply=MessageReply,
        refusals=(NotFound, LastFirstFactor),
    )
    @user_action_required
    def put(self, request: Request) -> Response:
        uuid = self.body()["credentialUuid"]
        deactivate_own_credential(self.session.account, uuid, requester=self.requester, now=self.now)
        return Response(SUCCESS)


class RenameCredential(AuthenticatedAPIView):
    """`PUT /auth/credentials/rename`. Not part of the Dfns API."""

    @Operation(
        "renameCredential",
        "Rename a credential",
        description="Not part of the Dfns API.",
        body=RenameCredentialBody,
        reply=CredentialReply,
        refusals=(NotFound,),
    )
    @user_action_required
    def put(self, request: Request) -> Response:
        body = self.body()
        uuid, name = body["credentialUuid"], body["credentialName"]
        credential = rename_credential(self.session.account, uuid, name, requester=self.requester, now=self.now)
        return Response(credential_item(credential))


class ReplaceKey(AuthenticatedAPIView):
    """`PUT /auth/credentials/key`. Not part of the Dfns API."""

    @Operation(
        "replaceCredentialKey",
        "Change the password of a password-protected key",
        description=(
            "Replaces the stored private key with the same key, encrypted with another password. "
            "Every other session of the account ends. Not part of the Dfns API."
        ),
        body=ReplaceKeyBody,
        reply=CredentialReply,
        refusals=(AttestationRefused, NotFound),
    )
    @user_action_required
    def put(self, request: Request) -> Response:
        body = self.body()
        uuid, key = body["credentialUuid"], body["encryptedPrivateKey"]
        credential = change_password(self.session, uuid, key, requester=self.requester, now=self.now)
        renew_browser_session(self.django_request, self.session)
        return Response(credential_item(credential))
