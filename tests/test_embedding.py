"""The app in an existing project, with its own user model and its own REST framework settings.

The project is written to a folder and run in a process of its own, so that it shares none of our settings.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent

FIVE_LINES = """
INSTALLED_APPS += ["rest_framework", "dfns_login"]
DFNS_LOGIN = {"PUBLIC_URL": "https://shop.example", "KEYS": KEYS, "USER_FOR_ACCOUNT": "people.hooks.find_or_create"}
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE
"""

SETTINGS = """
import json
import os

import django

from dfns_login.settings import BEAT_SCHEDULE

SECRET_KEY = "theirs" * 10
DEBUG = False
ALLOWED_HOSTS = ["shop.example", "testserver"]
ROOT_URLCONF = "shop.urls"
AUTH_USER_MODEL = "people.Person"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "people"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["DATABASE"],
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if django.VERSION < (6, 1):
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
else:
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
LANGUAGE_CODE = "de"
TIME_ZONE = "Pacific/Chatham"
USE_TZ = True
USE_I18N = False
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.StaticHTMLRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "DEFAULT_VERSION": "9",
    "EXCEPTION_HANDLER": "shop.nothing.at_all",
    "NON_FIELD_ERRORS_KEY": "whole",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": "as",
    "COMPACT_JSON": False,
}
KEYS = json.loads(os.environ["KEYS"])
"""

URLS = """
from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

from dfns_login.rest_framework import SessionTokenAuthentication


class Basket(APIView):
    authentication_classes = [SessionTokenAuthentication]
    permission_classes = [IsAuthenticated]
    renderer_classes = [JSONRenderer]
    throttle_classes = []

    def get_exception_handler(self):
        from rest_framework.views import exception_handler
        return exception_handler

    def get(self, request, **_):
        return Response({"of": request.user.email, "account": request.auth.account.pk})


urlpatterns = [path("basket", Basket.as_view()), path("", include(("dfns_login.api.urls", "dfns_login")))]
"""

CELERY = """
from celery import Celery

app = Celery("shop", broker="memory://")
app.conf.task_always_eager = True
"""

MODELS = """
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class Visible(BaseUserManager):
    def get_queryset(self):
        return super().get_queryset().filter(hidden=False)


class Person(AbstractBaseUser):
    # no username, no is_active column, no is_staff, no permissions
    email = models.EmailField(unique=True, primary_key=True)
    hidden = models.BooleanField(default=False)
    USERNAME_FIELD = EMAIL_FIELD = "email"
    objects = Visible()
"""

HOOKS = """
from dfns_login.project_users import match_user


def find_or_create(account):
    user = match_user(account)
    user.hidden = False
    user.save()
    return user
"""

FLOW = """
import json
import re
from datetime import UTC, datetime

import django
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.test.utils import setup_test_environment

django.setup()
setup_test_environment()

from django.contrib.auth import get_user_model

from dfns_login import signals
from dfns_login.ceremonies.invitation import Invitation, invite
from dfns_login.models import Account, OneTimeCode, Organization
from dfns_login.requester import Requester
from tests.support.authenticators import SoftwareKey, Kind

call_command("makemigrations", "people", verbosity=0)
call_command("makemigrations", "dfns_login", check=True, dry_run=True, verbosity=0)
call_command("migrate", verbosity=0)
call_command("check", fail_level="ERROR")

heard = []
for name in ("account_invited", "account_registered", "code_sent", "code_presented", "credential_created",
             "signed_in", "signed_out"):
    def hear(account, name=name, **_):
        heard.append((name, account.email))
    getattr(signals, name).connect(hear, weak=False)

client = Client(raise_request_exception=True)


def send(method, path, body=None, token=""):
    headers = {"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}
    data = json.dumps(body) if body is not None else ""
    return client.generic(method, path, data, content_type="application/json", secure=True, **headers)


def mailed_code():
    return re.findall(r"^    (\\S+)$", mail.outbox[-1].body, re.MULTILINE)[0]


People = get_user_model()
there = People(email="jane@shop.example")
there.save()

shop = Organization.objects.create(name="Shop")
invite(Invitation(organization=shop, email="jane@shop.example"), requester=Requester(address=""), now=datetime.now(UTC))
assert 'lang="de"' in mail.outbox[-1].alternatives[0][0]

names = {"username": "JANE@shop.example", "orgId": shop.pk}
opened = send("POST", "/auth/registration/init", {**names, "registrationCode": mailed_code()}).json()
key = SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY)
registered = send("POST", "/auth/registration", {"firstFactorCredential": key.credential(opened["challenge"])},
                  token=opened["temporaryAuthenticationToken"])
