"""The project's admin cannot be tried for ever (R-102)."""

import os
import subprocess
import sys

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests.support.clock import StillClock
from tests.support.servers import ROOT
from tests.test_project import PRODUCTION

pytestmark = pytest.mark.django_db
WRONG = {"username": "boss", "password": "wrong"}


def test_the_eleventh_password_within_a_minute_is_not_looked_at(client: Client, monkeypatch):
    monkeypatch.setattr("django_ratelimit.core.time", StillClock())
    get_user_model().objects.create_superuser("boss", password="right")
    assert [client.post("/admin/login/", WRONG).status_code for _ in range(10)] == [200] * 10
    refused = client.post("/admin/login/", {**WRONG, "password": "right"})
    assert (refused.status_code, int(refused["Retry-After"]) > 0) == (429, True)
    assert client.get("/admin/login/").status_code == 200
    assert client.post("/admin/login/", WRONG, REMOTE_ADDR="198.51.100.1").status_code == 200


def test_the_right_password_signs_in(client: Client):
    get_user_model().objects.create_superuser("boss", password="right")
    assert client.post("/admin/login/?next=/admin/", {**WRONG, "password": "right"}).headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("path", ["/admin/", "/admin/dfns_login/account/"])
def test_whoever_is_not_signed_in_is_sent_to_it(client: Client, path):
    assert client.get(path).headers["Location"].startswith("/admin/login/")


@pytest.mark.slow
def test_the_project_in_production_passes_every_check():
    command = [sys.executable, str(ROOT / "manage.py"), "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, env={**PRODUCTION}, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert os.linesep.join(["", "INFOS:", "?: (dfns_login.I020)"]) in done.stdout + done.stderr
