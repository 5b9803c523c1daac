"""Settings for `tests/conformance`: a project that front ends of other origins use (docs/how-to/front-end.md)."""

from corsheaders.defaults import default_headers

from tests.support.live_settings import *  # noqa: F403
from tests.support.live_settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [*INSTALLED_APPS, "corsheaders"]
MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *MIDDLEWARE]
CORS_ALLOWED_ORIGIN_REGEXES = [r"^http://localhost:\d+$"]
CORS_ALLOW_HEADERS = [*default_headers, "x-dfns-useraction", "x-dfns-sdk-version"]
CORS_EXPOSE_HEADERS = ["Retry-After", "X-Request-ID"]
