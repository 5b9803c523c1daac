"""`/.well-known/jwks.json`: the public keys that verify our tokens (RFC 7517 §5)."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.operations import Operation
from dfns_login.api.replies import Reply
from dfns_login.api.view import LoginAPIView
from dfns_login.key_rings import public_token_keys


class TokenKey(Reply):
    kty = fields.WordField(choices=["EC"])
    crv = fields.WordField(choices=["P-256"])
    x = serializers.CharField()
    y = serializers.CharField()
    kid = serializers.CharField()
    alg = fields.WordField(choices=["ES256"])
    use = fields.WordField(choices=["sig"])


class TokenKeysReply(Reply):
    keys = TokenKey(many=True)


class TokenKeys(LoginAPIView):
    """`GET /.well-known/jwks.json`."""

    @Operation(
        "listTokenKeys",
        "List the public keys that verify tokens",
        description="JSON Web Key Set (RFC 7517).",
        reply=TokenKeysReply,
        reads_database=False,
    )
    def get(self, request: Request) -> Response:
        return Response(public_token_keys(), headers={"Cache-Control": "public, max-age=300"})
