"""`/auth/users…`: wire shapes on top, views below."""

import re
from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.operations import Operation
from dfns_login.api.replies import Reply
from dfns_login.api.signed_requests import user_action_on_account_required, user_action_required
from dfns_login.api.view import AuthenticatedAPIView
from dfns_login.ceremonies import users
from dfns_login.ceremonies.users import PAGE
from dfns_login.errors import NotFound, NotPermitted, UserExists
from dfns_login.models import ID_MAX_LENGTH, Account, AccountKind, AccountState

USER_ID: Final = re.compile(rf"us-[A-Za-z0-9_-]{{1,{ID_MAX_LENGTH - 3}}}")


OF_ONE_USER: Final = (NotPermitted, NotFound)


class CreateUserBody(fields.Body):
    email = fields.TextField(max_length=fields.EMAIL_MAX_LENGTH)
    kind = fields.WordField(choices=AccountKind.values)


class ListUsersQuery(fields.Query):
    limit = serializers.IntegerField(required=False, min_value=1, max_value=PAGE, default=PAGE)
    paginationToken = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=fields.UUID_MAX_LENGTH
    )
    kind = fields.WordField(choices=AccountKind.values, required=False, default=None)


class UserReply(Reply):
    username = serializers.CharField()
    name = serializers.CharField()
    userId = serializers.CharField()
    kind = fields.WordField(choices=AccountKind.values)
    credentialUuid = serializers.CharField(allow_blank=True, help_text="The oldest credential. Empty if there is none.")
    orgId = serializers.CharField()
    permissions = serializers.ListField(child=serializers.CharField(), max_length=0)
    isActive = serializers.BooleanField()
    isServiceAccount = serializers.BooleanField()
    isRegistered = serializers.BooleanField()
    isSSORequired = serializers.BooleanField()
    permissionAssignments = serializers.ListField(child=serializers.CharField(), max_length=0)


class UserListReply(Reply):
    items = UserReply(many=True)
    nextPageToken = serializers.CharField(required=False, help_text="Absent on the last page.")


def user_reply(account: Account) -> dict[str, Any]:
    first: str | None = getattr(account, "first_credential", None)
    return {
        "username": account.username,
        "name": account.username,
        "userId": account.pk,
        "kind": account.kind,
        "credentialUuid": first or "",
        "orgId": account.organization_id,
        "permissions": [],
        "isActive": account.state != AccountState.DEACTIVATED,
        "isServiceAccount": False,
        "isRegistered": account.state == AccountState.REGISTERED or first is not None,
        "isSSORequired": False,
        "permissionAssignments": [],
    }


class Users(AuthenticatedAPIView):
    """`POST` and `GET /auth/users`."""

    @Operation(
        "listUsers",
        "List the organization's accounts",
        query=ListUsersQuery,
        reply=UserListReply,
        refusals=(NotPermitted,),
    )
    def get(self, request: Request) -> Response:
        asked = self.query()
        kind = AccountKind(asked["kind"]) if asked["kind"] else None
        page = users.list_users(self.session, after=asked["paginationToken"], limit=asked["limit"], kind=kind)
        reply: dict[str, Any] = {"items": [user_reply(each) for each in page.accounts]}
        return Response(reply | ({"nextPageToken": page.next_id} if page.next_id else {}))

    @Operation(
        "createUser",
        "Invite a user",
        description="Emails a registration code.",
        body=CreateUserBody,
        reply=UserReply,
        refusals=(NotPermitted, UserExists),
    )
    @user_action_required
    def post(self, request: Request) -> Response:
        body = self.body()
        account = users.create_user(
            self.session, email=body["email"], kind=AccountKind(body["kind"]), requester=self.requester, now=self.now
        )
        return Response(user_reply(account))


class UserAPIView(AuthenticatedAPIView):
    """A view of one account. An id of the wrong form is never looked up: PostgreSQL does not accept NUL."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not USER_ID.fullmatch(kwargs["user_id"]):
            raise NotFound("not an account id")


class User(UserAPIView):
    """`GET` and `DELETE /auth/users/:userId`."""

    @Operation("getUser", "Get an account", reply=UserReply, refusals=OF_ONE_USER)
    def get(self, request: Request, user_id: str) -> Response:
        return Response(user_reply(users.get_user(self.session, user_id)))

    @Operation(
        "archiveUser",
        "Delete an account",
        description="Deletes its credentials and sessions too.",
        reply=UserReply,
        refusals=OF_ONE_USER,
    )
    @user_action_on_account_required
    def delete(self, request: Request, user_id: str) -> Response:
        self.body()
        account = users.delete_user(self.session, user_id, requester=self.requester, now=self.now)
        return Response({**user_reply(account), "isActive": False})


class ActivateUser(UserAPIView):
    """`PUT /auth/users/:userId/activate`."""

    @Operation(
        "activateUser",
        "Activate an account",
        description="Does nothing if it is active.",
        reply=UserReply,
        refusals=OF_ONE_USER,
    )
    @user_action_on_account_required
    def put(self, request: Request, user_id: str) -> Response:
        self.body()
        return Response(user_reply(users.activate_user(self.session, user_id, requester=self.requester, now=self.now)))


class DeactivateUser(UserAPIView):
    """`PUT /auth/users/:userId/deactivate`."""

    @Operation(
        "deactivateUser",
        "Deactivate an account",
        description="Its sessions end. Does nothing if it is not active.",
        reply=UserReply,
        refusals=OF_ONE_USER,
    )
    @user_action_on_account_required
    def put(self, request: Request, user_id: str) -> Response:
        self.body()
        return Response(
            user_reply(users.deactivate_user(self.session, user_id, requester=self.requester, now=self.now))
        )
