"""Shapes that several ceremonies share on the wire."""

from typing import ClassVar

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from dfns_login.api import fields
from dfns_login.ceremonies.credentials import FIRST_FACTORS
from dfns_login.conf import login_settings


class KeyAssertionBody(fields.Body):
    credId = fields.CredentialIdField()
    clientData = fields.TextField(allow_blank=True, max_length=fields.CLIENT_DATA_MAX_LENGTH)
    signature = fields.TextField(allow_blank=True, max_length=fields.SIGNATURE_MAX_LENGTH)


class FirstFactorBody(fields.Body):
    kind = serializers.ChoiceField(choices=FIRST_FACTORS)
    credentialAssertion = KeyAssertionBody()


class KeyAttestationBody(fields.Body):
    credId = fields.CredentialIdField()
    clientData = fields.TextField(max_length=fields.CLIENT_DATA_MAX_LENGTH)
    attestationData = fields.TextField(max_length=fields.ENVELOPE_MAX_LENGTH)


class NewCredentialBody(fields.Body):
    credentialKind = serializers.ChoiceField(choices=FIRST_FACTORS)
    credentialInfo = KeyAttestationBody()
    credentialName = fields.TextField(required=False, allow_blank=True, max_length=fields.NAME_MAX_LENGTH)
    encryptedPrivateKey = fields.TextField(required=False, max_length=fields.ENVELOPE_MAX_LENGTH)


class NotServed(serializers.Field):  # type: ignore[type-arg]
    """A member that the contract knows and that is not served: refused rather than dropped in silence."""

    default_error_messages: ClassVar = {"not_served": _("This is not served yet.")}

    def to_internal_value(self, data: object) -> None:
        if data is not None:
            self.fail("not_served")


def relying_party() -> dict[str, str]:
    conf = login_settings()
    return {"id": conf.rp_id, "name": conf.rp_name}
