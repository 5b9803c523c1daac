"""The page to redirect to after sign-in."""

from typing import Any

import pytest
from django.test import override_settings

from dfns_login.browsers.destinations import LONGEST, after_sign_in, own_path

OURS = [
    "/",
    "/account/",
    "/wallets/1?page=2&sort=-name",
    "/a/b/c#here",
    "/caf%C3%A9/",
    "/a.b/c..d/",
    "/search?q=//x&r=../y",
]
NOT_OURS = [
    "",
    "account/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    " //evil.example",
    "https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "HTTP://evil.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "/..//evil.example",
    "/x/..//evil.example",
    "/x//evil.example",
    "/./account/",
    "/../account/",
    "/%2e%2e//evil.example",
    "/%2E%2e/account/",
    "/%2f/evil.example",
    "/%2Fevil.example",
    "/%5cevil.example",
    "/%252f/evil.example",
    "/account/\r\nSet-Cookie: a=b",
    "/account/\x00",
    "/account/ x",
    "/acc\u2028ount/",
    "/" + "a" * LONGEST,
]


@pytest.mark.parametrize("text", OURS)
def test_a_path_on_this_site_is_accepted(text: str) -> None:
    assert own_path(text) == text
    assert after_sign_in(text) == text


@pytest.mark.parametrize("text", NOT_OURS)
def test_anything_else_is_refused(text: str) -> None:
    """R-96."""
    assert own_path(text) == ""
    assert after_sign_in(text) == "/account/"


def test_the_default_is_the_projects_setting() -> None:
    with override_settings(LOGIN_REDIRECT_URL="/dashboard/"):
        assert after_sign_in("") == "/dashboard/"
        assert after_sign_in("//evil.example") == "/dashboard/"
        assert after_sign_in("/wallets/") == "/wallets/"


def test_the_setting_may_name_a_view() -> None:
    with override_settings(LOGIN_REDIRECT_URL="admin:index"):
        assert after_sign_in("") == "/admin/"


def test_without_pages_the_default_is_the_root(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.support.urls_without_pages"
    assert after_sign_in("") == "/"
