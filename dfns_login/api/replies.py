"""Shapes of the replies that several operations share, and the functions that fill them."""

from typing import Any, Final

from rest_framework import serializers

from dfns_login.api import fields
from dfns_login.ceremonies.factors import SIGNING_KINDS, SigningChallenge
from dfns_login.ceremonies.first_login import Enrolled
from dfns_login.ceremonies.new_credentials import REGISTERED_KINDS
from dfns_login.models import Account, CredentialKind, SecondFactor
from dfns_login.settings import login_settings
from dfns_login.verification.cose import COSE_ALGORITHMS
from dfns_login.verification.ephemeral_key import EphemeralKey

SUCCESS: Final = {"message": "success"}
AUTHENTICATOR_SELECTION: Final = {
    "residentKey": "required",
    "requireResidentKey": True,
    "userVerification": "required",
}


class Reply(serializers.Serializer[Any]):
    """Shape of a reply. It only documents: the views build the reply themselves, and the tests compare the two."""


class MessageReply(Reply):
    message = fields.WordField(choices=["success"])


class RelyingParty(Reply):
    id = serializers.CharField()
    name = serializers.CharField()


class CredentialDescriptor(Reply):
    type = fields.WordField(choices=["public-key"])
    id = serializers.CharField(help_text="Credential id, as its client chose it.")


AS_REGISTERED: Final = "As it was registered. If the request had an `ephemeralPublicKey`, encrypted to it by HPKE."


class EncryptedCredentialDescriptor(CredentialDescriptor):
    encryptedPrivateKey = serializers.CharField(help_text=AS_REGISTERED)


class AllowedCredentials(Reply):
    key = CredentialDescriptor(many=True)
    webauthn = CredentialDescriptor(many=True)
    passwordProtectedKey = EncryptedCredentialDescriptor(
        many=True,
        required=False,
        help_text="Only after a code: presented with this call, or when the session was opened.",
    )


class SupportedCredentialKind(Reply):
    kind = fields.WordField(choices=SIGNING_KINDS)
    factor = fields.WordField(choices=["first", "either"])
    requiresSecondFactor = serializers.BooleanField()


class SigningChallengeReply(Reply):
    challenge = serializers.CharField(help_text="Text to sign. Sign the bytes of the text itself.")
    challengeIdentifier = serializers.CharField(help_text="Opaque. Send it back with the signature.")
    rp = RelyingParty()
    supportedCredentialKinds = SupportedCredentialKind(many=True)
    userVerification = fields.WordField(choices=["required"])
    attestation = fields.WordField(choices=["none"])
    externalAuthenticationUrl = serializers.CharField(allow_blank=True, help_text="Always empty.")
    allowCredentials = AllowedCredentials()


class ChallengedUser(Reply):
    id = serializers.CharField()
    name = serializers.CharField()
    displayName = serializers.CharField()


class AuthenticatorSelection(Reply):
    residentKey = fields.WordField(choices=["required"])
    requireResidentKey = serializers.BooleanField()
    userVerification = fields.WordField(choices=["required"])


class PublicKeyParameter(Reply):
    type = fields.WordField(choices=["public-key"])
    alg = serializers.IntegerField(help_text="COSE algorithm.")


class CreationChallengeReply(Reply):
    user = ChallengedUser()
    challenge = serializers.CharField(help_text="Text to sign. Sign the bytes of the text itself.")
    rp = RelyingParty()
    authenticatorSelection = AuthenticatorSelection()
    attestation = fields.WordField(choices=["none", "direct"])
    pubKeyCredParams = PublicKeyParameter(many=True)
    excludeCredentials = CredentialDescriptor(many=True)


class FactorKinds(Reply):
    firstFactor = serializers.ListField(child=fields.WordField(choices=SIGNING_KINDS))
    secondFactor = serializers.ListField(child=fields.WordField(choices=SIGNING_KINDS))


class RegistrationChallengeReply(CreationChallengeReply):
    temporaryAuthenticationToken = serializers.CharField(help_text="Bearer token of the call that completes this one.")
    supportedCredentialKinds = FactorKinds()
    otpUrl = serializers.CharField(allow_blank=True, help_text="Always empty.")


