"""What a browser is told with every page: who may run, load, frame, keep and refer to it (R-90 to R-93)."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static

TRUSTED_TYPES_POLICY: Final = "dfns-login"
"""The one Trusted Types policy that the pages' scripts have: it passes the address of the worker, and nothing else."""

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self), "
    "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Page = Callable[..., HttpResponse]


def content_security_policy() -> str:
    """Policy of the pages: nothing but their own scripts, styles, images and requests.

    Scripts and styles also from where static files are served, if that is another origin.
    """
    own = " ".join(filter(None, ["'self'", _static_origin()]))
    directives = {
        "default-src": "'none'",
        "script-src": own,
        "style-src": own,
        "img-src": f"{own} data:",
        "font-src": own,
        "connect-src": "'self'",
        "worker-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": TRUSTED_TYPES_POLICY,
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def guarded(page: Page) -> Page:
    """The view with these headers on whatever it answers."""

    @wraps(page)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ANN401  whatever its path has
        response = page(request, *args, **kwargs)
        for name, value in {**HEADERS, "Content-Security-Policy": content_security_policy()}.items():
            response.headers[name] = value
        return response

    return answer


def _static_origin() -> str:
    parts = urlsplit(static("dfns_login/pages.css"))
    return f"{parts.scheme or 'https'}://{parts.netloc}" if parts.netloc else ""
