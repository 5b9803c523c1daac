"""`/auth/openapi.json`: this API, described. The file beside this module is made by `make openapi`."""

from functools import cache
from importlib.resources import files

from django.http import HttpResponse
from rest_framework.request import Request

from dfns_login.api.view import LoginAPIView


class OpenAPI(LoginAPIView):
    """`GET /auth/openapi.json`."""

    def get(self, request: Request) -> HttpResponse:  # noqa: ARG002
        return HttpResponse(
            document(), content_type="application/json", headers={"Cache-Control": "public, max-age=300"}
        )


@cache
def document() -> bytes:
    """The OpenAPI 3.1 document, as it is packaged."""
    return files("dfns_login.api").joinpath("openapi.json").read_bytes()
