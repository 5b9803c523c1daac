"""Our views, as drf-spectacular reads them: what their methods declare as `Operation`."""

from typing import Any, Final, cast

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from dfns_login.api import users
from dfns_login.api.authentication import BrowserSessionAuthentication, SignedInBrowser
from dfns_login.api.browser import CompleteBrowserLogin
from dfns_login.api.operations import Operation, operation_of
from dfns_login.api.replies import RefusedReply
from dfns_login.api.schema.authentication import CSRF_TOKEN, TEMPORARY_TOKEN
from dfns_login.api.schema.refusals import refusals_of, requires_user_action, responses
from dfns_login.api.view import LoginAPIView, TemporaryTokenAPIView, UnknownPath

TAGS: Final = frozenset(
    {"login", "logout", "registration", "credentials", "sessions", "activity", "action", "recover", "users"}
)
USER_ACTION: Final = OpenApiParameter(
    "X-DFNS-USERACTION",
    location=OpenApiParameter.HEADER,
    required=True,
    description="User action for this request, from `POST /auth/action`.",
)
USER_ID: Final = OpenApiParameter(
    "user_id", location=OpenApiParameter.PATH, description="`us-…`", pattern=f"^{users.USER_ID.pattern}$"
)


class OperationSchema(AutoSchema):
    """Reads what a view declares about its method."""

    @property
    def view_class(self) -> type[LoginAPIView]:
        return cast("type[LoginAPIView]", type(self.view))

    @property
    def declared(self) -> Operation:
        return operation_of(self.view_class, self.method)

    def is_excluded(self) -> bool:
        return isinstance(self.view, UnknownPath)

    def get_operation(self, *arguments: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*arguments)
        if operation is not None:
            if self.declared.body and any(field.required for field in self.declared.body().fields.values()):
                operation["requestBody"]["required"] = True  # drf-spectacular sees no required member in a `oneOf`
            self.resolve_serializer(RefusedReply, "response")
            refusals = refusals_of(self.view_class, self.method)
            operation["responses"] |= responses(refusals, registry=self.registry)
        return operation

    def get_operation_id(self) -> str:
        return self.declared.name

    def get_summary(self) -> str:
        return self.declared.summary

    def get_description(self) -> str:  # type: ignore[override]  # drf-spectacular's signature, not the framework's
        return self.declared.description

    def get_tags(self) -> list[str]:
        return [next((step for step in self.path.split("/") if step in TAGS), "metadata")]

    def is_deprecated(self) -> bool:
        return self.declared.deprecated

    def get_auth(self) -> list[dict[str, list[str]]]:
        if isinstance(self.view, TemporaryTokenAPIView):
            return self._requires("temporaryToken", TEMPORARY_TOKEN, identity=TemporaryTokenAPIView)
        if isinstance(self.view, CompleteBrowserLogin):
            return self._requires("csrfToken", CSRF_TOKEN, identity=BrowserSessionAuthentication)
        if SignedInBrowser in self.view.authentication_classes:
            return []  # anybody may call it
        return super().get_auth()

    def _requires(self, name: str, definition: dict[str, Any], *, identity: type) -> list[dict[str, list[str]]]:
        kind = ResolvedComponent.SECURITY_SCHEMA
        scheme = ResolvedComponent(name=name, type=kind, schema=definition, object=identity)
        self.registry.register_on_missing(scheme)
        return [{name: []}]

    def get_request_serializer(self) -> Any:
        return self.declared.body

    def get_response_serializers(self) -> Any:
        return {200: OpenApiResponse(self.declared.reply or {"type": "object"}, description="Done.")}

    def get_override_parameters(self) -> list[Any]:
        found: list[Any] = [USER_ID] if "{user_id}" in self.path else []
        if self.declared.query:
            found.append(self.declared.query)
        return [*found, USER_ACTION] if requires_user_action(self.view_class, self.method) else found


class LoginViewExtension(OpenApiViewExtension):
    """Has drf-spectacular read our views by `OperationSchema`, whatever the project's `DEFAULT_SCHEMA_CLASS`."""

    target_class = LoginAPIView
    match_subclasses = True

    def view_replacement(self) -> type[LoginAPIView]:
        view: type[LoginAPIView] = self.target
        return type(view.__name__, (view,), {"schema": OperationSchema()})
