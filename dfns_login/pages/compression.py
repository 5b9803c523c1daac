"""Compression of pages with nothing to guess in them (docs/decisions/0029-weight-of-the-pages.md)."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

try:
    import brotli
except ImportError:  # WhiteNoise's extra `brotli` installs it
    brotli = None

ACCEPTS_BROTLI: Final = re.compile(r"\bbr\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
QUALITY: Final = 5
"""A page takes half a millisecond, and is a tenth smaller than with gzip. The best quality takes 16 ms."""

_PLAIN: Final = "_dfns_login_plain"
"""Attribute of a request whose page must not be compressed."""

Page = Callable[..., HttpResponse]


def leave_uncompressed(request: HttpRequest) -> None:
    """Leave the page that answers this request as it is, because it says something about the person."""
    setattr(request, _PLAIN, True)


def compressed(page: Page) -> Page:
    """Decorate a view to compress its pages with brotli or, without the package or for other browsers, with gzip."""
    gzip = GZipMiddleware(page)

    @wraps(page)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ANN401  the URL's arguments
        response = page(request, *args, **kwargs)
        if hasattr(request, _PLAIN) or not response.content:
            return response
        if brotli is None or not ACCEPTS_BROTLI.search(request.headers.get("Accept-Encoding", "")):
            gzip.process_response(request, response)  # in place
            return response
        patch_vary_headers(response, ["Accept-Encoding"])
        response.content = brotli.compress(response.content, quality=QUALITY)
        response["Content-Encoding"] = "br"
        response["Content-Length"] = str(len(response.content))
        return response

    return answer
