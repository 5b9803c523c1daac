"""The runnable project around `dfns_login`."""

from project.celery import app as celery_app

__all__ = ("celery_app",)
