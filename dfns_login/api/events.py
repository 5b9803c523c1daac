"""`/auth/events`: the audit trail, for operators. Not part of the Dfns API."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.fields import wire_time
from dfns_login.api.operations import Operation
from dfns_login.api.replies import Reply
from dfns_login.api.view import AuthenticatedAPIView
from dfns_login.ceremonies.audit_trail import PAGE, Entry, Selection, list_events
from dfns_login.errors import NotPermitted
from dfns_login.models import AuditKind

LAST_ID = 2**63 - 1


class ListEventsQuery(fields.Query):
    limit = serializers.IntegerField(required=False, min_value=1, max_value=PAGE, default=PAGE)
    paginationToken = serializers.IntegerField(required=False, min_value=0, max_value=LAST_ID, default=0)
    since = fields.MomentField(required=False, default=None, help_text="Events from this time on.")
    until = fields.MomentField(required=False, default=None, help_text="Events before this time.")


class AuditEventReply(Reply):
    id = serializers.IntegerField()
    kind = fields.WordField(choices=AuditKind.values)
    date = fields.MomentField()
    userId = serializers.CharField(allow_null=True, help_text="Null for an event of the organization.")
    orgId = serializers.CharField()
    address = serializers.CharField(allow_blank=True, help_text="Empty if no request caused the event.")
    userAgent = serializers.CharField(allow_blank=True)
    requestId = serializers.CharField(allow_blank=True, help_text="Also in the log lines of the request.")
    detail = serializers.DictField(help_text="Depends on the kind.")
    evidence = serializers.DictField(allow_null=True, help_text="What was signed, if something was signed.")
    position = serializers.IntegerField(allow_null=True, help_text="In the chain. Null until the event is chained.")
    mac = serializers.CharField(allow_null=True, help_text="Of the chain's link, in hexadecimal digits.")


class AuditEventListReply(Reply):
    items = AuditEventReply(many=True)
    nextPageToken = serializers.CharField(required=False, help_text="Absent on the last page.")


def event_reply(entry: Entry) -> dict[str, Any]:
    event, link = entry.event, entry.link
    return {
        "id": event.pk,
        "kind": event.kind,
        "date": wire_time(event.at),
        "userId": event.account_id,
        "orgId": event.organization_id,
        "address": event.address,
        "userAgent": event.agent,
        "requestId": event.request_id,
        "detail": event.detail,
        "evidence": event.evidence,
        "position": link.position if link else None,
        "mac": bytes(link.mac).hex() if link else None,
    }


class Events(AuthenticatedAPIView):
    """`GET /auth/events`."""

    @Operation(
        "listEvents",
        "List the audit events of the organization",
        description=f"Oldest first, at most {PAGE} on a page. Not part of the Dfns API.",
        query=ListEventsQuery,
        reply=AuditEventListReply,
        refusals=(NotPermitted,),
    )
    def get(self, request: Request) -> Response:
        query = self.query()
        wanted = Selection(since=query["since"], until=query["until"])
        page = list_events(self.session, wanted, after=query["paginationToken"], limit=query["limit"])
        reply: dict[str, Any] = {"items": [event_reply(each) for each in page.entries]}
        if page.next_id:
            reply["nextPageToken"] = str(page.next_id)
        return Response(reply)
