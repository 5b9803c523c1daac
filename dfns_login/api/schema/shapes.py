"""What drf-spectacular cannot read from our shapes: fields of our own, and shapes that depend on a kind."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.hooks import postprocess_schema_enums
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentIdentity, ResolvedComponent, force_instance
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import Direction

from dfns_login.api import fields
from dfns_login.api.sessions import CURSOR, CursorField
from dfns_login.api.shapes import ByKind, NewCredentialBody
from dfns_login.ceremonies.factors import SIGNING_KINDS
from dfns_login.ceremonies.new_credentials import REGISTERED_KINDS, WITH_ENVELOPE
from dfns_login.models import ORGANIZATION_ID, CredentialKind
from dfns_login.usernames import WRITTEN_MAX_LENGTH

Schema = dict[str, Any]


class _TextExtension(OpenApiSerializerFieldExtension):
    """Adds what the field checks in code."""

    checked: ClassVar[Mapping[str, Any]]

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        schema: Schema = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)  # noqa: SLF001  the extension's documented way
        schema.pop("nullable", None)
        if isinstance(schema["type"], list):  # drf-spectacular adds "null" again
            schema["type"] = schema["type"][0]
        return {**schema, **self.checked}


class UsernameExtension(_TextExtension):
    target_class = fields.UsernameField
    checked: ClassVar = {"maxLength": WRITTEN_MAX_LENGTH}


class OrganizationIdExtension(_TextExtension):
    target_class = fields.OrganizationIdField
    checked: ClassVar = {"pattern": f"^{ORGANIZATION_ID.pattern}$"}


class CredentialIdExtension(_TextExtension):
    target_class = fields.CredentialIdField
    checked: ClassVar = {"pattern": "^[A-Za-z0-9_-]{2,}={0,2}$"}


class OrganizationBodyExtension(OpenApiSerializerExtension):
    """One of the two names of the organization is required."""

    target_class = fields.OrganizationBody
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        body = force_instance(self.target)
        body.fields["orgId"].allow_null = True  # beside a `tenantId`
        schema: Schema = auto_schema._map_serializer(body, direction, bypass_extensions=True)  # noqa: SLF001
        others = [each for each in schema.pop("required") if each != "orgId"]
        either = [
            {"required": [*others, name], "properties": {name: {"type": "string"}}} for name in ("orgId", "tenantId")
        ]
        return schema | {"anyOf": either}


class MomentExtension(OpenApiSerializerFieldExtension):
    target_class = fields.MomentField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        moment = {"type": "string", "format": "date-time"}
        if direction == "response":
            return {**moment, "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
        return {"oneOf": [moment, {"type": "number", "description": "Unix seconds."}]}


class CursorExtension(OpenApiSerializerFieldExtension):
    target_class = CursorField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        return {"type": "string", "pattern": f"^{CURSOR.pattern}$"}


class EphemeralKeyExtension(OpenApiSerializerFieldExtension):
    target_class = fields.EphemeralKeyField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        return {
            "type": "string",
            "pattern": "^B[A-Za-z0-9_-]{86}$",
            "description": "Uncompressed point of P-256 as base64url. Released keys are encrypted to it by HPKE.",
        }


class WordExtension(OpenApiSerializerFieldExtension):
    target_class = fields.WordField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        words = _words(self.target.choices)
        nullable = direction == "request" and self.target.allow_null
        return {**words, "nullable": True} if nullable else words


class ByKindExtension(OpenApiSerializerExtension):
    """One component for each shape. The member that names the kind is the discriminator."""

    target_class = ByKind
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        by_shape: dict[type[fields.Body], list[str]] = {}
        for kind, shape in self.target.kinds.items():
            by_shape.setdefault(shape, []).append(kind)
        variants: dict[str, Schema] = {}
        for shape, kinds in by_shape.items():
            schema = auto_schema._map_serializer(shape, direction)  # noqa: SLF001
            reference = _component(
                auto_schema, shape.__name__, _of_kinds(schema, member=self.target.kind_field, kinds=kinds)
            )
            variants |= dict.fromkeys(kinds, reference)
        return _one_of(variants, member=self.target.kind_field)


class NewCredentialExtension(OpenApiSerializerExtension):
    """One component for each kind that is allowed in this place."""

    target_class = NewCredentialBody
    match_subclasses = True

    places: Final = {
        "firstFactorCredential": ("SigningCredential", SIGNING_KINDS),
        "secondFactorCredential": ("SigningCredential", SIGNING_KINDS),
        "recoveryCredential": ("RecoveryCredential", (CredentialKind.RECOVERY_KEY,)),
    }

    def get_name(self, auto_schema: AutoSchema, direction: Direction) -> str:
        return f"{self._place()[0]}Body"

    def get_identity(self, auto_schema: AutoSchema, direction: Direction) -> Any:
        return ComponentIdentity(self.get_name(auto_schema, direction))

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        name, kinds = self._place()
        schemas = {kind.value: self._schema(kind, auto_schema, direction) for kind in kinds}
        if len(schemas) == 1:
            return next(iter(schemas.values()))
        variants = {kind: _component(auto_schema, f"{kind}{name}Body", schema) for kind, schema in schemas.items()}
        return _one_of(variants, member="credentialKind")

    def _place(self) -> tuple[str, tuple[CredentialKind, ...]]:
        itself = (type(self.target).__name__.removesuffix("Body"), REGISTERED_KINDS)
        return self.places.get(self.target.field_name or "", itself)

    def _schema(self, kind: CredentialKind, auto_schema: AutoSchema, direction: Direction) -> Schema:
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # noqa: SLF001
        schema = _of_kinds(schema, member="credentialKind", kinds=[kind.value])
        if kind not in WITH_ENVELOPE:
            del schema["properties"]["encryptedPrivateKey"]
        elif kind == CredentialKind.PASSWORD_PROTECTED_KEY:
            schema["required"] = sorted([*schema["required"], "encryptedPrivateKey"])
        return schema


def _words(words: Iterable[str]) -> Schema:
    """An enumeration. It is wrapped where drf-spectacular would name it, and warn that other fields share its name."""
    schema = {"type": "string", "enum": [str(word) for word in words]}
    hooks = spectacular_settings.POSTPROCESSING_HOOKS
    return {"oneOf": [schema]} if postprocess_schema_enums in hooks else schema


def _of_kinds(schema: Schema, *, member: str, kinds: Iterable[str]) -> Schema:
    words = _words(kinds)
    properties = {member: words} | schema["properties"] | {member: words}
    return schema | {"properties": properties, "required": sorted({*schema["required"], member})}


def _component(auto_schema: AutoSchema, name: str, schema: Schema) -> Schema:
    component = ResolvedComponent(
        name=name, type=ResolvedComponent.SCHEMA, schema=schema, object=ComponentIdentity(name)
    )
    auto_schema.registry.register_on_missing(component)
    reference: Schema = component.ref
    return reference


def _one_of(variants: Mapping[str, Schema], *, member: str) -> Schema:
    distinct = {reference["$ref"]: reference for reference in variants.values()}
    mapping = {kind: reference["$ref"] for kind, reference in variants.items()}
    return {"oneOf": list(distinct.values()), "discriminator": {"propertyName": member, "mapping": mapping}}
