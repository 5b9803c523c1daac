"""`/auth/sessions…`, `/auth/activity`: an account's sessions and recent activity. Not part of the Dfns API."""

from typing import Any, Final

from django.contrib.auth import logout
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.fields import wire_time
from dfns_login.api.operations import Operation
from dfns_login.api.replies import SUCCESS, MessageReply, Reply
from dfns_login.api.view import AuthenticatedAPIView
from dfns_login.browsers import named_session
from dfns_login.ceremonies.own_sessions import SHOWN, list_activity, list_sessions
from dfns_login.ceremonies.sign_out import end_own_session
from dfns_login.errors import NotFound
from dfns_login.models import AuditEvent, AuditKind, Session

DIGITS_OF_AN_ID: Final = 18
FEW: Final = 20


class EndSessionBody(fields.Body):
    sessionId = fields.TextField(max_length=fields.UUID_MAX_LENGTH)


class ActivityQuery(fields.Query):
    limit = serializers.IntegerField(required=False, min_value=1, max_value=SHOWN, default=FEW)


class SessionReply(Reply):
    sessionId = serializers.CharField()
    dateCreated = fields.MomentField()
    dateLastSeen = fields.MomentField(help_text="To the minute.")
    dateExpires = fields.MomentField()
    isCurrent = serializers.BooleanField(help_text="Whether this request was made in this session.")
    address = serializers.CharField(allow_blank=True, help_text="Where it was opened from.")
    userAgent = serializers.CharField(allow_blank=True)


class SessionListReply(Reply):
    items = SessionReply(many=True)


class EventReply(Reply):
    kind = fields.WordField(choices=AuditKind.values)
    date = fields.MomentField()
    address = serializers.CharField(allow_blank=True, help_text="Empty if no request caused the event.")
    userAgent = serializers.CharField(allow_blank=True)


class ActivityReply(Reply):
    items = EventReply(many=True)


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

    @Operation(
        "listSessions",
        "List the account's open sessions",
        description=f"Newest first, at most {SHOWN}. Not part of the Dfns API.",
        reply=SessionListReply,
    )
    def get(self, request: Request) -> Response:
        found = list_sessions(self.session, now=self.now)
        return Response({"items": [session_item(each, current=self.session) for each in found]})


class EndSession(AuthenticatedAPIView):
    """`PUT /auth/sessions/end`."""

    @Operation(
        "endSession",
        "End a session of the account",
        description="The current session, or another one. Does nothing if it has ended. Not part of the Dfns API.",
        body=EndSessionBody,
        reply=MessageReply,
        refusals=(NotFound,),
    )
    def put(self, request: Request) -> Response:
        text = self.body()["sessionId"]
        if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS_OF_AN_ID):
            raise NotFound("not a session id")
        end_own_session(self.session, int(text), requester=self.requester, now=self.now)
        if named_session(self.django_request) == int(text):
            logout(self.django_request)
        return Response(SUCCESS)


class Activity(AuthenticatedAPIView):
    """`GET /auth/activity`."""

    @Operation(
        "listActivity",
        "List recent activity of the account",
        description="Newest first. Not part of the Dfns API.",
        query=ActivityQuery,
        reply=ActivityReply,
    )
    def get(self, request: Request) -> Response:
        found = list_activity(self.session, limit=self.query()["limit"])
        return Response({"items": [activity_item(each) for each in found]})
