"""`/auth/credentials…`: wire shapes on top, views below."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api.fields import wire_time
from dfns_login.api.view import AuthenticatedAPIView
from dfns_login.ceremonies.credentials import list_credentials
from dfns_login.conf import login_settings
from dfns_login.models import Credential
from dfns_login.verification.public_keys import public_key_pem


def credential_item(credential: Credential) -> dict[str, Any]:
    conf = login_settings()
    return {
        "kind": credential.kind,
        "credentialId": credential.credential_id,
        "credentialUuid": credential.pk,
        "dateCreated": wire_time(credential.created_at),
        "isActive": credential.active,
        "name": credential.name,
        "publicKey": public_key_pem(bytes(credential.public_key)),
        "relyingPartyId": conf.rp_id,
        "origin": credential.origin or conf.issuer,
    }


class ListCredentials(AuthenticatedAPIView):
    """`GET /auth/credentials`."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        return Response({"items": [credential_item(each) for each in list_credentials(self.session.account)]})
