"""How the app sets its own cookies."""

from datetime import timedelta
from typing import Final, Literal

from django.http import HttpRequest, HttpResponseBase

from dfns_login.settings import login_settings

_SALT: Final = "dfns_login.browsers."


def cookie_name(name: str) -> str:
    """Return the cookie's full name, with the `__Host-` prefix if `PUBLIC_URL` is https (RFC 6265bis §4.1.3.2)."""
    return f"__Host-dfns-{name}" if _is_secure() else f"dfns-{name}"


def set_cookie(
    response: HttpResponseBase, name: str, value: str, *, lasting: timedelta, samesite: Literal["Lax", "Strict"]
) -> None:
    response.set_cookie(
        cookie_name(name), value, max_age=lasting, secure=_is_secure(), httponly=True, samesite=samesite
    )


def set_signed_cookie(response: HttpResponseBase, name: str, value: str, *, lasting: timedelta) -> None:
    """Set a cookie that only this site can have written, with Django's signer."""
    full, secure = cookie_name(name), _is_secure()
    response.set_signed_cookie(
        full, value, salt=_SALT + name, max_age=lasting, secure=secure, httponly=True, samesite="Lax"
    )


def signed_cookie(request: HttpRequest, name: str) -> str:
    """Return the value of a signed cookie; empty if it is missing or not ours."""
    return request.get_signed_cookie(cookie_name(name), default="", salt=_SALT + name) or ""


def delete_cookie(request: HttpRequest, response: HttpResponseBase, name: str) -> None:
    """Delete the cookie if the browser sent it."""
    if cookie_name(name) in request.COOKIES:
        response.delete_cookie(cookie_name(name), samesite="Lax")


def _is_secure() -> bool:
    return login_settings().public_url.startswith("https:")
