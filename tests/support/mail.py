"""Choose the email backend, in the settings of each Django version."""

from datetime import datetime
from typing import Any

import django

from dfns_login.delivery import deliver_due


def mail_through(backend: str, **options: Any) -> dict[str, Any]:
    """Settings that send mail through this backend: `MAILERS` from Django 6.1, `EMAIL_…` before."""
    if django.VERSION < (6, 1):
        return {"EMAIL_BACKEND": backend, **{f"EMAIL_{name.upper()}": value for name, value in options.items()}}
    return {"MAILERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}


def send_through(settings: Any, backend: str, **options: Any) -> None:
    """The same, for the length of a test."""
    for name, value in mail_through(backend, **options).items():
        setattr(settings, name, value)


def deliver_at(now: datetime) -> None:
    """Send every email that is due at this time."""
    assert not deliver_due(clock=lambda: now)
