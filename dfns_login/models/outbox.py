"""The outbox: rows that are themselves the emails to send.

A row is due until a worker has handled it. The worker leases the row in one
statement, sends the email, and writes the outcome into the row.
"""

from collections.abc import Collection
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Final, Self, TypeVar

from django.db import connections, models, router
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from dfns_login.models.primary import PrimaryModel, PrimaryQuerySet

ERROR_MAX_LENGTH: Final = 500


class DeliveryState(models.TextChoices):
    """State of an email."""

    QUEUED = "queued", _("Queued")
    SENDING = "sending", _("Sending")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Failed; will be retried")
    REFUSED = "refused", _("Refused by the recipient's server")
    NO_RECIPIENT = "no recipient", _("No recipient")
    EXPIRED_UNSENT = "expired unsent", _("Expired unsent")
    SHOWN = "shown", _("Shown to its owner")


UNDELIVERED: Final = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.FAILED)


class OutboxRow(PrimaryModel):
    """An email to send. `tries` identifies a lease: each one raises it, and only its holder writes the outcome."""

    delivery = models.CharField(max_length=16, choices=DeliveryState, default=DeliveryState.QUEUED)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(help_text="End of the lease while it is being sent; the next try if it failed.")
    expires_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True, help_text="When delivery last had nothing left to do.")
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=ERROR_MAX_LENGTH, blank=True, help_text="Last answer of the mail server.")

    class Meta:
        abstract = True

    def handled_time(self, now: datetime) -> datetime:
        """Value of `handled_at` for a row that is handled now."""
        return now


Row = TypeVar("Row", bound=OutboxRow)


class OutboxQuerySet(PrimaryQuerySet[Row]):
    """Transitions of emails: leased by one worker, then sent, failed, or without a recipient."""

    def unhandled(self) -> Self:
        """Rows that have an email to send."""
        return self.filter(handled_at__isnull=True)

    def due(self, *, now: datetime) -> Self:
        """Unhandled rows that no worker holds, and that aren't waiting for their next try.

        The clock of the host that made the row may be ahead, so a new row is due whatever its `next_try_at`.
        """
        waiting = Q(delivery__in=[DeliveryState.SENDING, DeliveryState.FAILED], next_try_at__gt=now)
        return self.unhandled().filter(~waiting, expires_at__gt=now)

    def overdue(self, *, since: datetime, now: datetime) -> Self:
        """Due rows whose next try was before `since`."""
        return self.due(now=now).filter(next_try_at__lte=since)

    def take(self, *, limit: int, until: datetime) -> list[int]:
        """Lease up to `limit` of these rows until this time. Returns their primary keys.

        One statement: on PostgreSQL it skips rows that another worker is taking,
        on SQLite writers wait for each other. So every row has one holder.
        """
        alias = router.db_for_write(self.model)
        connection = connections[alias]
        quote = connection.ops.quote_name
        table, key = quote(self.model._meta.db_table), quote(str(self.model._meta.pk.column))
        candidates, parameters = self.values("pk")[:limit].query.get_compiler(alias).as_sql()
        if connection.features.has_select_for_update_skip_locked:
            candidates += f" {connection.ops.for_update_sql(skip_locked=True)}"
        sql = (
            f"WITH taken ({key}) AS MATERIALIZED ({candidates}) "  # noqa: S608  names from the model
            f"UPDATE {table} SET delivery = %s, next_try_at = %s, tries = tries + 1 "
            f"WHERE {key} IN (SELECT {key} FROM taken) RETURNING {key}"
        )
        end = connection.ops.adapt_datetimefield_value(until)
        with connection.cursor() as cursor:
            cursor.execute(sql, [*parameters, DeliveryState.SENDING.value, end])
            return [int(pk) for (pk,) in cursor.fetchall()]

    def renew(self, rows: Collection[Row], *, until: datetime) -> int:
        """Extend the leases that are still held. Returns how many."""
        return self._held(rows).filter(delivery=DeliveryState.SENDING).update(next_try_at=until)

    def give_back(self, rows: Collection[Row], *, now: datetime) -> int:
        """End the leases of rows that weren't tried. Returns how many."""
        held = self._held(rows).filter(delivery=DeliveryState.SENDING)
        return held.update(delivery=DeliveryState.QUEUED, tries=F("tries") - 1, next_try_at=now)

    def record_sent(self, row: Row, *, now: datetime, **fields: object) -> bool:
        """Record that the mail server accepted the email; false if the lease was lost."""
        return self._settle(
            row,
            delivery=DeliveryState.SENT,
            sent_at=now,
            handled_at=row.handled_time(now),
            last_error="",
            **fields,
        )

    def record_no_recipient(self, row: Row, *, now: datetime) -> bool:
        """Record that the email has no recipient; false if the lease was lost."""
        return self._settle(row, delivery=DeliveryState.NO_RECIPIENT, handled_at=row.handled_time(now))

    def record_refused(self, row: Row, *, error: str, now: datetime, **fields: object) -> bool:
        """Record that the server refuses the email for good; false if the lease was lost."""
        return self._settle(
            row,
            delivery=DeliveryState.REFUSED,
            handled_at=row.handled_time(now),
            last_error=error[:ERROR_MAX_LENGTH],
            **fields,
        )

    def record_failed(self, row: Row, *, error: str, next_try_at: datetime, **fields: object) -> bool:
        """Record the error and the next try; false if the lease was lost."""
        # A code closed in the meantime isn't tried again; closing it has set its delivery state.
        sending = models.When(delivery=DeliveryState.SENDING, then=models.Value(DeliveryState.FAILED))
        delivery = models.Case(sending, default=F("delivery"))
        return self._settle(
            row, delivery=delivery, last_error=error[:ERROR_MAX_LENGTH], next_try_at=next_try_at, **fields
        )

    def _settle(self, row: Row, **fields: object) -> bool:
        return self._held([row]).update(**fields) == 1

    def _held(self, rows: Collection[Row]) -> Self:
        return self.filter(reduce(or_, (Q(pk=row.pk, tries=row.tries) for row in rows)))
