"""Request shapes that several operations share, and functions that convert them to domain values."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from rest_framework import serializers

from dfns_login.api import fields
from dfns_login.ceremonies.factors import SIGNING_KINDS, FactorAnswer
from dfns_login.ceremonies.new_credentials import REGISTERED_KINDS, NewCredential, NewCredentials
from dfns_login.models import CredentialKind
from dfns_login.verification.assertion import Fido2Assertion, KeyAssertion
from dfns_login.verification.attestation import Fido2Attestation, KeyAttestation
from dfns_login.verification.credential_id import parse_credential_id


class KeyAssertionBody(fields.Body):
    credId = fields.CredentialIdField()
    clientData = fields.TextField(allow_blank=True, max_length=fields.CLIENT_DATA_MAX_LENGTH)
    signature = fields.TextField(allow_blank=True, max_length=fields.SIGNATURE_MAX_LENGTH)


class Fido2AssertionBody(KeyAssertionBody):
    authenticatorData = fields.TextField(allow_blank=True, max_length=fields.AUTHENTICATOR_DATA_MAX_LENGTH)
    userHandle = fields.TextField(required=False, allow_blank=True, max_length=fields.UUID_MAX_LENGTH)


class ByKind(fields.Body):
    """A shape that depends on the value of one member.

    kind_field: the name of that member. kinds: the shape for each of its values.
    """

    kind_field: ClassVar[str]
    kinds: ClassVar[Mapping[str, type[fields.Body]]]

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        try:
            kind = self._choice.run_validation(data.get(self.kind_field, serializers.empty))
        except serializers.ValidationError as error:
            raise serializers.ValidationError({self.kind_field: error.detail}) from error
        return {**fields.validated(self.kinds[kind], data), self.kind_field: kind}

    @cached_property
    def _choice(self) -> serializers.ChoiceField:
        return serializers.ChoiceField(choices=list(self.kinds))


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
    secondFactor = FactorBody(required=False)


class AttestationBody(fields.Body):
    credId = fields.CredentialIdField()
    clientData = fields.TextField(max_length=fields.CLIENT_DATA_MAX_LENGTH)
    attestationData = fields.TextField(max_length=fields.ENVELOPE_MAX_LENGTH)
    transports = serializers.ListField(
        child=fields.TextField(max_length=fields.NAME_MAX_LENGTH), required=False, max_length=16
    )


class NewCredentialBody(fields.Body):
    credentialKind = fields.WordField(choices=REGISTERED_KINDS)
    credentialInfo = AttestationBody()
    credentialName = fields.TextField(required=False, allow_blank=True, max_length=fields.NAME_MAX_LENGTH)
    encryptedPrivateKey = fields.TextField(required=False, max_length=fields.ENVELOPE_MAX_LENGTH)


class NewCredentialsBody(fields.Body):
    firstFactorCredential = NewCredentialBody()
    secondFactorCredential = NewCredentialBody(required=False)
    recoveryCredential = NewCredentialBody(required=False)


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
