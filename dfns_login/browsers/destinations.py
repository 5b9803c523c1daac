"""The page to redirect to after sign-in: always a path on this site (R-96)."""

import re
from typing import Final

from django.conf import global_settings, settings
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

LONGEST: Final = 2048
_OWN_PATH: Final = re.compile(r"/(?:[^/\\\s\x00-\x1f\x7f][^\\\s\x00-\x1f\x7f]*)?")
_CLIMBS: Final = re.compile(r"(?:/|%2f)(?:\.|%2e){1,2}(?:/|%2f|$)|//|/%2f|%5c|%25", re.IGNORECASE)
"""Sequences that a browser or proxy might resolve to another path or host."""


def own_path(text: str) -> str:
    """Return the text if it is certainly a path on this site, with or without a query, or an empty string."""
    path = text.partition("?")[0].partition("#")[0]
    if len(text) > LONGEST or not _OWN_PATH.fullmatch(text) or _CLIMBS.search(path):
        return ""
    return text if url_has_allowed_host_and_scheme(text, allowed_hosts=None) else ""


def after_sign_in(requested: str) -> str:
    """Return the page to redirect to after sign-in.

    requested: the `next` parameter. If it is not a path on this site, the result is `LOGIN_REDIRECT_URL` if the project
    sets it, or the account page.
    """
    if found := own_path(requested):
        return found
    if settings.LOGIN_REDIRECT_URL != global_settings.LOGIN_REDIRECT_URL:
        return resolve_url(settings.LOGIN_REDIRECT_URL)
    try:
        return reverse("dfns_login:account")
    except NoReverseMatch:
        return "/"


def sign_in_path() -> str:
    """Return the path of the sign-in page; empty if the project serves the API only."""
    try:
        return reverse("dfns_login:sign-in")
    except NoReverseMatch:
        return ""


def sign_in_page(address: str) -> str:
    """Return a link to the sign-in page that leads back to this address, if it is a path on this site."""
    following = own_path(address)
    return sign_in_path() + (f"?{urlencode({'next': following})}" if following else "")


def sign_in_again(address: str) -> str:
    """Return a link to the sign-in page that leads back to this address, and is shown to people who are signed in too.

    Empty if the project serves the API only.
    """
    path = sign_in_path()
    return path and f"{path}?{urlencode({'next': address, 'again': '1'})}"
