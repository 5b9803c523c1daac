"""`/.well-known/jwks.json`: the public halves of the token ring (RFC 7517 §5)."""

from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api.view import LoginAPIView
from dfns_login.key_rings import public_token_keys


class TokenKeys(LoginAPIView):
    """`GET /.well-known/jwks.json`."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        return Response(public_token_keys(), headers={"Cache-Control": "public, max-age=300"})
