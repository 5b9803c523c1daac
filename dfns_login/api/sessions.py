"""`/auth/sessions…`, `/auth/activity`: what an account's owner sees of it. Ours, not of the Dfns API."""

from typing import Any, Final

from django.contrib.auth import logout
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.fields import wire_time
from dfns_login.api.view import SUCCESS, AuthenticatedAPIView
from dfns_login.browsers import named_session
from dfns_login.ceremonies.own_sessions import SHOWN, list_activity, list_sessions
from dfns_login.ceremonies.sign_out import end_own_session
from dfns_login.errors import NotFound
from dfns_login.models import AuditEvent, Session

DIGITS_OF_AN_ID: Final = 18
FEW: Final = 20


class EndSessionBody(fields.Body):
    sessionId = fields.TextField(max_length=fields.UUID_MAX_LENGTH)


class ActivityQuery(fields.Body):
    limit = serializers.IntegerField(required=False, min_value=1, max_value=SHOWN, default=FEW)


def session_item(session: Session, *, current: Session) -> dict[str, Any]:
    return {
        "sessionId": str(session.pk),
        "dateCreated": wire_time(session.issued_at),
        "dateLastSeen": wire_time(session.last_seen_at),
        "dateExpires": wire_time(session.expires_at),
        "isCurrent": session.pk == current.pk,
        "address": session.address,
        "userAgent": session.agent,
    }


def activity_item(event: AuditEvent) -> dict[str, Any]:
    return {"kind": event.kind, "date": wire_time(event.at), "address": event.address, "userAgent": event.agent}


class Sessions(AuthenticatedAPIView):
    """`GET /auth/sessions`."""

    def get(self, request: Request) -> Response:  # noqa: ARG002
        found = list_sessions(self.session, now=self.now)
        return Response({"items": [session_item(each, current=self.session) for each in found]})


class EndSession(AuthenticatedAPIView):
    """`PUT /auth/sessions/end`."""

    def put(self, request: Request) -> Response:
        text = self.body(EndSessionBody)["sessionId"]
        if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS_OF_AN_ID):
            msg = "not a session id"
            raise NotFound(msg)
        end_own_session(self.session, int(text), requester=self.requester, now=self.now)
        plain = request._request  # noqa: SLF001  Django's own session
        if named_session(plain) == int(text):
            logout(plain)
        return Response(SUCCESS)


class Activity(AuthenticatedAPIView):
    """`GET /auth/activity`."""

    def get(self, request: Request) -> Response:
        query = ActivityQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        found = list_activity(self.session, limit=query.validated_data["limit"])
        return Response({"items": [activity_item(each) for each in found]})
