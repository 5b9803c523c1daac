"""User models of any kind: nobody fills in a registration that cannot succeed, and nobody gets somebody else's user.

Each model is in a project of its own, which runs in a process of its own (R-137).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent

SETTINGS = """
import json
import os

import django

SECRET_KEY = "theirs" * 10
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
AUTH_USER_MODEL = "people.Person"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "people", "rest_framework", "dfns_login"]
MIDDLEWARE = []
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
USE_TZ = True
DFNS_LOGIN = {"PUBLIC_URL": "https://shop.example", "KEYS": json.loads(os.environ["KEYS"])}
"""

START = """
import json
from datetime import date, datetime, UTC

import django
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import Client
from django.test.utils import override_settings, setup_test_environment

django.setup()
setup_test_environment()

from django.conf import settings
from django.contrib.auth import get_user_model

from dfns_login.ceremonies.invitation import Invitation, invite
from dfns_login.errors import BodyRefused
from dfns_login.models import Account, OneTimeCode, Organization
from dfns_login.proofs.codes import derive_code
from dfns_login.requester import Requester
from tests.support.authenticators import SoftwareKey

call_command("makemigrations", "people", verbosity=0)
call_command("migrate", verbosity=0)
People = get_user_model()
shop = Organization.objects.create(name="Shop")
MATCH = "dfns_login.project_users.match_user"
key = SoftwareKey.make()


def hook(name):
    return override_settings(DFNS_LOGIN={**settings.DFNS_LOGIN, "USER_FOR_ACCOUNT": name})


def found():
    return [each.msg for each in run_checks(databases=[]) if each.id == "dfns_login.E017"]


def invited(email, **more):
    invitation = Invitation(organization=shop, email=email, **more)
    return invite(invitation, requester=Requester(address=""), now=datetime.now(UTC))


def refused(email):
    there = Account.objects.count()
    try:
        invited(email)
    except BodyRefused as refusal:
        assert Account.objects.count() == there
        return refusal.details
    raise AssertionError("invited")


