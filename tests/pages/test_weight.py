"""How much the pages weigh, and what may be compressed (R-195). `make bench-pages` measures the times."""

import gzip
import re

import brotli
import pytest
from django.http import HttpResponse
from django.test import Client

from tests.pages.test_pages import Markup
from tests.support.api_browser import Browser
from tests.support.factories import make_organization, make_person

pytestmark = [pytest.mark.django_db, pytest.mark.node]  # of the built files

LIMIT = 20 * 1024
"""Bytes of `/login/` with its styles, script and icon: compressed bodies, and heads as HTTP/1.1 has them."""
BROWSER = {"Accept-Encoding": "gzip, deflate, br"}


def weight(response: HttpResponse) -> int:
    """Return the size of head and body; of a static file with brotli, as the collected files have it."""
    body = response.getvalue()
    head = "".join(f"{name}: {value}\r\n" for name, value in response.items()) + response.cookies.output()
    return len(head) + len(body if response.has_header("Content-Encoding") else brotli.compress(body))


def test_the_sign_in_page_is_light():
    """With one organization, and so with a challenge for passkeys."""
    make_organization("Acme")
    client = Client(headers=BROWSER)
    page = client.get("/login/")
    urls = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', brotli.decompress(page.content).decode()))
    sizes = {"/login/": weight(page), **{url: weight(client.get(url)) for url in urls}}
    assert sorted(url.rpartition(".")[2] for url in urls) == ["css", "css", "js", "svg"]
    assert sum(sizes.values()) <= LIMIT, sizes


@pytest.mark.parametrize("path", ["/login/", "/register/", "/recover/"])
def test_a_page_loads_its_script_first_and_nothing_one_after_another(path: str):
    """The preloaded script is the one that runs, under any storage of static files."""
    text = Client().get(path).content.decode()
    (preloaded,) = re.findall(r'<link rel="modulepreload" href="([^"]+)">', text)
    (run,) = re.findall(r'<script type="module" src="([^"]+)">', text)
    assert preloaded == run
    assert text.index(preloaded) < text.index('rel="stylesheet"')
    assert not Markup(text).inline


@pytest.mark.parametrize("path", ["/login/", "/register/", "/recover/"])
@pytest.mark.parametrize(("accepted", "encoding"), [("gzip, deflate, br", "br"), ("gzip, br;q=0", "gzip"), ("", None)])
def test_pages_with_nothing_to_guess_are_compressed(path: str, accepted: str, encoding: str | None):
    page = Client(headers={"Accept-Encoding": accepted}).get(path)
    assert page.headers.get("Content-Encoding") == encoding
    assert "Accept-Encoding" in page.headers["Vary"]
    decompress = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding]
    assert decompress(page.content).endswith(b"</html>\n")
    assert page.headers["Content-Length"] == str(len(page.content))


def test_pages_with_a_persons_data_are_not_compressed():
    """Their length would tell what is in them (BREACH)."""
    person = make_person(make_organization("Acme"))
    browser = Browser()
    assert browser.sign_in(person).status_code == 200
    for path in ("/account/", "/lock/?token=none", "/nothing/", "/login/", "/login/?again"):  # the first one redirects
        assert not browser.get(path, headers=BROWSER).has_header("Content-Encoding"), path


def test_a_page_that_says_why_a_person_is_signed_out_is_not_compressed():
    browser = Browser()
    assert browser.sign_in(make_person(make_organization("Acme"))).status_code == 200
    browser.send("PUT", "/auth/logout", {})
    assert not browser.get("/login/", headers=BROWSER).has_header("Content-Encoding")
    assert browser.get("/login/", headers=BROWSER).has_header("Content-Encoding")  # it says so once


def test_a_page_that_names_a_browsers_organizations_is_not_compressed():
    for name in ("Acme", "Blue"):
        organization = make_organization(name)
    browser = Browser()
    assert browser.sign_in(make_person(organization)).status_code == 200
    browser.send("PUT", "/auth/logout", {})
    for path in ("/login/", "/recover/"):
        page = browser.get(path, headers=BROWSER)
        assert not page.has_header("Content-Encoding")
        assert b"Blue" in page.content
        assert Browser().get(path, headers=BROWSER).has_header("Content-Encoding")  # the control
