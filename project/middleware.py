"""Middleware of the project: a content security policy, and Django's middleware that requests of the API skip."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

API: Final = "/auth/"
POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class ContentSecurityPolicyMiddleware:
    """Add the policy to every response without one, such as those of the start page, the admin and error pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


if TYPE_CHECKING:
    from django.utils.deprecation import MiddlewareMixin as _Middleware
else:
    _Middleware = object


class _PagesOnly(_Middleware):
    """Leaves requests of the API alone."""

    def __call__(self, request: HttpRequest) -> Any:  # noqa: ANN401  a response, or a coroutine that returns one
        return self.get_response(request) if request.path_info.startswith(API) else super().__call__(request)


class PagesLocaleMiddleware(_PagesOnly, LocaleMiddleware):
    """Choose the language of a page. Replies of the API are in `LANGUAGE_CODE`."""

    def __call__(self, request: HttpRequest) -> Any:  # noqa: ANN401
        translation.deactivate()  # Django leaves the thread in the language of its last page
        return super().__call__(request)


class PagesMessageMiddleware(_PagesOnly, MessageMiddleware):
    """Store messages for the next page."""
