"""Rows that are written for guesses that count on no code."""

from typing import ClassVar, Final

from django.db import models

from dfns_login.models.code_choices import CLOSED_HAS_NO_SALT, CodeClosed
from dfns_login.models.primary import PrimaryModel

STAND_INS: Final = 1024
"""How many there are, so that guesses at different names seldom wait for the same row."""


class StandInCode(PrimaryModel):
    """What a guess updates where no code is open for the name, so that it takes as long (R-126).

    Guesses at the same name update the same row, and wait for each other as they do on an open code. PostgreSQL takes
    as long to check the constraints as to write the row. So they are those of a code, and so are the columns that they
    name.
    """

    id = models.IntegerField(primary_key=True)
    guesses = models.PositiveIntegerField()
    device_guesses = models.PositiveIntegerField()
    tries = models.PositiveIntegerField()
    closed_at = models.DateTimeField(null=True)
    closed_as = models.CharField(max_length=12, choices=CodeClosed, blank=True)
    salt = models.BinaryField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=CLOSED_HAS_NO_SALT, name="dfns_login_stand_in_closed_has_no_salt")
        ]

    def __str__(self) -> str:
        return f"stand-in {self.pk}"
