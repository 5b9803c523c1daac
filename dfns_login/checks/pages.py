"""System checks of a project that includes the pages.

| id | problem |
| --- | --- |
| `dfns_login.E060` | a middleware that sign-in needs is missing: sessions, authentication or CSRF |
| `dfns_login.E061` | sessions are stored in cookies, where they cannot be revoked |
| `dfns_login.E062` | the storage of static files removes or rewrites what the pages' scripts load by name |
| `dfns_login.W062` | the scripts are not built, because the app was installed from source |
| `dfns_login.W060` | `BrowserSessionMiddleware` is missing, so the project's own views accept expired sign-ins |
| `dfns_login.W061` | static files are served from another origin, from which browsers do not load workers |
"""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  as Django names it
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

REQUIRED: Final = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
)
RECOMMENDED: Final = "dfns_login.middleware.BrowserSessionMiddleware"
IN_COOKIES: Final = "django.contrib.sessions.backends.signed_cookies"
KEEP_ONLY_HASHED_FILES: Final = "WHITENOISE_KEEP_ONLY_HASHED_FILES"
SCRIPT: Final = "dfns_login/dist/sign_in.js"


@register(Tags.security)
def check_pages(**_: object) -> list[CheckMessage]:
    """Run all checks above if the project includes the pages."""
    try:
        reverse("dfns_login:sign-in")
    except NoReverseMatch:
        return []
    return [*_check_middleware(), *_check_sessions(), *_check_static_files()]


def _check_middleware() -> Iterator[CheckMessage]:
    for name in REQUIRED:
        if not _is_installed(name):
            hint = "Add it to MIDDLEWARE, or include only dfns_login.api.urls."
            yield Error(f"The pages need {name}.", hint=hint, id="dfns_login.E060")
    if not _is_installed(RECOMMENDED):
        hint = "Add it after AuthenticationMiddleware. It costs one SELECT per signed-in request."
        yield Warning(f"{RECOMMENDED} is not in MIDDLEWARE.", hint=hint, id="dfns_login.W060")


def _is_installed(name: str) -> bool:
    wanted: type[Any] = import_string(name)
    found = (import_string(each) for each in settings.MIDDLEWARE)
    return any(isinstance(each, type) and issubclass(each, wanted) for each in found)


def _check_sessions() -> Iterator[CheckMessage]:
    if settings.SESSION_ENGINE == IN_COOKIES:
        hint = "Use the database or a cache, where sessions can be deleted."
        yield Error("Sessions are stored in cookies and cannot be revoked.", hint=hint, id="dfns_login.E061")


def _check_static_files() -> Iterator[CheckMessage]:
    if urlsplit(settings.STATIC_URL or "").netloc:
        hint = "The pages use a web worker, which browsers load from the page's own origin only."
        yield Warning("STATIC_URL is on another origin.", hint=hint, id="dfns_login.W061")
    backend = settings.STORAGES.get("staticfiles", {}).get("BACKEND", "")
    storage = import_string(backend) if backend else None  # an instance needs STATIC_ROOT
    removes = hasattr(storage, "keep_only_hashed_files") and getattr(settings, KEEP_ONLY_HASHED_FILES, False)
    if removes or getattr(storage, "support_js_module_import_aggregation", False):
        switch = KEEP_ONLY_HASHED_FILES if removes else "support_js_module_import_aggregation"
        hint = "The pages' scripts load each other by names without a hash."
        yield Error(f"{switch} must be off, or the pages do not work.", hint=hint, id="dfns_login.E062")
    if finders.find(SCRIPT) is None:
        hint = "Install a wheel, or build them with `make web`."
        yield Warning(f"The pages' scripts are missing: {SCRIPT}.", hint=hint, id="dfns_login.W062")
