"""The project's Celery app, and what to write if there is none."""

from collections.abc import Mapping
from textwrap import indent
from typing import Final

from celery import current_app
from django.conf import settings

MISSING_APP: Final = "The project has no Celery app, so no worker sends emails."
APP: Final = """\
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{settings}")
app = Celery("{package}")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()"""
LOADED: Final = """\
from .celery import app as celery_app

__all__ = ["celery_app"]"""


def has_celery_app() -> bool:
    """Whether the project has made a Celery app. Otherwise Celery makes up one that has no broker."""
    return not (current_app.main == "default" and not current_app.set_as_current)


def missing_files() -> Mapping[str, str]:
    """What to add to which file of a project that has no Celery app.

    The files are in the package of the settings, or in `mysite` if these are in no package.
    """
    module = settings.SETTINGS_MODULE or ""
    package = module.partition(".")[0] if "." in module else "mysite"
    app = APP.format(settings=module or f"{package}.settings", package=package)
    return {f"{package}/celery.py": app, f"{package}/__init__.py": LOADED}


def missing_lines() -> str:
    """The same, as the hint of a finding."""
    files = "\n\n".join(f"Add to {name}:\n\n{indent(lines, '    ')}" for name, lines in missing_files().items())
    return f"{files}\n\nSet CELERY_BROKER_URL in the settings. Without Celery, run `manage.py dfns sweep` from cron."
