"""System checks of a project that serves the pages: what they cannot do without.

| id | what is wrong |
| --- | --- |
| `dfns_login.E060` | a middleware is missing that sign-in rests on: sessions, authentication or CSRF |
| `dfns_login.E061` | sessions are kept in cookies, where nobody can end them |
| `dfns_login.W062` | the scripts are not built: the app was installed from its sources |
| `dfns_login.W060` | `BrowserSessionMiddleware` is missing: the project's own views let in who has idled too long |
| `dfns_login.W061` | static files are served from another origin, where browsers take no worker from |
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
RECOMMENDED: Final = "dfns_login.pages.middleware.BrowserSessionMiddleware"
IN_COOKIES: Final = "django.contrib.sessions.backends.signed_cookies"
SCRIPT: Final = "dfns_login/dist/sign_in.js"


@register(Tags.security)
def check_pages(**_: object) -> list[CheckMessage]:
    """Everything above; nothing where the project serves no pages of ours."""
    try:
        reverse("dfns_login:sign-in")
    except NoReverseMatch:
        return []
    return [*_check_middleware(), *_check_sessions(), *_check_static_files()]


def _check_middleware() -> Iterator[CheckMessage]:
    for name in REQUIRED:
        if not _is_there(name):
            hint = "Add it to MIDDLEWARE, or serve the API alone: include dfns_login.api.urls."
            yield Error(f"The pages need {name}.", hint=hint, id="dfns_login.E060")
    if not _is_there(RECOMMENDED):
        hint = "Add it behind AuthenticationMiddleware; it costs a signed-in request one SELECT."
        yield Warning(f"{RECOMMENDED} is not in MIDDLEWARE.", hint=hint, id="dfns_login.W060")


def _is_there(name: str) -> bool:
    wanted: type[Any] = import_string(name)
    found = (import_string(each) for each in settings.MIDDLEWARE)
    return any(isinstance(each, type) and issubclass(each, wanted) for each in found)


def _check_sessions() -> Iterator[CheckMessage]:
    if settings.SESSION_ENGINE == IN_COOKIES:
        hint = "Use the database, or a cache: ending a sign-in deletes its session."
        yield Error("Sessions are kept in cookies.", hint=hint, id="dfns_login.E061")


def _check_static_files() -> Iterator[CheckMessage]:
    if urlsplit(settings.STATIC_URL or "").netloc:
        hint = "Passwords are worked on in a worker, which a page may load from its own origin only."
        yield Warning("STATIC_URL is another origin's.", hint=hint, id="dfns_login.W061")
    if finders.find(SCRIPT) is None:
        hint = "A wheel carries them. In a checkout, `make web` builds them."
        yield Warning(f"The pages' scripts are missing: {SCRIPT}.", hint=hint, id="dfns_login.W062")
