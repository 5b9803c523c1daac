"""Where the project serves the app: below a prefix of its URLconf, a script name, or a language."""

from typing import Final
from urllib.parse import unquote

from django.conf import settings
from django.middleware.locale import LocaleMiddleware
from django.urls import NoReverseMatch, ResolverMatch, get_script_prefix, resolve, reverse
from django.utils import translation
from django.utils.module_loading import import_string
from django.utils.translation import get_supported_language_variant

_A_PATH_OF_THE_API: Final = "auth/action/init"


def mount() -> str:
    """Return the path below which the API is served: `/`, or a prefix with a slash at both ends.

    A client whose base URL ends with it finds `/auth/login` there. Without the API's URLs, it is the script name.
    """
    try:
        return unquote(reverse("dfns_login:action-init")).removesuffix(_A_PATH_OF_THE_API)
    except NoReverseMatch:
        return get_script_prefix()


def resolve_path(path: str) -> ResolverMatch:
    """Return the view that serves a decoded path with its script name. Raises: Resolver404."""
    return resolve(f"/{path.removeprefix(get_script_prefix())}")


def page_path(name: str) -> str:
    """Return the path of a page for a link in an email; empty if the project doesn't serve the pages.

    It has `FORCE_SCRIPT_NAME`, which Django sets for the main thread and for requests only. With `i18n_patterns`, it is
    in the language that is active, in the form that Django finds again in the path of a request.
    """
    try:
        with translation.override(_language_of_links()):
            path = reverse(f"dfns_login:{name}")
    except NoReverseMatch:
        return ""
    if settings.FORCE_SCRIPT_NAME is None:
        return path
    return f"{settings.FORCE_SCRIPT_NAME.rstrip('/')}/{path.removeprefix(get_script_prefix())}"


def _language_of_links() -> str:
    """Return the active language as `LocaleMiddleware` activates it: `en` for `en-us`, if only `en` is in `LANGUAGES`.

    Without that middleware, requests have the project's language.
    """
    if not any(map(_is_locale_middleware, settings.MIDDLEWARE)):
        return settings.LANGUAGE_CODE
    try:
        return get_supported_language_variant(translation.get_language() or settings.LANGUAGE_CODE)
    except LookupError:
        return settings.LANGUAGE_CODE


def _is_locale_middleware(name: str) -> bool:
    found: object = import_string(name)
    return isinstance(found, type) and issubclass(found, LocaleMiddleware)
