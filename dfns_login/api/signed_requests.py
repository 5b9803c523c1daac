"""Require a user action on a view, so that the session's owner has to sign each request.

    class Payments(APIView):
        authentication_classes = [SessionTokenAuthentication]

        @user_action_required
        def post(self, request): ...

The decorator runs the method in a transaction and spends the user action in it. If the method raises an exception,
the action can be used again. `HasUserAction` does the same as a permission, for views that run in a transaction
already (`ATOMIC_REQUESTS`). Outside a transaction, it spends the action before the view runs.

The signature covers the method, the path and the JSON value of the body. Below a prefix, clients sign the whole path,
or the path without the prefix if it is part of their base URL, as the official Python client does. The signature does
not cover the query string, because the official clients don't sign it, so a view must not act on it.
"""

import codecs
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, RawPostDataException, UnreadablePostError
from django.urls import Resolver404, get_script_prefix
from django.utils import timezone
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from dfns_login.api.authentication import django_request
from dfns_login.api.envelope import api_exception
from dfns_login.api.parsing import BODY_LIMIT, parse_payload
from dfns_login.errors import (
    BodyRefused,
    BodyTooLarge,
    MediaTypeRefused,
    NotAuthorized,
    Refusal,
    UserActionRefused,
)
from dfns_login.models import Session, transaction
from dfns_login.paths import mount, resolve_path
from dfns_login.proofs import ActionRequest, RedeemedAction, redeem_user_action, spend_user_action
from dfns_login.requester import Requester

HEADER: Final = "HTTP_X_DFNS_USERACTION"

View = TypeVar("View", bound=APIView)
Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def user_action_required(
    method: Callable[Concatenate[View, Request, Arguments], Answer],
) -> Callable[Concatenate[View, Request, Arguments], Answer]:
    """Decorate a view's method to require a user action. The action is spent in the transaction that runs the method.

    For views that authenticate with `SessionTokenAuthentication`.
    Raises: what `redeem` does; UserActionSpent, if the user action was already used.
    """
    return _spending(method, acts_on=lambda _: ())


def user_action_on_account_required(
    method: Callable[Concatenate[View, Request, Arguments], Answer],
) -> Callable[Concatenate[View, Request, Arguments], Answer]:
    """Do what `user_action_required` does, for a method that acts on the account that its `user_id` names.

    Both accounts are locked first, ordered by id: operators who act on each other at once must not deadlock.
    """
    return _spending(method, acts_on=lambda named: (named["user_id"],))


def _spending(
    method: Callable[Concatenate[View, Request, Arguments], Answer],
    *,
    acts_on: Callable[[Mapping[str, Any]], Collection[str]],
) -> Callable[Concatenate[View, Request, Arguments], Answer]:
    @wraps(method)
    def signed(view: View, request: Request, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        try:
            redeemed = redeem(request)
            with transaction.atomic():
                requester = Requester.of(django_request(request))
                spend_user_action(redeemed, requester=requester, acts_on=acts_on(kwargs))
                return method(view, request, *args, **kwargs)
        except Refusal as refusal:
            raise api_exception(refusal, view=view) from refusal

    signed.requires_user_action = True  # type: ignore[attr-defined]  # for the OpenAPI document
    return cast("Callable[Concatenate[View, Request, Arguments], Answer]", signed)


class HasUserAction(BasePermission):
    """Require a user action, as a permission. See the module's docstring for when the action is spent."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        try:
            redeemed = redeem(request)
            with transaction.atomic():
                spend_user_action(redeemed, requester=Requester.of(django_request(request)))
        except Refusal as refusal:
            raise api_exception(refusal, view=view) from refusal
        return True


def redeem(request: Request) -> RedeemedAction:
    """Return the request's user action, not yet spent.

    Raises: NotAuthorized, without a session; UserActionRefused, if there is no user action or it does not cover the
    request; what `signed_payload` does.
    """
    session: Any = request.auth
    if not isinstance(session, Session):
        raise NotAuthorized("no session")
    token = request.META.get(HEADER)
    if not token:
        raise UserActionRefused("no user action")
    payload = signed_payload(django_request(request))  # from the bytes, because the view may use any parser
    asked = ActionRequest(method=str(request.method), path=request.path, payload=payload)
    return redeem_user_action(str(token), asked, *_below_mount(asked), session=session, now=timezone.now())


def _below_mount(asked: ActionRequest) -> Iterator[ActionRequest]:
    """Yield the request as a client signs it whose base URL contains the mount: with the path below it.

    Nothing, if a REST framework view is served at that path too: the signature is for that view.
    """
    prefix = mount()
    if prefix == "/" or not asked.path.startswith(prefix):
        return
    path = f"/{asked.path.removeprefix(prefix)}"
    try:
        other = getattr(resolve_path(path).func, "cls", None) if path.startswith(get_script_prefix()) else None
    except Resolver404:
        other = None
    if other is None:
        yield replace(asked, path=path, mount=prefix.removesuffix("/"))


def signed_payload(request: HttpRequest) -> object:
    """Return the JSON value of the request's body.

    Raises: MediaTypeRefused, if the body is not declared as JSON in UTF-8, because a view might then read something
    other than what was signed; UserActionRefused, if it is not JSON; BodyTooLarge; BodyRefused, if reading it fails.
    """
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise BodyTooLarge(type(error).__name__) from error
    except UnreadablePostError as error:
        raise BodyRefused(type(error).__name__) from error
    except RawPostDataException as error:
        raise UserActionRefused("the view read the body before its user action was checked") from error
    if len(body) > BODY_LIMIT:
        raise BodyTooLarge("body over the limit")
    if body and not _is_declared_as_json(request):
        raise MediaTypeRefused("signed body not declared as JSON in UTF-8")
    try:
        return parse_payload(body)
    except BodyRefused as error:
        raise UserActionRefused("signed body not JSON") from error


def _is_declared_as_json(request: HttpRequest) -> bool:
    try:
        charset = codecs.lookup((request.content_params or {}).get("charset", "utf-8")).name
    except LookupError:
        return False
    return request.content_type == "application/json" and charset == "utf-8"
