"""What all views of the API have in common: rates, bodies, the error envelope, `no-store`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
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
    django_request,
)
from dfns_login.api.envelope import HEADERS, exception_handler
from dfns_login.api.fields import Body, Query, validated
from dfns_login.api.operations import operation_of
from dfns_login.api.parsing import StrictJSONParser, drain
from dfns_login.api.request_body import read_body
from dfns_login.api.slow_senders import slow_senders
from dfns_login.browsers import drop_ended_session, forget_browser_session, known_device
from dfns_login.errors import NotFound, RateExceeded, TokenRefused
from dfns_login.limits import BY_NAME, Rate, count_request
from dfns_login.models import Session
from dfns_login.proofs import REQUEST_DEADLINE
from dfns_login.requester import Requester, request_id
from dfns_login.usernames import Recipient

if TYPE_CHECKING:
    from rest_framework.views import AsView


class JSONOnly(BaseContentNegotiation):
    """JSON, whatever the client accepts. The official clients read nothing else."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        content_type = str(request.content_type or "").partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class LoginAPIView(APIView):
    """A public view of the API. It ignores the `Authorization` header.

    rates: counted in one call to the cache. Rates by address alone are counted before the body is read. With a rate by
    user or organization, all are counted in `count_recipient`; a request refused earlier is counted by address.
    scope: requests with the same scope share their rates.
    """

    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    permission_classes: Sequence[type[BasePermission]] = ()
    throttle_classes: Sequence[type[BaseThrottle]] = ()
    parser_classes: Sequence[type[BaseParser]] = (StrictJSONParser,)
    renderer_classes: Sequence[type[BaseRenderer]] = (JSONRenderer,)
    content_negotiation_class = JSONOnly
    metadata_class = None
    versioning_class = None

    reads_body: ClassVar = True
    """The body has been read when the request is authenticated, unless it is too long."""

    rates: ClassVar[Sequence[Rate]] = ()
    scope: ClassVar[str] = ""

    requester: Requester
    _bounds: ExitStack
    _counted = True  # until `initial` knows whom to count

    @classmethod
    def as_view(cls, **options: Any) -> "AsView[Any]":
        """Return the view, exempt from `ATOMIC_REQUESTS`: a refusal must not roll back what was counted."""
        view = super().as_view(**options)
        for alias in settings.DATABASES:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with ExitStack() as self._bounds:
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.requester = Requester.of(self.django_request)
        self._counted = False
        if not any(rate.subject in BY_NAME for rate in self.rates):
            self.count_requester()
        self._bounds.enter_context(slow_senders.reading_ends(self.django_request, after=REQUEST_DEADLINE))
        if read_body(self.django_request):
            forget_browser_session(self.django_request)  # middleware looked it up before the body had arrived
        self.now = timezone.now()
        super().initial(request, *args, **kwargs)

    def perform_authentication(self, request: Request) -> None:
        """Authenticate the request, unless the view is public: REST framework would create an anonymous user."""
        if self.authentication_classes:
            super().perform_authentication(request)

    @property
    def django_request(self) -> HttpRequest:
        return django_request(self.request)

    def body(self) -> Mapping[str, Any]:
        """Return the body, validated by the operation's `body`. Raises ValidationError, and what the parser raises."""
        return validated(operation_of(self, self.request.method).body or Body, self.request.data)

    def query(self) -> Mapping[str, Any]:
        """Return the query, validated by the operation's `query`. Raises ValidationError."""
        return validated(operation_of(self, self.request.method).query or Query, self.request.query_params.dict())

    def count_requester(self) -> None:
        """Count the request by address alone, if it has not been counted. Raises RateExceeded."""
        if not self._counted:
            self._counted = True
            count_request(self.rates, requester=self.requester, scope=self.scope)

    def count_recipient(self, body: Mapping[str, Any], *, rates: Sequence[Rate] | None = None) -> Recipient:
        """Count the request by address and by the recipient that the body names, and return the recipient.

        Raises RateExceeded.

        rates: instead of the view's own.

        Sets `requester.device`. A device that the account has signed in with before has rates of its own.
        """
        recipient = Recipient(organization=body["orgId"], username=body["username"])
        device = known_device(self.django_request, recipient=recipient, now=self.now)
        self.requester = replace(self.requester, device=device)
        self._counted = True
        count_request(rates or self.rates, requester=self.requester, recipient=recipient, scope=self.scope)
        return recipient

    def handle_exception(self, exc: Exception) -> Response:
        """Read the rest of the body before refusing: a client that is cut off never reads the refusal.

        Except when rate-limited: that request must stay cheap.
        """
        try:
            self.count_requester()
        except Exception as failure:  # noqa: BLE001  the client gets the error envelope, whatever failed
            exc = failure
        response = super().handle_exception(exc)
        if response.status_code != RateExceeded.status:
            drain(self.django_request)
        return response

    def get_exception_handler(self) -> Callable[..., Response]:
        return exception_handler

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        if request.method not in SAFE_METHODS and not response.exception:
            drop_ended_session(self.django_request)
        response.headers["X-Request-ID"] = request_id(self.django_request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response


class AuthenticatedAPIView(LoginAPIView):
    """A view of the API that requires a session: by its token, or by signing in on one of our pages."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (
        SessionTokenAuthentication,
        BrowserSessionAuthentication,
    )
    permission_classes: Sequence[type[BasePermission]] = (HasSession,)

    @property
    def session(self) -> Session:
        return cast("Session", self.request.auth)


class TemporaryTokenAPIView(LoginAPIView):
    """A view of the API that completes a ceremony. The bearer is the temporary token that opened it."""

    @property
    def temporary_token(self) -> str:
        """The bearer token. Raises TokenRefused if there is none."""
        token = bearer_token(self.request)
        if token is None:
            raise TokenRefused("no temporary token")
        return token


class UnknownPath(LoginAPIView):
    """Refuses every path below `/auth/` that has no view, whatever the method."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound
