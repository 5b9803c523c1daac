"""`/auth/sessions…`, `/auth/activity`: an account's sessions and recent activity. Not part of the Dfns API."""

import re
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

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
from dfns_login.ceremonies.activity import SHOWN as MOST_ACTS
from dfns_login.ceremonies.activity import Cursor, list_activity
from dfns_login.ceremonies.acts import Act, Category
from dfns_login.ceremonies.own_sessions import SHOWN, list_sessions
from dfns_login.ceremonies.sign_out import end_other_sessions, end_own_session
from dfns_login.errors import NotFound
from dfns_login.models import AuditKind, CredentialKind, Session

DIGITS_OF_AN_ID: Final = 18
FEW: Final = 20
EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MICROSECOND: Final = timedelta(microseconds=1)
CURSOR: Final = re.compile(r"[0-9]{1,17}(-[0-9]{1,18}){1,120}")
"""Microseconds, the id of an event, and the ids of later events that pages before it have."""
CATEGORIES: Final = {"signIns": Category.SIGN_INS, "changes": Category.CHANGES}


class EndSessionBody(fields.Body):
    sessionId = fields.TextField(max_length=fields.UUID_MAX_LENGTH)


class CursorField(serializers.Field[Cursor, Any, Any, Any]):
    """Where a page of the activity begins, as the page before said."""

    default_error_messages: ClassVar = {"not_a_token": "Enter the nextPageToken of the page before."}

    def to_internal_value(self, data: Any) -> Cursor:
        if not CURSOR.fullmatch(data):
            self.fail("not_a_token")
        micros, first, *taken = map(int, data.split("-"))
        return Cursor(at=EPOCH + micros * MICROSECOND, pk=first, taken=frozenset(taken))


class ActivityQuery(fields.Query):
    limit = serializers.IntegerField(required=False, min_value=1, max_value=MOST_ACTS, default=FEW)
    paginationToken = CursorField(required=False, default=None)
    category = fields.WordField(required=False, choices=list(CATEGORIES), default="")


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


class NamedCredential(Reply):
    credentialUuid = serializers.CharField()
    kind = fields.WordField(choices=CredentialKind.values)
    name = serializers.CharField(help_text="As it is named now.")


class ActReply(Reply):
    kind = fields.WordField(choices=AuditKind.values)
    date = fields.MomentField()
    address = serializers.CharField(
        allow_blank=True, help_text="Empty if an operator acted, or no request caused the event."
    )
    userAgent = serializers.CharField(allow_blank=True)
    includes = serializers.ListField(
        child=fields.WordField(choices=AuditKind.values), help_text="Kinds of the events that are part of this act."
    )
    credential = NamedCredential(allow_null=True, help_text="The credential that it is about.")
    byOperator = serializers.BooleanField(help_text="Whether an operator did it.")
    sessions = serializers.IntegerField(allow_null=True, help_text="How many sessions it ended, if it ends several.")
    endedUserAgent = serializers.CharField(
        allow_blank=True, help_text="User agent of the session that it ended. Empty if it ended several, or none."
    )
    purpose = serializers.CharField(
        allow_blank=True, help_text="Of a code or a released key: what it is for. A `CodePurpose`, or `action`."
    )
    request = serializers.CharField(
        allow_blank=True, help_text="Method and path of a confirmed request that stores no event of its own."
    )


class ActivityReply(Reply):
    items = ActReply(many=True)
    nextPageToken = serializers.CharField(
        required=False, help_text="Absent on the last page. A page before it may be short, or empty."
    )


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


def page_token(cursor: Cursor) -> str:
    return "-".join(map(str, ((cursor.at - EPOCH) // MICROSECOND, cursor.pk, *sorted(cursor.taken))))


def activity_item(act: Act) -> dict[str, Any]:
    event, named = act.event, act.credential
    is_request = event.kind == AuditKind.ACTION_USED
    return {
        "kind": event.kind,
        "date": wire_time(act.at),
        "address": "" if act.by_operator else event.address,
        "userAgent": "" if act.by_operator else event.agent,
        "includes": act.includes,
        "credential": {"credentialUuid": named.pk, "kind": named.kind, "name": named.name} if named else None,
        "byOperator": act.by_operator,
        "sessions": event.detail.get("sessions"),
        "endedUserAgent": act.ended.agent if act.ended else "",
        "purpose": event.detail.get("purpose", ""),
        "request": f"{event.detail['method']} {event.detail['path']}" if is_request else "",
    }


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


class EndOtherSessions(AuthenticatedAPIView):
    """`PUT /auth/sessions/end-others`."""

    @Operation(
        "endOtherSessions",
        "End every other session of the account",
        description="Open codes, challenges and user actions are void afterwards. Not part of the Dfns API.",
        reply=MessageReply,
    )
    def put(self, request: Request) -> Response:
        self.body()
        end_other_sessions(self.session, requester=self.requester, now=self.now)
        return Response(SUCCESS)


class Activity(AuthenticatedAPIView):
    """`GET /auth/activity`."""

    @Operation(
        "listActivity",
        "List what happened to the account",
        description="Newest first. One item for each act, with the steps that led to it. Not part of the Dfns API.",
        query=ActivityQuery,
        reply=ActivityReply,
    )
    def get(self, request: Request) -> Response:
        query = self.query()
        category = CATEGORIES.get(query["category"])
        page = list_activity(self.session, category=category, cursor=query["paginationToken"], limit=query["limit"])
        reply: dict[str, Any] = {"items": [activity_item(each) for each in page.acts]}
        if page.following:
            reply["nextPageToken"] = page_token(page.following)
        return Response(reply)
