"""Where a sign-in leads: a path of this site, and nothing else (R-96)."""

import re
from typing import Final

from django.conf import global_settings, settings
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse
from django.utils.http import url_has_allowed_host_and_scheme

LONGEST: Final = 2048
_OWN_PATH: Final = re.compile(r"/(?:[^/\\\s\x00-\x1f\x7f][^\\\s\x00-\x1f\x7f]*)?")
_CLIMBS: Final = re.compile(r"(?:/|%2f)(?:\.|%2e){1,2}(?:/|%2f|$)|//|/%2f|%5c|%25", re.IGNORECASE)
"""What a browser or a proxy might resolve into another path, or into a host."""


def own_path(text: str) -> str:
    """The text if it is a path of this site, with its query; empty for anything else, also for what merely may be."""
    path = text.partition("?")[0].partition("#")[0]
    if len(text) > LONGEST or not _OWN_PATH.fullmatch(text) or _CLIMBS.search(path):
        return ""
    return text if url_has_allowed_host_and_scheme(text, allowed_hosts=None) else ""


def after_sign_in(wish: str) -> str:
    """Where a sign-in leads.

    wish: what `next` asked for. Without a good one, `LOGIN_REDIRECT_URL` if the project sets it, else the account page.
    """
    found = own_path(wish)
    if found:
        return found
    if settings.LOGIN_REDIRECT_URL != global_settings.LOGIN_REDIRECT_URL:
        return resolve_url(settings.LOGIN_REDIRECT_URL)
    try:
        return reverse("dfns_login:account")
    except NoReverseMatch:
        return "/"
