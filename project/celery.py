"""The Celery app. Its settings are the Django settings that begin with `CELERY_`."""

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
    """Use Django's logging. Without a receiver of this signal, Celery sets up its own."""
    logging.config.dictConfig(settings.LOGGING)
