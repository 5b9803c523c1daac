"""Recoveries that wait, so that the account's owner can stop them."""

from datetime import datetime
from typing import Self

from django.db import models

from dfns_login.models.accounts import Account, AccountQuerySet
from dfns_login.models.credentials import Credential
from dfns_login.models.primary import PrimaryModel, PrimaryQuerySet


class RecoveryWaitQuerySet(PrimaryQuerySet["RecoveryWait"]):
    """Queries and transitions of waiting recoveries."""

    def begin(self, wait: "RecoveryWait", *, now: datetime) -> "RecoveryWait":
        """Store the wait, or keep the recovery key's earlier one if it still counts, and return the one that counts.

        No race stores two, and beginning again does not postpone the earlier end.
        """
        self.bulk_create([wait], ignore_conflicts=True)
        mine = self.filter(pk=wait.pk)
        mine.filter(expires_at__lte=now).update(
            begun_at=wait.begun_at, ready_at=wait.ready_at, expires_at=wait.expires_at
        )
        return mine.get()

    def current(self, *, account: Account, now: datetime) -> Self:
        """The account's waits that have not expired."""
        return self.filter(credential__account=account, credential__active=True, expires_at__gt=now)

    def end(self, accounts: AccountQuerySet) -> None:
        """End every wait of these accounts. Revoke their codes first: one that was presented may have begun a wait."""
        self.filter(credential__account__in=accounts).delete()


class RecoveryWait(PrimaryModel):
    """That a recovery was begun with a recovery key, and when that key can complete one."""

    credential = models.OneToOneField(
        Credential, primary_key=True, on_delete=models.CASCADE, related_name="recovery_wait"
    )
    begun_at = models.DateTimeField()
    ready_at = models.DateTimeField(help_text="From then on, the recovery can be completed.")
    expires_at = models.DateTimeField(help_text="Until then. A later recovery has to wait again.")

    objects = RecoveryWaitQuerySet.as_manager()

    def __str__(self) -> str:
        return f"recovery with {self.credential_id}"
