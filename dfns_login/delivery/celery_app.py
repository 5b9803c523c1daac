"""The project's Celery app, and what to write if there is none."""

from typing import Final

from celery import current_app

MISSING_APP: Final = "The project has no Celery app, so no worker sends emails."
MISSING_LINES: Final = """Write yours/celery.py, where yours is your project's package:

    import os
    from celery import Celery

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yours.settings")
    app = Celery("yours")
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.autodiscover_tasks()

and yours/__init__.py:

    from yours.celery import app as celery_app

    __all__ = ("celery_app",)

Set CELERY_BROKER_URL in the settings. Without Celery, run `manage.py dfns sweep` from cron."""


def has_celery_app() -> bool:
    """Whether the project has made a Celery app. Otherwise Celery makes up one that has no broker."""
    return not (current_app.main == "default" and not current_app.set_as_current)
