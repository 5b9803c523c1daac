"""Serializer fields for request bodies. They validate strictly and never convert one type into another."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Final

from django.utils.translation import get_language
from rest_framework import serializers
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from dfns_login.models import ID_MAX_LENGTH, ORGANIZATION_ID
from dfns_login.usernames import canonical_username
from dfns_login.verification.credential_id import parse_credential_id
from dfns_login.verification.encoding import EncodingError
from dfns_login.verification.ephemeral_key import EphemeralKey, parse_ephemeral_key

CODE_MAX_LENGTH: Final = 64
CLIENT_DATA_MAX_LENGTH: Final = 8 * 1024
RECOVERY_CLIENT_DATA_MAX_LENGTH: Final = 48 * 1024
"""Larger, because its challenge contains the new credentials."""
AUTHENTICATOR_DATA_MAX_LENGTH: Final = 8 * 1024
EMAIL_MAX_LENGTH: Final = 254
SIGNATURE_MAX_LENGTH: Final = 2 * 1024
TOKEN_MAX_LENGTH: Final = 4 * 1024
CREDENTIAL_ID_MAX_LENGTH: Final = 1368
ENVELOPE_MAX_LENGTH: Final = 16 * 1024
NAME_MAX_LENGTH: Final = 200
UUID_MAX_LENGTH: Final = ID_MAX_LENGTH


class Body(serializers.Serializer[Any]):
    """The shape of a request body. Unknown members are ignored. `null` for an optional member is absence."""

    def get_fields(self) -> dict[str, "serializers.Field[Any, Any, Any, Any]"]:
        members = super().get_fields()
        for field in members.values():
            field.allow_null = not field.required  # for the OpenAPI document
        return members

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            optional = self._optional
            data = {name: value for name, value in data.items() if value is not None or name not in optional}
        return super().to_internal_value(data)

    @cached_property
    def _optional(self) -> frozenset[str]:
        return frozenset(name for name, field in self.fields.items() if not field.required)


class Query(serializers.Serializer[Any]):
    """The shape of a query string. Unknown parameters are ignored."""


@lru_cache(maxsize=1024)
def _shared(shape: type[serializers.Serializer[Any]], _language: str | None) -> serializers.Serializer[Any]:
    """Return a serializer to validate any data with. Its messages stay in the language of its first use."""
    return shape()


def validated(shape: type[serializers.Serializer[Any]], data: object) -> Mapping[str, Any]:
    """Validate data of this shape. Raises: ValidationError.

    The serializer is reused, because making one takes longer than validating with it.
    """
    found: Mapping[str, Any] = _shared(shape, get_language()).run_validation(data)
    return found


class NoSurrogates(ProhibitSurrogateCharactersValidator):
    """REST framework's validator, skipped for ASCII, which has no surrogates: it checks each character in Python."""

    def __call__(self, value: Any) -> None:
        if not str(value).isascii():
            super().__call__(value)


class TextField(serializers.CharField):
    """Text, unchanged. Numbers and booleans are rejected."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})
        slow = ProhibitSurrogateCharactersValidator
        self.validators = [NoSurrogates() if isinstance(each, slow) else each for each in self.validators]

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class FlagField(serializers.BooleanField):
    """True or false. Numbers and text are rejected."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class WordField(serializers.ChoiceField):
    """One of several words."""


class UsernameField(TextField):
    """A username, validated and converted to its canonical form."""

    default_error_messages: ClassVar = {"not_a_username": "Enter a valid username."}

    def to_internal_value(self, data: Any) -> str:
        try:
            return canonical_username(super().to_internal_value(data))
        except ValueError:
            self.fail("not_a_username")


class OrganizationIdField(TextField):
    """The id of an organization, which need not exist."""

    default_error_messages: ClassVar = {"not_an_id": "Enter a valid organization id."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not ORGANIZATION_ID.fullmatch(text):
            self.fail("not_an_id")
        return text


class CredentialIdField(TextField):
    """A credential id: base64url of at most 1023 bytes, unchanged."""

    default_error_messages: ClassVar = {"not_a_credential_id": "Enter base64url of 1 to 1023 bytes."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": CREDENTIAL_ID_MAX_LENGTH, **options})

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            parse_credential_id(text)
        except ValueError:
            self.fail("not_a_credential_id")
        return text


class EphemeralKeyField(serializers.Field[EphemeralKey, Any, Any, Any]):
    """A public key of P-256 that the client made for this reply, parsed. Optional."""

    default_error_messages: ClassVar = {"not_a_key": "Enter base64url of an uncompressed point of P-256."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"required": False, **options})

    def to_internal_value(self, data: Any) -> EphemeralKey:
        try:
            return parse_ephemeral_key(data if isinstance(data, str) else "")
        except EncodingError:
            self.fail("not_a_key")


class MomentField(serializers.Field[datetime, Any, str, Any]):
    """A time: ISO 8601 with an offset, or Unix seconds."""

    default_error_messages: ClassVar = {"not_a_moment": "Enter an ISO 8601 time with an offset, or Unix seconds."}

    def to_internal_value(self, data: Any) -> datetime:
        try:
            if isinstance(data, str):
                moment = datetime.fromisoformat(data)
            elif isinstance(data, (int, float)) and not isinstance(data, bool):
                moment = datetime.fromtimestamp(data, UTC)
            else:
                self.fail("not_a_moment")
            if moment.tzinfo is None:
                self.fail("not_a_moment")
            return moment.astimezone(UTC)  # overflows near the years 1 and 9999
        except (ValueError, OverflowError, OSError):
            self.fail("not_a_moment")

    def to_representation(self, value: datetime) -> str:
        return wire_time(value)


class OrganizationBody(Body):
    """A body that names an organization: as `orgId` or, as newer clients and documentation do, as `tenantId`."""

    orgId = OrganizationIdField()
    tenantId = OrganizationIdField(required=False)

    default_error_messages: ClassVar = {"differs": "It differs from orgId."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (tenant := data.get("tenantId")) is not None:
            data = {**data, "orgId": tenant} if data.get("orgId") is None else data
            if data["orgId"] != tenant:
                raise serializers.ValidationError({"tenantId": [self.error_messages["differs"]]})
        return super().to_internal_value(data)


def wire_time(moment: datetime) -> str:
    """Format as ISO 8601 in UTC with milliseconds: `2023-01-11T19:05:06.773Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