assert registered.status_code == 200, registered.content
assert Account.objects.get().user == there

assert send("POST", "/auth/login/code", names).json() == {"message": "success"}
wrong = send("POST", "/auth/login/init", {**names, "loginCode": "1"})
assert (wrong.status_code, wrong.json()["error"]["message"]) == (403, "Invalid code")
assert OneTimeCode.objects.get(purpose="login").guesses == 1  # though requests are atomic in this project
challenge = send("POST", "/auth/login/init", {**names, "loginCode": mailed_code()}).json()
(released,) = challenge["allowCredentials"]["passwordProtectedKey"]
assert released["encryptedPrivateKey"] == key.encrypted_private_key
signed = {"challengeIdentifier": challenge["challengeIdentifier"], "firstFactor": key.factor(challenge["challenge"])}
token = send("POST", "/auth/login", signed).json()["token"]

assert send("GET", "/basket", token=token).json() == {"of": "jane@shop.example", "account": Account.objects.get().pk}
for bad in ("", "x", token[:-2]):
    refused = send("GET", "/basket", token=bad)
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer"), bad

wrong = send("POST", "/auth/login", {"challengeIdentifier": "x", "firstFactor": "Key"})
assert list(wrong.json()["error"]["details"]) == ["firstFactor"], wrong.content
wrong = send("POST", "/auth/login", [])
assert wrong.json()["error"]["details"] == {"body": ["It is not a JSON object."]}
assert send("POST", "/auth/nothing", {}).json()["error"]["message"] == "Not found."
assert client.post("/auth/login/code", names, secure=True).status_code == 415
assert send("GET", "/auth/credentials", token=token)["Content-Type"] == "application/json"

assert send("PUT", "/auth/logout", token=token).status_code == 200
assert send("GET", "/basket", token=token).status_code == 401

# a user whom the default manager hides, so the username is taken
People(email="lee@shop.example", hidden=True).save()
invite(Invitation(organization=shop, email="lee@shop.example"), requester=Requester(address=""), now=datetime.now(UTC))
names = {"username": "lee@shop.example", "orgId": shop.pk}
opened = send("POST", "/auth/registration/init", {**names, "registrationCode": mailed_code()}).json()
key = SoftwareKey.make()
body = {"firstFactorCredential": key.credential(opened["challenge"])}
registered = send("POST", "/auth/registration", body, token=opened["temporaryAuthenticationToken"])
assert (registered.status_code, registered.json()["error"]["code"]) == (403, "user_unavailable"), registered.content
People._base_manager.filter(email="lee@shop.example").delete()
registered = send("POST", "/auth/registration", body, token=opened["temporaryAuthenticationToken"])
assert registered.status_code == 200, registered.content
assert Account.objects.get(username="lee@shop.example").user.email == "lee@shop.example"

assert heard == [(name, "jane@shop.example") for name in (
    "account_invited", "code_sent", "code_presented", "account_registered", "credential_created", "code_sent",
    "code_presented", "signed_in", "signed_out",
)] + [(name, "lee@shop.example") for name in (
    "account_invited", "code_sent", "code_presented", "account_registered", "credential_created",
)], heard
print("the flow is done")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "shop/__init__.py": "from shop.celery import app\n",
        "shop/celery.py": CELERY,
        "shop/settings.py": SETTINGS + FIVE_LINES,
        "shop/urls.py": URLS,
        "people/__init__.py": "",
        "people/models.py": MODELS,
        "people/hooks.py": HOOKS,
        "people/migrations/__init__.py": "",
        "flow.py": FLOW,
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


@pytest.mark.slow
def test_a_project_with_users_of_its_own_runs_the_flow(project: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{project}{os.pathsep}{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "DATABASE": str(project / "db.sqlite3"),
        "KEYS": settings.DFNS_LOGIN["KEYS"],
    }
    command = [sys.executable, "-W", "error", str(project / "flow.py")]
    done = subprocess.run(command, env=environment, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the flow is done" in done.stdout


def test_embedding_takes_few_lines() -> None:
    assert len(FIVE_LINES.strip().splitlines()) <= 5
