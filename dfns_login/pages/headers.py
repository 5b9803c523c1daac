"""Security headers of the pages (R-90 to R-93)."""

import re
from collections.abc import Callable, MutableMapping
from functools import wraps
from typing import Any, Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static

TRUSTED_TYPES_POLICY: Final = "dfns-login"
"""The only Trusted Types policy that scripts may create. It allows the workers' addresses and nothing else."""

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

WORKERS: Final = re.compile(r"/dfns_login/dist/(envelope|strength)\.worker(\.[0-9a-f]{12})?\.js$")
"""URLs of the workers' scripts, with or without a hash."""

Page = Callable[..., HttpResponse]


def content_security_policy() -> str:
    """Return the content security policy of the pages, which allows this site and the origin of its static files.

    Scripts may send requests to this site alone, and fetch the list of words from wherever it is.
    """
    origin, words = _elsewhere("dfns_login/pages.css"), _elsewhere("dfns_login/dist/words.json")
    own = f"'self' {'/'.join(origin.split('/')[:3])}".strip()
    directives = {
        "default-src": "'none'",
        "script-src": own,
        "style-src": own,
        "img-src": f"{own} data:",
        "font-src": own,
        "connect-src": f"'self' {words}".strip(),
        "worker-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": TRUSTED_TYPES_POLICY,
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def add_worker_policy(headers: MutableMapping[str, str], _path: str, url: str) -> None:
    """Add the pages' policy to the responses with the workers' scripts.

    A worker has the policy that its own script is served with, not that of the page.
    For WhiteNoise's setting `WHITENOISE_ADD_HEADERS_FUNCTION`.
    """
    if WORKERS.search(url):
        headers["Content-Security-Policy"] = content_security_policy()


def guarded(page: Page) -> Page:
    """Decorate a view to set these headers on every response."""

    @wraps(page)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ANN401  the URL's arguments
        response = page(request, *args, **kwargs)
        for name, value in {**HEADERS, "Content-Security-Policy": content_security_policy()}.items():
            response.headers[name] = value
        return response

    return answer


def _elsewhere(name: str) -> str:
    """Return the URL of a static file without its query if it is on another origin, else an empty text."""
    parts = urlsplit(static(name))
    return parts._replace(scheme=parts.scheme or "https", query="").geturl() if parts.netloc else ""