class CredentialChallengeReply(CreationChallengeReply):
    kind = fields.WordField(choices=REGISTERED_KINDS)
    challengeIdentifier = serializers.CharField(help_text="Opaque. Send it back with the new credential.")
    temporaryAuthenticationToken = serializers.CharField(help_text="The same as `challengeIdentifier`.")


class RegisteredCredential(Reply):
    uuid = serializers.CharField()
    kind = fields.WordField(choices=SIGNING_KINDS)
    credentialKind = fields.WordField(choices=SIGNING_KINDS, help_text="The same as `kind`, for older clients.")
    name = serializers.CharField()


class RegisteredUser(Reply):
    id = serializers.CharField()
    username = serializers.CharField()
    orgId = serializers.CharField()


class RegisteredReply(Reply):
    credential = RegisteredCredential()
    user = RegisteredUser()
    loginChallenge = SigningChallengeReply(
        help_text="The new key may sign it once, to sign in without another code. Not part of the Dfns API."
    )


class Refused(Reply):
    message = serializers.CharField(help_text="For people. The official clients show it.")
    code = serializers.CharField(help_text="For programs. It does not change.")
    details = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField(), min_length=1),
        required=False,
        help_text="What is wrong with the body, by the path of the field. `body` stands for the whole body.",
    )


class RefusedReply(Reply):
    error = Refused()


def signing_challenge_reply(challenge: SigningChallenge, *, reader: EphemeralKey | None) -> dict[str, Any]:
    """Return the challenge of a login or a user action. reader: the only key that can read the released keys."""
    allowed: dict[str, list[dict[str, str]]] = {"key": [], "webauthn": []}
    for listed in challenge.listed:
        allowed[listed.kind].append({"type": "public-key", "id": listed.credential_id})
    if challenge.released_keys is not None:
        allowed["passwordProtectedKey"] = [
            {"type": "public-key", "id": key.credential_id, "encryptedPrivateKey": key.readable_by(reader)}
            for key in challenge.released_keys
        ]
    return {
        "challenge": challenge.opened.challenge,
        "challengeIdentifier": challenge.opened.identifier,
        "rp": relying_party(),
        "supportedCredentialKinds": [
            {"kind": each.kind.value, "factor": each.factor, "requiresSecondFactor": each.requires_second_factor}
            for each in challenge.supported
        ],
        "userVerification": "required",
        "attestation": "none",
        "externalAuthenticationUrl": "",
        "allowCredentials": allowed,
    }


def creation_reply(account: Account, *, challenge: str) -> dict[str, Any]:
    """Return the members that the challenges for new credentials have in every ceremony."""
    passkeys = account.credentials.usable().filter(kind=CredentialKind.FIDO2).values_list("credential_id", flat=True)
    algorithms = [value for key, value in COSE_ALGORITHMS.items() if key in login_settings().key_algorithms]
    return {
        "user": {"id": account.pk, "name": account.username, "displayName": account.username},
        "challenge": challenge,
        "rp": relying_party(),
        "authenticatorSelection": AUTHENTICATOR_SELECTION,
        "attestation": login_settings().attestation,
        "pubKeyCredParams": [{"type": "public-key", "alg": int(each)} for each in algorithms],
        "excludeCredentials": [{"type": "public-key", "id": each} for each in passkeys],
    }


def factor_kinds(account: Account) -> dict[str, list[str]]:
    """Return `supportedCredentialKinds` of a registration or recovery, by the policy of the account's organization."""
    kinds = [kind.value for kind in SIGNING_KINDS]
    takes_second = account.organization.second_factor != SecondFactor.NONE
    return {"firstFactor": kinds, "secondFactor": kinds if takes_second else []}


def registered_reply(enrolled: Enrolled) -> dict[str, Any]:
    """Return the reply to a completed registration or recovery."""
    credential = enrolled.credential
    account = credential.account
    return {
        "credential": {
            "uuid": credential.pk,
            "kind": credential.kind,
            "credentialKind": credential.kind,
            "name": credential.name,
        },
        "user": {"id": account.pk, "username": account.username, "orgId": account.organization_id},
        "loginChallenge": signing_challenge_reply(enrolled.challenge, reader=None),
    }


def relying_party() -> dict[str, str]:
    conf = login_settings()
    return {"id": conf.rp_id, "name": conf.rp_name}
