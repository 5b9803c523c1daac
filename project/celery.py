"""The Celery app. Its settings are the Django settings that begin with `CELERY_`."""

import logging.config
import os
from collections.abc import Callable
from typing import Any, Final

from celery import Celery
from celery.signals import setup_logging
from celery.worker.consumer import Consumer
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

logger = logging.getLogger(__name__)

UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What Kombu and Celery raise for a message that isn't in their format."""


class LastingConsumer(Consumer):  # type: ignore[misc]  # Celery has no types
    """A consumer that drops the messages it can't read. With Celery's own, they end the worker.

    Kombu's Redis transport fails on a message that isn't JSON after it has taken it from the queue. That counts as a
    lost connection here, so the worker connects again.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.connection_errors += UNREADABLE

    def create_task_handler(self, *args: object, **kwargs: object) -> Callable[[Any], None]:
        """Return Celery's handler, guarded: a message it fails on would otherwise be delivered again and again."""
        handle = super().create_task_handler(*args, **kwargs)

        def handle_or_drop(message: Any) -> None:  # noqa: ANN401
            try:
                handle(message)
            except UNREADABLE as error:
                logger.critical("dropped a message that can't be read: %s", type(error).__name__)
                message.ack_log_error(logger, self.connection_errors)

        return handle_or_drop


app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.worker_consumer = f"{__name__}:{LastingConsumer.__name__}"
app.autodiscover_tasks()


@setup_logging.connect
def log_as_django_does(**_: object) -> None:
    """Use Django's logging. Without a receiver of this signal, Celery sets up its own."""
    logging.config.dictConfig(settings.LOGGING)
