"""The project's admin cannot be tried for ever (R-102)."""

import os
import subprocess
import sys

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from dfns_login.testing import login_as
from tests.support.clock import StillClock
from tests.support.servers import ROOT
from tests.test_project import PRODUCTION

pytestmark = pytest.mark.django_db
WRONG = {"username": "boss", "password": "wrong"}


def attempt(client: Client, *, password: str = WRONG["password"], name: str = "boss", peer: str = "127.0.0.1") -> int:
    data = {"username": name, "password": password}
    return client.post("/admin/login/", data, REMOTE_ADDR=peer).status_code


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr("django_ratelimit.core.time", StillClock())


@pytest.mark.usefixtures("clock")
def test_the_eleventh_password_within_a_minute_is_not_looked_at(client: Client):
    get_user_model().objects.create_superuser("boss", password="right")
    assert [attempt(client, name=f"boss{n}") for n in range(10)] == [200] * 10
    refused = client.post("/admin/login/", {**WRONG, "password": "right"})
    assert (refused.status_code, int(refused["Retry-After"]) > 0) == (429, True)
    assert client.get("/admin/login/").status_code == 200
    assert attempt(client, peer="198.51.100.1") == 200


@pytest.mark.usefixtures("clock")
def test_passwords_of_one_name_are_limited_whatever_the_address(client: Client):
    get_user_model().objects.create_superuser("boss", password="right")
    assert [attempt(client, name=name) for name in ("boss", "Boss", "BOSS", " boss", "boss")] == [200] * 5
    assert attempt(client, password="right") == 429
    assert [attempt(client, peer=f"198.51.{n}.1") for n in range(6)] == [200] * 5 + [429]
    assert attempt(client, name="other", peer="198.51.7.1") == 200


@pytest.mark.usefixtures("clock")
def test_a_stranger_cannot_lock_an_operator_out_of_a_known_browser(client: Client):
    get_user_model().objects.create_superuser("boss", password="right")
    assert attempt(client, password="right") == 302
    client.post("/admin/logout/")
    stranger = Client()
    for number in range(20):
        attempt(stranger, peer=f"198.51.{number}.1")
    assert attempt(stranger, peer="203.0.113.1", password="right") == 429
    assert attempt(client, peer="203.0.113.1", password="right") == 302


def test_a_wrong_password_makes_no_browser_known(client: Client):
    get_user_model().objects.create_superuser("boss", password="right")
    assert attempt(client) == 200
    assert not [name for name in client.cookies if "device" in name]
    assert attempt(client, name="\N{NULL}x", password="right") == 200


@pytest.mark.parametrize("signed_in_as", ["jane", "boss", "kim"])
def test_who_is_signed_in_gets_no_mark_for_a_wrong_password(client: Client, signed_in_as: str):
    users = get_user_model().objects
    users.create_superuser("boss", password="right")
    users.create_superuser("kim", password="right")
    users.create_user("jane", password="right")
    client.force_login(users.get(username=signed_in_as))
    assert attempt(client) == 200
    assert not [name for name in client.cookies if "device" in name]
    assert attempt(client, password="right") == 302
    assert [name for name in client.cookies if "device" in name]


def test_the_right_password_signs_in(client: Client):
    get_user_model().objects.create_superuser("boss", password="right")
    assert client.post("/admin/login/?next=/admin/", {**WRONG, "password": "right"}).headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("path", ["/admin/", "/admin/dfns_login/account/"])
def test_an_anonymous_visitor_is_redirected_to_it(client: Client, path):
    assert client.get(path).headers["Location"].startswith("/admin/login/")


@pytest.mark.urls("tests.support.urls_with_our_sign_in_for_the_admin")
def test_staff_may_sign_in_to_the_admin_on_our_pages(client: Client):
    """Somebody who is not staff is told so, and not sent back and forth."""
    boss = get_user_model().objects.create_superuser("boss", email="boss@example.co")
    asked = client.get("/admin/", follow=True)
    assert asked.redirect_chain[-1][0] == "/login/?next=/admin/login/%3Fnext%3D%252Fadmin%252F"
    login_as(client, boss)
    assert client.get(asked.redirect_chain[-1][0], follow=True).redirect_chain[-1][0] == "/admin/"
    login_as(client, get_user_model().objects.create_user("jane", email="jane@example.co"))
    told = client.get(asked.redirect_chain[-1][0], follow=True)
    assert b"not authorized" in told.content
    assert len(told.redirect_chain) == 1


@pytest.mark.slow
def test_the_project_in_production_passes_every_check():
    command = [sys.executable, str(ROOT / "manage.py"), "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, env={**PRODUCTION}, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert os.linesep.join(["", "INFOS:", "?: (dfns_login.I020)"]) in done.stdout + done.stderr
