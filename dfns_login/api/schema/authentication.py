"""Security schemes: our authentication classes, on our views and on those of the project."""

from typing import Any, Final

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.permissions import SAFE_METHODS

from dfns_login.api.authentication import BrowserSessionAuthentication, SessionTokenAuthentication

BEARER: Final = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
TEMPORARY_TOKEN: Final = {**BEARER, "description": "`temporaryAuthenticationToken` of the challenge."}
CSRF_TOKEN: Final = {
    "type": "apiKey",
    "in": "header",
    "name": "X-CSRFToken",
    "description": "CSRF token of the page. Required with the session cookie for methods that change something.",
}


class SessionTokenScheme(OpenApiAuthenticationExtension):
    target_class = SessionTokenAuthentication
    name = "sessionToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {**BEARER, "description": "From `POST /auth/login`."}


class BrowserSessionScheme(OpenApiAuthenticationExtension):
    target_class = BrowserSessionAuthentication
    name = ["browserSession", "csrfToken"]  # noqa: RUF012  as the base class declares it

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[Any]]:
        return {"browserSession": []} if auto_schema.method in SAFE_METHODS else {"browserSession": [], "csrfToken": []}

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        session = {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "From `POST /login/complete`. The project's settings name the cookie.",
        }
        return [session, CSRF_TOKEN]
