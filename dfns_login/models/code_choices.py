"""Choices of issued codes: their purpose, how they end, and who requests or guesses them."""

from typing import Final, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class CodePurpose(models.TextChoices):
    """What a code is for. It is valid for this purpose only."""

    LOGIN = "login", _("Login")
    REGISTRATION = "registration", _("Registration")
    RECOVERY = "recovery", _("Recovery")
    CREDENTIAL = "credential", _("New credential")


class CodeClosed(models.TextChoices):
    """Why a code is no longer valid."""

    CONSUMED = "consumed", _("Consumed")
    EXPIRED = "expired", _("Expired")
    SUPERSEDED = "superseded", _("Superseded")
    REVOKED = "revoked", _("Revoked")


CLOSED_HAS_NO_SALT: Final = Q(closed_at__isnull=True, closed_as="", salt__isnull=False) | Q(
    closed_at__isnull=False, closed_as__in=CodeClosed.values, salt__isnull=True
)
"""A code cannot be derived once it is closed."""


class Caller(models.TextChoices):
    """Who requests or guesses a code. A known device is a browser that has signed in as the recipient before."""

    STRANGER = "stranger", _("Anybody")
    DEVICE = "device", _("A known device")

    @classmethod
    def of(cls, device: str) -> Self:
        """Return who calls. device: as in `Requester.device`, empty for a stranger."""
        return cls.DEVICE if device else cls.STRANGER

    @property
    def counter(self) -> str:
        """Column that counts this caller's guesses."""
        return {Caller.STRANGER: "guesses", Caller.DEVICE: "device_guesses"}[self]
