"""`/auth/openapi.json`: the OpenAPI document of this API. `make openapi` writes the file beside this module."""

from functools import cache
from importlib.resources import files

from django.http import HttpResponse
from rest_framework.request import Request

from dfns_login.api.operations import Operation
from dfns_login.api.view import LoginAPIView


class OpenAPI(LoginAPIView):
    """`GET /auth/openapi.json`."""

    @Operation("describe", "Get this document", reads_database=False)
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(
            document(), content_type="application/json", headers={"Cache-Control": "public, max-age=300"}
        )


@cache
def document() -> bytes:
    """Return the OpenAPI 3.1 document from the package."""
    return files("dfns_login.api").joinpath("openapi.json").read_bytes()
