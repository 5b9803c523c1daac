"""The OpenAPI 3.1 document of the API, made by drf-spectacular from the views, their shapes and `operations.py`."""

import json
import tomllib
from pathlib import Path
from typing import Any, Final, cast

from django.conf import global_settings
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from drf_spectacular.validation import validate_schema
from rest_framework.permissions import SAFE_METHODS
from rest_framework.views import APIView

from dfns_login.api import users
from dfns_login.api.browser import CompleteBrowserLogin
from dfns_login.api.urls import urlpatterns
from dfns_login.api.view import AuthenticatedAPIView, LoginAPIView, TemporaryTokenAPIView, UnknownPath
from project.openapi import shapes  # noqa: F401  its extensions register themselves
from project.openapi.examples import ANSWERS, REQUESTS
from project.openapi.operations import OPERATIONS, Operation, refusals_of
from project.openapi.refused import responses, shared_responses
from project.openapi.replies import RefusedReply

ROOT: Final = Path(__file__).resolve().parent.parent.parent
FILE: Final = ROOT / "dfns_login" / "api" / "openapi.json"
TAGS: Final = frozenset(
    {"login", "logout", "registration", "credentials", "sessions", "activity", "action", "recover", "users"}
)
USER_ACTION: Final = OpenApiParameter(
    "X-DFNS-USERACTION",
    location=OpenApiParameter.HEADER,
    required=True,
    description="User action for this very request, from `POST /auth/action`.",
)
USER_ID: Final = OpenApiParameter(
    "user_id", location=OpenApiParameter.PATH, description="`us-…`", pattern=f"^{users.USER_ID.pattern}$"
)
SETTINGS: Final[dict[str, Any]] = {
    "OAS_VERSION": "3.1.1",
    "TITLE": "dfns_login",
    "DESCRIPTION": (
        "The Dfns authentication API, served by this project. JSON in, JSON out.\n\n"
        "Members of a body that a shape does not name are ignored. The headers `X-DFNS-APPID`, `X-DFNS-NONCE` and "
        "`x-dfns-sdk-version` are accepted and ignored, and so is `Authorization` where no token is asked for.\n\n"
        'Every refusal is `{"error": {"message", "code", "details"?}}`. Besides those of each operation: 404 '
        "`not_found` for a path below `/auth/` where nothing stands, and 405 `method_not_allowed`."
    ),
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "DISABLE_DOCSTRING_DESCRIPTIONS": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "CAMELIZE_NAMES": True,
    "POSTPROCESSING_HOOKS": ["project.openapi.document.drop_enum_ids"],
}


class DocumentRefused(Exception):
    """drf-spectacular has a warning, or the document is not valid."""


class OperationSchema(AutoSchema):
    """Tells drf-spectacular what `operations.py` says of a view's method."""

    @property
    def view_class(self) -> type[LoginAPIView]:
        return cast("type[LoginAPIView]", type(self.view))

    @property
    def described(self) -> Operation:
        return OPERATIONS[self.view_class, self.method]

    def is_excluded(self) -> bool:
        return isinstance(self.view, UnknownPath)

    def get_operation(self, *arguments: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*arguments)
        if operation is not None:
            if self.described.body and any(field.required for field in self.described.body().fields.values()):
                operation["requestBody"]["required"] = True  # drf-spectacular sees no required member in a `oneOf`
            self.resolve_serializer(RefusedReply, "response")
            operation["responses"] |= responses(refusals_of(self.view_class, self.method))
        return operation

    def get_operation_id(self) -> str:
        return self.described.name

    def get_summary(self) -> str:
        return self.described.summary

    def get_description(self) -> str:  # type: ignore[override]  # drf-spectacular's signature, not the framework's
        return self.described.description

    def get_tags(self) -> list[str]:
        first, second = self.path.strip("/").split("/")[:2]
        tag = second if first == "auth" else first
        return [tag if tag in TAGS else "metadata"]

    def is_deprecated(self) -> bool:
        return self.described.deprecated

    def get_auth(self) -> list[dict[str, list[str]]]:
        csrf: dict[str, list[str]] = {} if self.method in SAFE_METHODS else {"csrfToken": []}
        if isinstance(self.view, AuthenticatedAPIView):
            return [{"sessionToken": []}, {"browserSession": [], **csrf}]
        if isinstance(self.view, TemporaryTokenAPIView):
            return [{"temporaryToken": []}]
        return [csrf] if isinstance(self.view, CompleteBrowserLogin) else []

    def get_request_serializer(self) -> Any:
        return self.described.body

    def get_response_serializers(self) -> Any:
        return {200: OpenApiResponse(self.described.reply or {"type": "object"}, description="Done.")}

    def get_override_parameters(self) -> list[Any]:
        found: list[Any] = [USER_ID] if "{user_id}" in self.path else []
        if self.described.query:
            found.append(self.described.query)
        return [*found, USER_ACTION] if self.described.signed else found

    def get_examples(self) -> list[OpenApiExample]:
        body, reply = self.described.body, self.described.reply
        asked = REQUESTS[body] if body else {}
        answered = ANSWERS[reply] if reply else {}
        return [
            *(OpenApiExample(name, value=value, request_only=True) for name, value in asked.items()),
            *(OpenApiExample(name, value=value, response_only=True) for name, value in answered.items()),
        ]


class DocumentGenerator(SchemaGenerator):
    """Reads every view by `OperationSchema`, whatever the project's `DEFAULT_SCHEMA_CLASS`."""

    def create_view(self, callback: Any, method: str, request: Any = None) -> APIView:
        view: APIView = super().create_view(callback, method, request)
        self._set_schema_to_view(view, OperationSchema())
        return view


def drop_enum_ids(result: Any, **_: Any) -> Any:
    """Drop drf-spectacular's own marks: its hook that reads them would name each enumeration."""
    if isinstance(result, dict):
        return {name: drop_enum_ids(each) for name, each in result.items() if name != "x-spec-enum-id"}
    return [drop_enum_ids(each) for each in result] if isinstance(result, list) else result


def make_document() -> dict[str, Any]:
    """The document. Raises DocumentRefused at any warning, and where it is not valid OpenAPI."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    token = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    made = {
        "VERSION": project["version"],
        "LICENSE": {"name": project["license"], "identifier": project["license"]},
        "APPEND_COMPONENTS": {
            "responses": shared_responses(),
            "securitySchemes": {
                "sessionToken": {**token, "description": "From `POST /auth/login`."},
                "browserSession": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": global_settings.SESSION_COOKIE_NAME,
                    "description": "From `POST /login/complete`; named as the project names its sessions' cookie.",
                },
                "csrfToken": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-CSRFToken",
                    "description": "CSRF token of the page, wherever a cookie vouches for what changes something.",
                },
                "temporaryToken": {**token, "description": "`temporaryAuthenticationToken` of the challenge."},
            },
        },
    }
    with patched_settings(SETTINGS | made), GENERATOR_STATS.silence():
        document: dict[str, Any] = DocumentGenerator(patterns=urlpatterns).get_schema(public=True)
    if GENERATOR_STATS:
        raise DocumentRefused([*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache])  # noqa: SLF001
    validate_schema(document)
    return document


def written(document: dict[str, Any]) -> str:
    """The document as the file has it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