def send(path, body, token=""):
    headers = {"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}
    answer = Client().post(path, json.dumps(body), content_type="application/json", **headers)
    return answer.status_code, answer.json()


def code_of(account):
    row = OneTimeCode.objects.get(recipient=account.username, organization=shop.pk)
    return row, {"username": account.username, "orgId": shop.pk, "registrationCode": derive_code(row)}


def register(account):
    _, body = code_of(account)
    status, opened = send("/auth/registration/init", body)
    assert status == 200, opened
    new = {"firstFactorCredential": key.__class__.make().credential(opened["challenge"])}
    return *send("/auth/registration", new, token=opened["temporaryAuthenticationToken"]), opened, new


def registered(account):
    status, answer, *_ = register(account)
    assert status == 200, answer
    account.refresh_from_db()
    return account.user


def keeps_its_code(account):
    # the guess is counted, and the code stays open: once a user can be created, it registers the person
    row, body = code_of(account)
    for guesses in range(row.guesses + 1, row.guesses + 3):
        status, answer = send("/auth/registration/init", body)
        assert (status, answer["error"]["code"]) == (403, "user_unavailable"), answer
        row.refresh_from_db()
        assert (row.guesses, row.closed_at) == (guesses, None), (row.guesses, row.closed_as)
    status, answer = send("/auth/registration/init", body | {"registrationCode": "1"})
    assert (status, answer["error"]["code"]) == (403, "invalid_code"), answer
"""

MODEL = """
from uuid import uuid4

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import AbstractUser, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower


class Person({bases}):
"""

REQUIRED_FIELD = """
assert found() and "birthday, shoe" in found()[0], found()
assert "birthday, shoe" in refused("jane@shop.example")["user"][0]
with hook("makers.make"):
    assert not found()
    jane, lee = invited("jane@shop.example"), invited("lee@shop.example")
keeps_its_code(jane)
assert not People.objects.exists()
with hook("makers.make"):
    assert registered(jane).birthday == date(2000, 1, 1)
with hook("makers.fail"):
    status, answer, opened, new = register(lee)
    assert (status, answer["error"]["code"]) == (403, "user_unavailable"), answer
with hook("makers.make"):
    assert send("/auth/registration", new, token=opened["temporaryAuthenticationToken"])[0] == 200
"""

UNIQUE_EMAIL = """
assert not found()
jane, kim = invited("Jane@Shop.example"), invited("kim@shop.example")
there = People.objects.create(username="jj", email="JANE@shop.example")
keeps_its_code(jane)
assert list(refused("jane@SHOP.example")) == ["email"]
assert registered(kim).email == "kim@shop.example"
with hook(MATCH):
    assert registered(jane) == there
    People.objects.create(username="boss", email="boss@shop.example", is_staff=True)
    assert list(refused("boss@shop.example")) == ["email"]
boss = invited("boss@shop.example", user=People.objects.get(username="boss"))
assert registered(boss).username == "boss"
"""

SHORT_NAME = """
assert found() and "username" in found()[0], found()
assert registered(invited("al@shop.example")).username == "al@shop.example"
assert refused("a.very.long.name@shop.example")["user"]
"""

MADE_NAME = """
assert not found()
one, two = registered(invited("jane@shop.example")), registered(invited("lee@shop.example"))
assert one.pk != two.pk and len(str(one.get_username())) == 36, one.get_username()
assert one.email == "jane@shop.example"
"""

NO_NAME = """
assert found() and "name" in found()[0], found()
assert refused("jane@shop.example")["user"]
"""

ADDRESS_AS_NAME = """
assert not found()
jane, kim, strasse = (invited(each) for each in ("jane@shop.example", "kim@shop.example", "x@straße.example"))
there = [People.objects.create(email=each) for each in
    ("Jane@Shop.example", "boss@shop.example", "x@straße.example", "\\u212aim@shop.example", "J\\u0131m@shop.example")]
for account in (jane, kim, strasse):
    keeps_its_code(account)
    assert list(refused(account.email)) == ["email"]
assert registered(invited("jim@shop.example")).email == "jim@shop.example"  # a dotless i is another letter
People.objects.filter(email="boss@shop.example").update(is_staff=True)
with hook(MATCH):
    assert registered(jane) == there[0]
    assert registered(strasse) == there[2]
    keeps_its_code(kim)  # a Kelvin sign may be another mailbox
    assert list(refused("BOSS@shop.example")) == ["email"]
assert not [each for each in People.objects.all() if each.email.startswith("us-")]
other = Organization.objects.create(name="Other")
shop = other
assert list(refused("jane@shop.example")) == ["email"]
with hook(MATCH):
    assert registered(invited("jane@shop.example")) == there[0]
"""

STRICT_NAME = """
assert not found()
assert registered(invited("o'neill@shop.example")).username.startswith("us-")
assert registered(invited("jane@shop.example")).username == "jane@shop.example"
"""

BASE = "AbstractBaseUser"
EMAIL_AND_NAME = "\n    email = models.EmailField()\n    USERNAME_FIELD = 'name'\n    objects = BaseUserManager()"
PEOPLE_NAMED_BY_ADDRESS = """\
    id = models.UUIDField(primary_key=True, default=uuid4)
    email = models.EmailField(unique=True)
    is_staff = models.BooleanField(default=False)
    USERNAME_FIELD = "email"
    objects = BaseUserManager()
"""
CASES = {
    "a required field": (
        "AbstractUser",
        "    birthday = models.DateField()\n    shoe = models.CharField(max_length=9)",
        REQUIRED_FIELD,
    ),
    "a unique address": (
        "AbstractUser",
        "    email = models.EmailField(unique=True)",
        UNIQUE_EMAIL,
    ),
    "an address that a constraint makes unique": (
        "AbstractUser",
        "    class Meta:\n        constraints = [models.UniqueConstraint(fields=['email'], name='e')]",
        UNIQUE_EMAIL,
    ),
    "an address that is unique whatever its case": (
        "AbstractUser",
        "    class Meta:\n        constraints = [models.UniqueConstraint(Lower('email'), name='e')]",
        UNIQUE_EMAIL.replace('["email"]', '["user"]'),
    ),
    "a short name": (
        "AbstractUser",
        "    username = models.CharField(max_length=20, unique=True)",
        SHORT_NAME,
    ),
    "a UUID as name": (
        BASE,
        "    name = models.UUIDField(unique=True, default=uuid4)" + EMAIL_AND_NAME,
        MADE_NAME,
    ),
    "a UUID as text": (
        BASE,
        "    name = models.CharField(unique=True, default=uuid4, max_length=36)" + EMAIL_AND_NAME,
        MADE_NAME,
    ),
    "a UUID that the project must choose": (
        BASE,
        "    name = models.UUIDField(unique=True)" + EMAIL_AND_NAME,
        NO_NAME,
    ),
    "a number that the project must choose": (
        BASE,
        "    name = models.IntegerField(unique=True)" + EMAIL_AND_NAME,
        NO_NAME,
    ),
    "an address as name": (
        BASE,
        PEOPLE_NAMED_BY_ADDRESS,
        ADDRESS_AS_NAME,
    ),
    "a name without apostrophes": ("AbstractUser", "    pass", STRICT_NAME),
}


@pytest.mark.slow
@pytest.mark.parametrize(("bases", "fields", "flow"), CASES.values(), ids=CASES.keys())
def test_a_project_whose_users_have(bases: str, fields: str, flow: str, tmp_path: Path) -> None:
    """R-137."""
    makers = (
        "from datetime import date\nfrom django.contrib.auth import get_user_model\n"
        "def make(account):\n"
        "    return get_user_model().objects.create(username=account.username, birthday=date(2000, 1, 1))\n"
        "def fail(account):\n"
        "    return get_user_model().objects.create(username=account.username)\n"
    )
    files = {
        "settings.py": SETTINGS,
        "urls.py": "from django.urls import include, path\n"
        'urlpatterns = [path("", include(("dfns_login.api.urls", "dfns_login")))]\n',
        "makers.py": makers,
        "people/__init__.py": "",
        "people/migrations/__init__.py": "",
        "people/models.py": MODEL.format(bases=bases) + fields + "\n",
        "flow.py": START + flow,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_SETTINGS_MODULE": "settings",
        "KEYS": settings.DFNS_LOGIN["KEYS"],
    }
    command = [sys.executable, str(tmp_path / "flow.py")]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
