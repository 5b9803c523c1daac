"""`dfns quickstart`: what a project still lacks, as lines to paste. It changes nothing."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from celery import current_app
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from dfns_login.delivery import has_celery_app, missing_files
from dfns_login.key_rings import new_rings, ring_texts
from dfns_login.management.terminal import Parsers, Terminal, add_command
from dfns_login.models import Organization
from dfns_login.project_users import missing_fields

MIDDLEWARE: Final = "dfns_login.middleware.BrowserSessionMiddleware"
URLS: Final = """\
from django.urls import include, path

urlpatterns += [path("", include("dfns_login.urls"))]"""
SETTINGS: Final = """\
import os

DFNS_LOGIN = {
    "PUBLIC_URL": os.environ.get("PUBLIC_URL", "http://localhost:8000"),
    "RELYING_PARTY_NAME": "My Site",  # in emails and on the pages
    "KEYS": os.environ.get("DFNS_LOGIN_KEYS", ""),
}"""
REDIS_URL: Final = "redis://localhost:6379/0"
CACHE: Final = f"""\
CACHES = {{"default": {{"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "{REDIS_URL}"}}}}"""
BEAT: Final = """\
from dfns_login.settings import BEAT_SCHEDULE

CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}"""

USERS: Final = """\
from django.contrib.auth import get_user_model


def create_user(account):
    user = get_user_model()({values})  # your values for ...
    user.set_unusable_password()
    user.save()
    return user"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Something to add. where: a file, the environment or a shell. lines: what to add there."""

    what: str
    where: str
    lines: str


def add_commands(parsers: Parsers) -> None:
    add_command(parsers, "quickstart", quickstart, "Print what the project still lacks, as lines to paste.")


def quickstart(_given: argparse.Namespace, terminal: Terminal) -> None:
    found = [*_missing_settings(), *_missing_callable(), *_missing_code(), *_missing_rows()]
    if terminal.as_json:
        terminal.print_json([asdict(each) for each in found])
        return
    for each in found:
        terminal.out.write(terminal.style.WARNING(f"{each.what}: {each.where}"))
        terminal.out.write(f"\n{each.lines}\n\n")
    if not found:
        terminal.out.write(
            terminal.style.SUCCESS("Nothing is missing. Start a worker and beat, then run `manage.py dfns doctor`.")
        )


def _missing_settings() -> Iterator[Missing]:
    where = _file_of(settings.SETTINGS_MODULE or "mysite.settings")
    if not getattr(settings, "DFNS_LOGIN", {}):
        yield Missing(what="Settings", where=where, lines=SETTINGS)
    if MIDDLEWARE not in settings.MIDDLEWARE:
        lines = f'MIDDLEWARE += ["{MIDDLEWARE}"]  # after AuthenticationMiddleware'
        yield Missing(what="Middleware", where=where, lines=lines)
    if settings.LOGIN_URL == "/accounts/login/":
        yield Missing(what="Sign-in page for your own views", where=where, lines='LOGIN_URL = "dfns_login:sign-in"')
    if "locmem" in settings.CACHES["default"]["BACKEND"]:
        yield Missing(what="Cache that processes share", where=where, lines=CACHE)
    if not any("dfns_login.sweep" in str(each.get("task")) for each in _beat_schedule()):
        yield Missing(what="Periodic tasks", where=where, lines=BEAT)
    if not (current_app.conf.broker_url or getattr(settings, "CELERY_BROKER_URL", "")):
        yield Missing(what="Broker", where=where, lines=f'CELERY_BROKER_URL = "{REDIS_URL}"')
    if not (ring_texts() or settings.DEBUG):
        rings = json.dumps(new_rings(now=timezone.now()))
        what = "Key rings (never replace those in use)"
        yield Missing(what=what, where="environment", lines=f"DFNS_LOGIN_KEYS='{rings}'")


def _missing_callable() -> Iterator[Missing]:
    """Yield a callable for `USER_FOR_ACCOUNT`, if the user model needs one (`dfns_login.E017`)."""
    if not (fields := missing_fields()):
        return
    model, package = get_user_model(), settings.ROOT_URLCONF.partition(".")[0]
    known = {model.USERNAME_FIELD: "account.username", model.get_email_field_name(): "account.email"}
    wanted = [each.name for each in model._meta.fields if each.name in {*known, *fields} and not each.has_default()]
    values = ", ".join(f"{name}={'...' if name in fields else known[name]}" for name in wanted)
    what = "A user for each account"
    yield Missing(what=what, where=f"{package}/users.py", lines=USERS.format(values=values))
    lines = f'DFNS_LOGIN["USER_FOR_ACCOUNT"] = "{package}.users.create_user"'
    yield Missing(what=what, where=_file_of(settings.SETTINGS_MODULE or "mysite.settings"), lines=lines)


def _missing_code() -> Iterator[Missing]:
    if not has_celery_app():
        for where, lines in missing_files().items():
            yield Missing(what="Celery app", where=where, lines=lines)
    try:
        reverse("dfns_login:login")
    except NoReverseMatch:
        yield Missing(what="URLs", where=_file_of(settings.ROOT_URLCONF), lines=URLS)


def _missing_rows() -> Iterator[Missing]:
    try:
        if not Organization.objects.exists():
            yield Missing(what="Organization", where="shell", lines="python manage.py dfns organization create Example")
    except DatabaseError:
        lines = "python manage.py migrate\npython manage.py dfns organization create Example"
        yield Missing(what="Tables", where="shell", lines=lines)


def _file_of(module: str) -> str:
    """Path of a module, from the current folder if it is below that."""
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        found = None
    path = Path(found.origin if found and found.origin else module.replace(".", "/") + ".py")
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _beat_schedule() -> list[dict[str, object]]:
    schedule = current_app.conf.beat_schedule or getattr(settings, "CELERY_BEAT_SCHEDULE", {})
    return [dict(each) for each in schedule.values()]
