"""The OpenAPI 3.1 document of the API, which drf-spectacular makes from the views and the examples here."""

import json
import tomllib
from pathlib import Path
from typing import Any, Final

from django.conf import global_settings
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiExample
from drf_spectacular.validation import validate_schema
from rest_framework.views import APIView

from dfns_login import __version__
from dfns_login.api.schema.operations import OperationSchema
from dfns_login.api.urls import urlpatterns
from project.openapi.examples import REPLIES, REQUESTS

ROOT: Final = Path(__file__).resolve().parent.parent.parent
FILE: Final = ROOT / "dfns_login" / "api" / "openapi.json"
SETTINGS: Final[dict[str, Any]] = {
    "OAS_VERSION": "3.1.1",
    "TITLE": "dfns_login",
    "DESCRIPTION": (
        "The Dfns authentication API, served by this project. JSON in, JSON out.\n\n"
        "Unknown members of a body are ignored. So are the headers `X-DFNS-APPID`, `X-DFNS-NONCE` and "
        "`x-dfns-sdk-version`, and `Authorization` on operations that need no token.\n\n"
        'Every error is `{"error": {"message", "code", "details"?}}`. Besides the errors of each operation: 404 '
        "`not_found` for an unknown path below `/auth/`, and 405 `method_not_allowed`."
    ),
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "DISABLE_DOCSTRING_DESCRIPTIONS": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "CAMELIZE_NAMES": True,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enum_id_removal"],
}


class DocumentRefused(Exception):
    """drf-spectacular has a warning, or the document is not valid."""


class SchemaWithExamples(OperationSchema):
    def get_examples(self) -> list[OpenApiExample]:
        body, reply = self.declared.body, self.declared.reply
        requests = REQUESTS[body] if body else {}
        replies = REPLIES[reply] if reply else {}
        return [
            *(OpenApiExample(name, value=value, request_only=True) for name, value in requests.items()),
            *(OpenApiExample(name, value=value, response_only=True) for name, value in replies.items()),
        ]


class DocumentGenerator(SchemaGenerator):
    """Reads every view by `SchemaWithExamples`."""

    def create_view(self, callback: Any, method: str, request: Any = None) -> APIView:
        view: APIView = super().create_view(callback, method, request)
        self._set_schema_to_view(view, SchemaWithExamples())
        return view


def make_document() -> dict[str, Any]:
    """Return the document. Raises DocumentRefused at any warning, and if it is not valid OpenAPI."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    made = {
        "VERSION": __version__,
        "LICENSE": {"name": project["license"], "identifier": project["license"]},
    }
    with patched_settings(SETTINGS | made), GENERATOR_STATS.silence():
        document: dict[str, Any] = DocumentGenerator(patterns=urlpatterns).get_schema(public=True)
    document["components"]["securitySchemes"]["browserSession"]["name"] = global_settings.SESSION_COOKIE_NAME
    if GENERATOR_STATS:
        raise DocumentRefused([*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache])  # noqa: SLF001
    validate_schema(document)
    return document


def to_text(document: dict[str, Any]) -> str:
    """Return the document as the file has it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
