"""`/auth/users…`: wire shapes on top, views below."""

import re
from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from dfns_login.api import fields
from dfns_login.api.signed_requests import user_action_required
from dfns_login.api.view import AuthenticatedAPIView
from dfns_login.ceremonies import users
from dfns_login.ceremonies.users import PAGE
from dfns_login.errors import NotFound
from dfns_login.models import ID_MAX_LENGTH, Account, AccountKind, AccountState

USER_ID: Final = re.compile(rf"us-[A-Za-z0-9_-]{{1,{ID_MAX_LENGTH - 3}}}")


class CreateUserBody(fields.Body):
    email = fields.TextField(max_length=fields.EMAIL_MAX_LENGTH)
    kind = serializers.ChoiceField(choices=AccountKind.choices)


class ListUsersQuery(fields.Body):
    limit = serializers.IntegerField(required=False, min_value=1, max_value=PAGE, default=PAGE)
    paginationToken = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=fields.UUID_MAX_LENGTH
    )
    kind = serializers.ChoiceField(choices=AccountKind.choices, required=False, default=None)


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

    def get(self, request: Request) -> Response:
        query = ListUsersQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        kind = AccountKind(asked["kind"]) if asked["kind"] else None
        page = users.list_users(self.session, after=asked["paginationToken"], limit=asked["limit"], kind=kind)
        reply: dict[str, Any] = {"items": [user_reply(each) for each in page.accounts]}
        return Response(reply | ({"nextPageToken": page.next_id} if page.next_id else {}))

    @user_action_required
    def post(self, request: Request) -> Response:  # noqa: ARG002
        body = self.body(CreateUserBody)
        account = users.create_user(
            self.session, email=body["email"], kind=AccountKind(body["kind"]), requester=self.requester, now=self.now
        )
        return Response(user_reply(account))


class UserAPIView(AuthenticatedAPIView):
    """A view of one account, by the id in its path. What is no id is not looked up: PostgreSQL takes no NUL."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not USER_ID.fullmatch(kwargs["user_id"]):
            msg = "not an account id"
            raise NotFound(msg)


class User(UserAPIView):
    """`GET` and `DELETE /auth/users/:userId`."""

    def get(self, request: Request, user_id: str) -> Response:  # noqa: ARG002
        return Response(user_reply(users.get_user(self.session, user_id)))

    @user_action_required
    def delete(self, request: Request, user_id: str) -> Response:  # noqa: ARG002
        self.body(fields.Body)
        account = users.delete_user(self.session, user_id, requester=self.requester, now=self.now)
        return Response({**user_reply(account), "isActive": False})


class ActivateUser(UserAPIView):
    """`PUT /auth/users/:userId/activate`."""

    @user_action_required
    def put(self, request: Request, user_id: str) -> Response:  # noqa: ARG002
        self.body(fields.Body)
        return Response(user_reply(users.activate_user(self.session, user_id, requester=self.requester, now=self.now)))


class DeactivateUser(UserAPIView):
    """`PUT /auth/users/:userId/deactivate`."""

    @user_action_required
    def put(self, request: Request, user_id: str) -> Response:  # noqa: ARG002
        self.body(fields.Body)
        return Response(
            user_reply(users.deactivate_user(self.session, user_id, requester=self.requester, now=self.now))
        )
