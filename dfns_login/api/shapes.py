"""Shapes that several ceremonies share on the wire, and what they become."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from rest_framework import serializers

from dfns_login.api import fields
from dfns_login.ceremonies.factors import SIGNING_KINDS, FactorAnswer, SigningChallenge
from dfns_login.ceremonies.new_credentials import REGISTERED_KINDS, NewCredential, NewCredentials
from dfns_login.models import Account, Credential, CredentialKind, SecondFactor
from dfns_login.settings import login_settings
from dfns_login.verification.assertion import Fido2Assertion, KeyAssertion
from dfns_login.verification.attestation import Fido2Attestation, KeyAttestation
from dfns_login.verification.cose import COSE_ALGORITHMS
from dfns_login.verification.credential_id import parse_credential_id

AUTHENTICATOR_SELECTION: Final = {
    "residentKey": "required",
    "requireResidentKey": True,
    "userVerification": "required",
}


class KeyAssertionBody(fields.Body):
    credId = fields.CredentialIdField()
    clientData = fields.TextField(allow_blank=True, max_length=fields.CLIENT_DATA_MAX_LENGTH)
    signature = fields.TextField(allow_blank=True, max_length=fields.SIGNATURE_MAX_LENGTH)


class Fido2AssertionBody(KeyAssertionBody):
    authenticatorData = fields.TextField(allow_blank=True, max_length=fields.AUTHENTICATOR_DATA_MAX_LENGTH)
    userHandle = fields.TextField(required=False, allow_null=True, allow_blank=True, max_length=fields.UUID_MAX_LENGTH)


class ByKind(fields.Body):
    """A shape that depends on the value of one member.

    kind_field: that member. kinds: the shape of each value.
    """

    kind_field: ClassVar[str]
    kinds: ClassVar[Mapping[str, type[fields.Body]]]

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        choice = serializers.ChoiceField(choices=list(self.kinds))
        try:
            kind = choice.run_validation(data.get(self.kind_field, serializers.empty))
        except serializers.ValidationError as error:
            raise serializers.ValidationError({self.kind_field: error.detail}) from error
        return {**self.kinds[kind]().run_validation(data), self.kind_field: kind}


class KeyFactorBody(fields.Body):
    credentialAssertion = KeyAssertionBody()


class Fido2FactorBody(fields.Body):
    credentialAssertion = Fido2AssertionBody()


class FactorBody(ByKind):
    kind_field = "kind"
    kinds: ClassVar = {
        kind.value: Fido2FactorBody if kind == CredentialKind.FIDO2 else KeyFactorBody for kind in SIGNING_KINDS
    }


class SignedChallengeBody(fields.Body):
    challengeIdentifier = fields.TextField(max_length=fields.TOKEN_MAX_LENGTH)
    firstFactor = FactorBody()
    secondFactor = FactorBody(required=False, allow_null=True)


class AttestationBody(fields.Body):
    credId = fields.CredentialIdField()
    clientData = fields.TextField(max_length=fields.CLIENT_DATA_MAX_LENGTH)
    attestationData = fields.TextField(max_length=fields.ENVELOPE_MAX_LENGTH)
    transports = serializers.ListField(
        child=fields.TextField(max_length=fields.NAME_MAX_LENGTH), required=False, max_length=16
    )


class NewCredentialBody(fields.Body):
    credentialKind = serializers.ChoiceField(choices=REGISTERED_KINDS)
    credentialInfo = AttestationBody()
    credentialName = fields.TextField(required=False, allow_blank=True, max_length=fields.NAME_MAX_LENGTH)
    encryptedPrivateKey = fields.TextField(required=False, max_length=fields.ENVELOPE_MAX_LENGTH)


class NewCredentialsBody(fields.Body):
    firstFactorCredential = NewCredentialBody()
    secondFactorCredential = NewCredentialBody(required=False, allow_null=True)
    recoveryCredential = NewCredentialBody(required=False, allow_null=True)


def factor_answer(body: Mapping[str, Any]) -> FactorAnswer:
    given = body["credentialAssertion"]
    kind = CredentialKind(body["kind"])
    credential_id = parse_credential_id(given["credId"])
    if kind == CredentialKind.FIDO2:
        passkey = Fido2Assertion(
            client_data=given["clientData"],
            authenticator_data=given["authenticatorData"],
            signature=given["signature"],
            user_handle=given.get("userHandle") or None,
        )
        return FactorAnswer(kind=kind, credential_id=credential_id, assertion=passkey)
    key = KeyAssertion(client_data=given["clientData"], signature=given["signature"])
    return FactorAnswer(kind=kind, credential_id=credential_id, assertion=key)


def second_factor_answer(body: Mapping[str, Any]) -> FactorAnswer | None:
    given = body.get("secondFactor")
    return factor_answer(given) if given else None


def new_credential(body: Mapping[str, Any]) -> NewCredential:
    info = body["credentialInfo"]
    kind = CredentialKind(body["credentialKind"])
    attestation: KeyAttestation | Fido2Attestation
    if kind == CredentialKind.FIDO2:
        attestation = Fido2Attestation(
            credential_id=info["credId"],
            client_data=info["clientData"],
            attestation_data=info["attestationData"],
            transports=tuple(info.get("transports", ())),
        )
    else:
        attestation = KeyAttestation(
            credential_id=info["credId"], client_data=info["clientData"], attestation_data=info["attestationData"]
        )
    return NewCredential(
        kind=kind,
        attestation=attestation,
        name=body.get("credentialName", ""),
        encrypted_private_key=body.get("encryptedPrivateKey"),
    )


def new_credentials(body: Mapping[str, Any]) -> NewCredentials:
    second, recovery = body.get("secondFactorCredential"), body.get("recoveryCredential")
    return NewCredentials(
        first_factor=new_credential(body["firstFactorCredential"]),
        second_factor=new_credential(second) if second else None,
        recovery=new_credential(recovery) if recovery else None,
    )


def signing_challenge_reply(challenge: SigningChallenge) -> dict[str, Any]:
    """What is to be signed, at login and for a user action."""
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
            {"kind": each.kind.value, "factor": each.factor, "requiresSecondFactor": each.requires_second_factor}
            for each in challenge.supported
        ],
        "userVerification": "required",
        "attestation": "none",
        "externalAuthenticationUrl": "",
        "allowCredentials": allowed,
    }


def creation_reply(account: Account, *, challenge: str) -> dict[str, Any]:
    """What every challenge for a new credential says, besides what its ceremony adds."""
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
    """`supportedCredentialKinds` of a registration or recovery, as the account's organization has it."""
    kinds = [kind.value for kind in SIGNING_KINDS]
    takes_second = account.organization.second_factor != SecondFactor.NONE
    return {"firstFactor": kinds, "secondFactor": kinds if takes_second else []}


def registered_reply(credential: Credential) -> dict[str, Any]:
    """What a completed registration or recovery says."""
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


def relying_party() -> dict[str, str]:
    conf = login_settings()
    return {"id": conf.rp_id, "name": conf.rp_name}
