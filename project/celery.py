"""The Celery app: its settings are Django's, in names that begin with `CELERY_`."""

import logging.config
import os

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_as_django_does(**_: object) -> None:
    """Keep Celery from setting up a log format of its own."""
    logging.config.dictConfig(settings.LOGGING)
