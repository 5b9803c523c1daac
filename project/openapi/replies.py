"""Shapes of every answer, as the views give them. Nothing at run time reads these: the tests hold the views to them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from dfns_login.ceremonies.factors import SIGNING_KINDS
from dfns_login.ceremonies.new_credentials import REGISTERED_KINDS
from dfns_login.models import AccountKind, AuditKind


class Reply(serializers.Serializer[Any]):
    """Shape of an answer."""


@extend_schema_field({"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"})
class MomentField(serializers.CharField):
    """ISO 8601 in UTC with milliseconds."""


@extend_schema_field({"type": "string", "const": "public-key"})
class PublicKeyTypeField(serializers.CharField):
    """`PublicKeyCredentialType` of WebAuthn has one value."""


class MessageReply(Reply):
    message = serializers.ChoiceField(choices=["success"])


class TokenReply(Reply):
    token = serializers.CharField(
        help_text="JWT. Its claim `https://custom/app_metadata` carries `orgId` and `userId`."
    )


class BrowserLoginReply(Reply):
    next = serializers.CharField(help_text="Where to go: the path that was asked for, if it is one of this site.")


class RelyingParty(Reply):
    id = serializers.CharField()
    name = serializers.CharField()


class CredentialDescriptor(Reply):
    type = PublicKeyTypeField()
    id = serializers.CharField(help_text="Credential id, as its client chose it.")


class EncryptedCredentialDescriptor(CredentialDescriptor):
    encryptedPrivateKey = serializers.CharField(help_text="As it was registered.")


class AllowedCredentials(Reply):
    key = CredentialDescriptor(many=True)
    webauthn = CredentialDescriptor(many=True)
    passwordProtectedKey = EncryptedCredentialDescriptor(
        many=True,
        required=False,
        help_text="Absent unless a code was presented: with this call, or when the session was opened.",
    )


class SupportedCredentialKind(Reply):
    kind = serializers.ChoiceField(choices=SIGNING_KINDS)
    factor = serializers.ChoiceField(choices=["first", "either"])
    requiresSecondFactor = serializers.BooleanField()


class SigningChallengeReply(Reply):
    challenge = serializers.CharField(help_text="Text to be signed; its bytes are those of the text itself.")
    challengeIdentifier = serializers.CharField(help_text="Opaque; to be sent back with the signature.")
    rp = RelyingParty()
    supportedCredentialKinds = SupportedCredentialKind(many=True)
    userVerification = serializers.ChoiceField(choices=["required"])
    attestation = serializers.ChoiceField(choices=["none"])
    externalAuthenticationUrl = serializers.CharField(allow_blank=True, help_text="Always empty.")
    allowCredentials = AllowedCredentials()


class ChallengedUser(Reply):
    id = serializers.CharField()
    name = serializers.CharField()
    displayName = serializers.CharField()


class AuthenticatorSelection(Reply):
    residentKey = serializers.ChoiceField(choices=["required"])
    requireResidentKey = serializers.BooleanField()
    userVerification = serializers.ChoiceField(choices=["required"])


class PublicKeyParameter(Reply):
    type = PublicKeyTypeField()
    alg = serializers.IntegerField(help_text="COSE algorithm.")


class CreationChallengeReply(Reply):
    user = ChallengedUser()
    challenge = serializers.CharField(help_text="Text to be signed; its bytes are those of the text itself.")
    rp = RelyingParty()
    authenticatorSelection = AuthenticatorSelection()
    attestation = serializers.ChoiceField(choices=["none", "direct"])
    pubKeyCredParams = PublicKeyParameter(many=True)
    excludeCredentials = CredentialDescriptor(many=True)
    temporaryAuthenticationToken = serializers.CharField()


class FactorKinds(Reply):
    firstFactor = serializers.ListField(child=serializers.ChoiceField(choices=SIGNING_KINDS))
    secondFactor = serializers.ListField(child=serializers.ChoiceField(choices=SIGNING_KINDS))


class RegistrationChallengeReply(CreationChallengeReply):
    temporaryAuthenticationToken = serializers.CharField(help_text="Bearer token of the call that completes this one.")
    supportedCredentialKinds = FactorKinds()
    otpUrl = serializers.CharField(allow_blank=True, help_text="Always empty.")


class CredentialChallengeReply(CreationChallengeReply):
    kind = serializers.ChoiceField(choices=REGISTERED_KINDS)
    challengeIdentifier = serializers.CharField(help_text="Opaque; to be sent back with the new credential.")
    temporaryAuthenticationToken = serializers.CharField(help_text="The same as `challengeIdentifier`.")


class AllowedRecoveryCredential(Reply):
    id = serializers.CharField(help_text="Credential id of the recovery key.")
    encryptedRecoveryKey = serializers.CharField(allow_blank=True, help_text="Empty where none was registered.")


class RecoveryChallengeReply(RegistrationChallengeReply):
    allowedRecoveryCredentials = AllowedRecoveryCredential(many=True)


class RegisteredCredential(Reply):
    uuid = serializers.CharField()
    kind = serializers.ChoiceField(choices=SIGNING_KINDS)
    credentialKind = serializers.ChoiceField(choices=SIGNING_KINDS, help_text="The same, for older clients.")
    name = serializers.CharField()


class RegisteredUser(Reply):
    id = serializers.CharField()
    username = serializers.CharField()
    orgId = serializers.CharField()


class RegisteredReply(Reply):
    credential = RegisteredCredential()
    user = RegisteredUser()


class CredentialReply(Reply):
    kind = serializers.ChoiceField(choices=REGISTERED_KINDS)
    credentialId = serializers.CharField(help_text="Credential id, as its client chose it.")
    credentialUuid = serializers.CharField()
    dateCreated = MomentField()
    isActive = serializers.BooleanField()
    name = serializers.CharField()
    publicKey = serializers.CharField(help_text="PEM.")
    relyingPartyId = serializers.CharField()
    origin = serializers.CharField()


class CredentialListReply(Reply):
    items = CredentialReply(many=True)


class CredentialCodeReply(Reply):
    code = serializers.RegexField(r"^[0-9A-Z]{4}(-[0-9A-Z]{4}){5}$")
    expiration = MomentField()


class SessionReply(Reply):
    sessionId = serializers.CharField()
    dateCreated = MomentField()
    dateLastSeen = MomentField(help_text="To the minute.")
    dateExpires = MomentField()
    isCurrent = serializers.BooleanField(help_text="It is the session that asks.")
    address = serializers.CharField(allow_blank=True, help_text="Where it was opened from.")
    userAgent = serializers.CharField(allow_blank=True)


class SessionListReply(Reply):
    items = SessionReply(many=True)


class EventReply(Reply):
    kind = serializers.ChoiceField(choices=AuditKind.values)
    date = MomentField()
    address = serializers.CharField(allow_blank=True, help_text="Empty where nobody's request caused it.")
    userAgent = serializers.CharField(allow_blank=True)


class ActivityReply(Reply):
    items = EventReply(many=True)


class UserActionReply(Reply):
    userAction = serializers.CharField(help_text="JWT, for the header `X-DFNS-USERACTION` of one request.")


class UserReply(Reply):
    username = serializers.CharField()
    name = serializers.CharField()
    userId = serializers.CharField()
    kind = serializers.ChoiceField(choices=AccountKind.values)
    credentialUuid = serializers.CharField(allow_blank=True, help_text="The oldest credential; empty without one.")
    orgId = serializers.CharField()
    permissions = serializers.ListField(child=serializers.CharField(), max_length=0)
    isActive = serializers.BooleanField()
    isServiceAccount = serializers.BooleanField()
    isRegistered = serializers.BooleanField()
    isSSORequired = serializers.BooleanField()
    permissionAssignments = serializers.ListField(child=serializers.CharField(), max_length=0)


class UserListReply(Reply):
    items = UserReply(many=True)
    nextPageToken = serializers.CharField(required=False, help_text="Absent on the last page.")


class TokenKey(Reply):
    kty = serializers.ChoiceField(choices=["EC"])
    crv = serializers.ChoiceField(choices=["P-256"])
    x = serializers.CharField()
    y = serializers.CharField()
    kid = serializers.CharField()
    alg = serializers.ChoiceField(choices=["ES256"])
    use = serializers.ChoiceField(choices=["sig"])


class TokenKeysReply(Reply):
    keys = TokenKey(many=True)


class Refused(Reply):
    message = serializers.CharField(help_text="For people; what the official clients show.")
    code = serializers.CharField(help_text="For programs: stable.")
    details = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField(), min_length=1),
        required=False,
        help_text="What is wrong with the body, by the field's path; `body` is the whole of it.",
    )


class RefusedReply(Reply):
    error = Refused()
