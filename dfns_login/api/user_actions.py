"""`/auth/action…`: wire shapes on top, views below."""

from typing import ClassVar, Final

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.login import SECOND_FACTOR
from dfns_login.api.operations import Operation
from dfns_login.api.parsing import BODY_LIMIT, parse_payload
from dfns_login.api.replies import Reply, SigningChallengeReply, signing_challenge_reply
from dfns_login.api.shapes import SignedChallengeBody, factor_answer, second_factor_answer
from dfns_login.api.view import AuthenticatedAPIView
from dfns_login.ceremonies.user_actions import ActionAnswer, complete_action, open_action
from dfns_login.errors import BodyRefused, ChallengeRefused
from dfns_login.limits import LOGIN_RATES
from dfns_login.proofs import ActionRequest, announced_path

METHODS: Final = ("POST", "PUT", "PATCH", "DELETE", "GET")


class ActionChallengeBody(fields.Body):
    userActionPayload = fields.TextField(allow_blank=True, max_length=BODY_LIMIT)
    userActionHttpMethod = fields.WordField(choices=METHODS)
    userActionHttpPath = fields.TextField(max_length=fields.CLIENT_DATA_MAX_LENGTH)
    userActionServerKind = fields.TextField(required=False, max_length=fields.NAME_MAX_LENGTH)
    ephemeralPublicKey = fields.EphemeralKeyField()


class UserActionReply(Reply):
    userAction = serializers.CharField(help_text="JWT for the `X-DFNS-USERACTION` header of one request.")


def announced_payload(text: str) -> object:
    """Return the JSON value that a client announces. Raises BodyRefused."""
    try:
        return parse_payload(text.encode())
    except BodyRefused as error:
        raise BodyRefused(error.reason, details={"userActionPayload": ["Enter JSON, or nothing."]}) from error


class CreateActionChallenge(AuthenticatedAPIView):
    """`POST /auth/action/init`."""

    rates: ClassVar = LOGIN_RATES
    scope = "action_init"

    @Operation(
        "createUserActionChallenge",
        "Announce a request to sign",
        description=(
            "The signature is valid for exactly this method, path and payload. Payloads are compared as JSON values."
        ),
        body=ActionChallengeBody,
        reply=SigningChallengeReply,
    )
    def post(self, request: Request) -> Response:
        body = self.body()
        asked = ActionRequest(
            method=body["userActionHttpMethod"],
            path=announced_path(body["userActionHttpPath"]),
            payload=announced_payload(body["userActionPayload"]),
        )
        opened = open_action(self.session, asked, requester=self.requester, now=self.now)
        return Response(signing_challenge_reply(opened, reader=body.get("ephemeralPublicKey")))


class CompleteAction(AuthenticatedAPIView):
    """`POST /auth/action`."""

    rates: ClassVar = LOGIN_RATES
    scope = "action"

    @Operation(
        "createUserActionSignature",
        "Sign the announced request",
        description=SECOND_FACTOR,
        body=SignedChallengeBody,
        reply=UserActionReply,
        refusals=(ChallengeRefused,),
    )
    def post(self, request: Request) -> Response:
        body = self.body()
        answer = ActionAnswer(
            challenge_identifier=body["challengeIdentifier"],
            first_factor=factor_answer(body["firstFactor"]),
            second_factor=second_factor_answer(body),
        )
        token = complete_action(answer, session=self.session, requester=self.requester, now=self.now)
        return Response({"userAction": token})
