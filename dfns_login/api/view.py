"""What every view of the API has in common: rates, bodies, the envelope, `no-store`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from dfns_login.api.authentication import (
    BrowserSessionAuthentication,
    HasSession,
    SessionTokenAuthentication,
    bearer_token,
)
from dfns_login.api.envelope import exception_handler
from dfns_login.api.fields import Body
from dfns_login.api.parsing import StrictJSONParser, drain
from dfns_login.browsers import drop_ended_session, known_device
from dfns_login.errors import NotFound, RateExceeded, TokenRefused
from dfns_login.limits import Rate, count_recipient, count_requester
from dfns_login.models import Session
from dfns_login.requester import Requester
from dfns_login.usernames import Recipient

if TYPE_CHECKING:
    from rest_framework.views import AsView

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
SUCCESS = {"message": "success"}


class JSONOnly(BaseContentNegotiation):
    """JSON whatever is asked for: the official clients read nothing else."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        content_type = str(request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002  the framework's signature
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class LoginAPIView(APIView):
    """A view of the API that anybody may call. An `Authorization` header is ignored.

    rates: counted by address before the body is read, and by name by `recipient`.
    scope: what is counted together; the view's own name unless views share it.
    """

    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    permission_classes: Sequence[type[BasePermission]] = ()
    throttle_classes: Sequence[type[BaseThrottle]] = ()
    parser_classes: Sequence[type[BaseParser]] = (StrictJSONParser,)
    renderer_classes: Sequence[type[BaseRenderer]] = (JSONRenderer,)
    content_negotiation_class = JSONOnly
    metadata_class = None
    versioning_class = None

    rates: ClassVar[Sequence[Rate]] = ()
    scope: ClassVar[str] = ""

    requester: Requester

    @classmethod
    def as_view(cls, **options: Any) -> "AsView[Any]":
        """The view, outside any transaction per request: a refusal must not roll back what it has counted."""
        view = super().as_view(**options)
        for alias in settings.DATABASES:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.now = timezone.now()
        self.requester = Requester.of(request._request)  # noqa: SLF001  Django's own
        count_requester(self.rates, requester=self.requester, scope=self.scope)
        super().initial(request, *args, **kwargs)

    def body(self, shape: type[Body]) -> Mapping[str, Any]:
        """The validated body. Raises ValidationError, and whatever the parser raises."""
        body = shape(data=self.request.data)
        body.is_valid(raise_exception=True)
        validated: Mapping[str, Any] = body.validated_data
        return validated

    def recipient(self, body: Mapping[str, Any]) -> Recipient:
        """Whom the body names, once the rates by name are counted: those of this very device, where it is known."""
        recipient = Recipient(organization=body["orgId"], username=body["username"])
        device = known_device(self.request._request, recipient=recipient, now=self.now)  # noqa: SLF001  its cookies
        self.requester = replace(self.requester, device=device)
        count_recipient(self.rates, recipient=recipient, scope=self.scope, device=device)
        return recipient

    def handle_exception(self, exc: Exception) -> Response:
        """The refusal, once its sender has sent all; but for who asks too often, who is not listened to."""
        response = super().handle_exception(exc)
        if response.status_code != RateExceeded.status:
            drain(self.request._request)  # noqa: SLF001  the framework's own request reads a body once
        return response

    def get_exception_handler(self) -> Callable[..., Response]:
        return exception_handler

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        if request.method not in SAFE_METHODS and not response.exception:
            drop_ended_session(request._request)  # noqa: SLF001  Django's own
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


class AuthenticatedAPIView(LoginAPIView):
    """A view of the API for whoever has a live session: by its token, or signed in on a page of ours."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (
        SessionTokenAuthentication,
        BrowserSessionAuthentication,
    )
    permission_classes: Sequence[type[BasePermission]] = (HasSession,)

    @property
    def session(self) -> Session:
        return cast("Session", self.request.auth)


class TemporaryTokenAPIView(LoginAPIView):
    """A view of the API that completes what a temporary token began."""

    @property
    def temporary_token(self) -> str:
        """The bearer. Raises TokenRefused where there is none."""
        token = bearer_token(self.request)
        if token is None:
            msg = "no temporary token"
            raise TokenRefused(msg)
        return token


class UnknownPath(LoginAPIView):
    """Answers for every path below `/auth/` that nothing stands at, whatever the method."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound
