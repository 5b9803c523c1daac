"""Issued codes. The row is also the outbox of its email; the code itself is not stored."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from itertools import chain
from typing import ClassVar, Final, Self

from django.db import connections, models, router
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from dfns_login.models import transaction
from dfns_login.models.accounts import Account
from dfns_login.models.code_choices import CLOSED_HAS_NO_SALT, Caller, CodeClosed, CodePurpose
from dfns_login.models.code_sql import COUNTED, guess_sql, open_or_keep_sql
from dfns_login.models.compiled import inserted_fields, mark_inserted, prepared_value, prepared_values
from dfns_login.models.events import AuditEvent
from dfns_login.models.ids import ID_MAX_LENGTH
from dfns_login.models.outbox import UNDELIVERED, DeliveryState, OutboxQuerySet, OutboxRow
from dfns_login.usernames import USERNAME_MAX_LENGTH, Recipient

UNHANDLED: Final = Q(handled_at__isnull=True) | Q(asked_at__gt=F("handled_at"))
"""Requested after delivery last handled it."""
READ_FOR_A_GUESS: Final = (
    "organization",
    "recipient",
    "purpose",
    "caller",
    "salt",
    "key_id",
    "issued_at",
    "expires_at",
    "guesses",
    "device_guesses",
)
"""Columns that are read to compare a code with a guess: few, so that it takes as long without a code (R-126)."""


class OneTimeCodeQuerySet(OutboxQuerySet["OneTimeCode"]):
    """Transitions of codes: opened, requested again, guessed, closed; and those of their emails."""

    def open(self) -> Self:
        return self.filter(closed_at__isnull=True)

    def of(self, recipient: Recipient, *, purpose: CodePurpose) -> Self:
        return self.filter(organization=recipient.organization, recipient=recipient.username, purpose=purpose)

    def for_guess_of(self, caller: Caller, *, recipient: Recipient, purpose: CodePurpose) -> "list[OneTimeCode]":
        """Read the open codes that a guess is compared with: for strangers theirs, for a device its own and theirs."""
        rows = self.open().of(recipient, purpose=purpose).filter(caller__in={caller, Caller.STRANGER})
        return sorted(rows.only(*READ_FOR_A_GUESS), key=lambda row: row.caller != caller)

    def close(self, *, how: CodeClosed, now: datetime) -> int:
        """Close the open codes among these, erase their salts, and end their delivery. Returns how many."""
        undelivered = Q(delivery__in=UNDELIVERED)
        settled = models.Case(
            models.When(undelivered, sent_at__isnull=True, then=models.Value(DeliveryState.EXPIRED_UNSENT)),
            models.When(undelivered, then=models.Value(DeliveryState.SENT)),  # an earlier email was sent
            default=F("delivery"),
        )
        return self.open().update(closed_at=now, closed_as=how, salt=None, delivery=settled)

    def open_or_keep(self, row: "OneTimeCode", *, cooldown: timedelta, cap: int, margin: timedelta) -> int | None:
        """Insert the row, or keep the caller's open one and record that it was requested again.

        One statement, so no race opens a second row. A request within `cooldown` of
        the last one changes nothing; a later one makes a failed email due at once.
        If the open row is stale (it expires within `margin`, or its caller has made
        `cap` guesses), the statement closes it instead, as `close` does.

        Returns the ID of the open row, or None if a stale one was closed.
        """
        alias = router.db_for_write(OneTimeCode)
        connection = connections[alias]
        adapt = connection.ops.adapt_datetimefield_value
        limits = {"cap": cap, "until": adapt(row.asked_at + margin), "earlier": adapt(row.asked_at - cooldown)}
        values = {each.attname: prepared_value(each, row, connection) for each in inserted_fields(OneTimeCode)}
        with connection.cursor() as cursor:
            cursor.execute(open_or_keep_sql(OneTimeCode, alias, Caller(row.caller)), values | limits)
            pk, closed_as = cursor.fetchone()
        return None if closed_as else int(pk)

    def record_guess(
        self,
        *,
        code: "OneTimeCode",
        matched: bool,
        cap: int,
        now: datetime,
        caller: Caller = Caller.STRANGER,
        stand_in: int = 0,
        events: Sequence[AuditEvent] = (),
    ) -> bool:
        """Count a guess and, if it matched, consume the code; false if its guesses are used up.

        One conditional UPDATE, so right and wrong guesses cost the same. It costs as
        much if the code is closed, or not stored at all (R-126). The view must not
        reveal whether an uncounted guess matched.
        stand_in: which `StandInCode` PostgreSQL updates if the guess is not counted.
        events: stored if the guess is counted; on PostgreSQL by the same statement.
        """
        alias = router.db_for_write(OneTimeCode)
        connection = connections[alias]
        at_once = events if connection.vendor == "postgresql" else ()
        moment = OneTimeCode._meta.get_field("expires_at").get_db_prep_save(now, connection)
        closing = [moment, CodeClosed.CONSUMED.value] if matched else []
        others = [stand_in] if connection.vendor == "postgresql" else []
        stored = chain.from_iterable(prepared_values(event, connection) for event in at_once)
        sql = guess_sql(OneTimeCode, alias, connection.vendor, caller, matched=matched, events=len(at_once))
        with nullcontext() if len(at_once) == len(events) else transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, [*closing, code.pk or 0, cap, moment, *others, *stored])
            outcome, *keys = cursor.fetchone() or (None,)
            counted = bool(outcome == COUNTED)
            if counted and at_once:
                for event, key in zip(at_once, keys, strict=True):
                    mark_inserted(event, key, alias=alias)
            elif counted and events:
                AuditEvent.objects.add(*events)
        return counted

    def consume(self, *, code: "OneTimeCode", now: datetime) -> bool:
        """Consume a code whose guess was counted on another row; true for exactly one caller."""
        mine = self.open().filter(pk=code.pk, expires_at__gt=now)
        return mine.update(closed_at=now, closed_as=CodeClosed.CONSUMED, salt=None) == 1

    def revoke(self, *, code: "OneTimeCode", now: datetime) -> bool:
        """Close the code if it is still open; true for exactly one caller."""
        return self.filter(pk=code.pk).close(how=CodeClosed.REVOKED, now=now) == 1

    def revoke_of_account(self, *, account: Account, now: datetime) -> int:
        """Close every open code for the account's username. Returns how many."""
        return self.filter(organization=account.organization_id, recipient=account.username).revoke_all(now=now)

    def revoke_all(self, *, now: datetime) -> int:
        """Close the open codes among these. Returns how many.

        In the order in which a known device locks them that presents the strangers' code, so they do not deadlock.
        """
        in_order = [self.filter(caller=caller) for caller in (Caller.DEVICE, Caller.STRANGER)]
        return sum(codes.close(how=CodeClosed.REVOKED, now=now) for codes in in_order)

    def close_expired(self, *, now: datetime, limit: int) -> int:
        """Close up to `limit` expired codes, but none that is locked, so that this never waits. Returns how many."""
        expired = self.open().filter(salt__isnull=False, expires_at__lte=now).order_by("expires_at")
        with transaction.atomic():
            found = list(expired.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
            return self.filter(pk__in=found).close(how=CodeClosed.EXPIRED, now=now)

    def lapsed(self, *, now: datetime) -> bool:
        """Whether the newest of these codes expired before it was presented."""
        newest = self.order_by("-pk").first()
        return newest is not None and (newest.closed_as == CodeClosed.EXPIRED or newest.expires_at <= now)

    def overdue(self, *, since: datetime, now: datetime) -> Self:
        """Due codes that were last requested, and whose next try was, before `since`."""
        return super().overdue(since=since, now=now).filter(asked_at__lte=since)

    def unhandled(self) -> Self:
        """Open codes that were requested after delivery last handled them."""
        return self.open().filter(UNHANDLED)

    def awaited(self) -> Self:
        """Codes that a person is waiting for."""
        return self.filter(purpose__in=[CodePurpose.LOGIN, CodePurpose.RECOVERY])

    def purgeable(self, *, without_recipient_before: datetime, others_before: datetime) -> Self:
        """Closed rows past their retention."""
        return self.filter(
            Q(closed_at__lte=others_before) | Q(closed_at__lte=without_recipient_before, account__isnull=True)
        )


class OneTimeCode(OutboxRow):
    """An issued code: its recipient, lifetime, guesses and delivery, and what the code is derived from."""

    organization = models.CharField(max_length=ID_MAX_LENGTH, help_text="As requested; it may not exist.")
    recipient = models.CharField(
        _("recipient"), max_length=USERNAME_MAX_LENGTH, help_text="Canonical username; it may not exist."
    )
    purpose = models.CharField(_("purpose"), max_length=12, choices=CodePurpose)
    caller = models.CharField(_("requested by"), max_length=8, choices=Caller, default=Caller.STRANGER)
    selector = models.CharField(
        max_length=8, blank=True, default="", editable=False, help_text="Start of a code presented without a username."
    )
    account = models.ForeignKey(
        Account, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="codes"
    )
    salt = models.BinaryField(null=True, editable=False)
    key_id = models.CharField(max_length=64, editable=False)
    issued_at = models.DateTimeField()
    asked_at = models.DateTimeField(help_text="When it was last requested.")
    guesses = models.PositiveIntegerField(default=0, help_text="Guesses from strangers.")
    device_guesses = models.PositiveIntegerField(default=0, help_text="Guesses from known devices.")
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    locale = models.CharField(_("language"), max_length=16, blank=True, help_text="Language of a known device.")
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_as = models.CharField(max_length=12, choices=CodeClosed, blank=True)

    objects = OneTimeCodeQuerySet.as_manager()

    class Meta:
        verbose_name = _("issued code")
        verbose_name_plural = _("issued codes")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "recipient", "purpose", "caller"],
                condition=Q(closed_at__isnull=True),
                name="dfns_login_code_one_open",
            ),
            models.UniqueConstraint(fields=["selector"], condition=~Q(selector=""), name="dfns_login_code_selector"),
            models.CheckConstraint(condition=CLOSED_HAS_NO_SALT, name="dfns_login_code_closed_has_no_salt"),
        ]
        indexes: ClassVar = [
            # of open codes. With `closed_at` as its condition, PostgreSQL would use it to look for a name's code
            models.Index(fields=["expires_at"], condition=Q(salt__isnull=False), name="dfns_login_code_expiry"),
            models.Index(
                fields=["purpose", "next_try_at"],
                condition=Q(closed_at__isnull=True) & UNHANDLED,
                name="dfns_login_code_due",
            ),
            models.Index(fields=["closed_at"], condition=Q(closed_at__isnull=False), name="dfns_login_code_closed"),
            # a code has no account until it is sent
            models.Index(fields=["account"], condition=Q(account__isnull=False), name="dfns_login_code_account"),
            models.Index(fields=["-issued_at"], name="dfns_login_code_issued"),
            models.Index(  # also for the admin's search, which covers every organization
                fields=["recipient", "organization"],
                opclasses=["varchar_pattern_ops", "varchar_pattern_ops"],
                name="dfns_login_code_recipient",
            ),
        ]

    @property
    def callers_guesses(self) -> int:
        """Guesses by those who may have requested it. A known device may guess a strangers' code too."""
        return int(getattr(self, Caller(self.caller).counter))

    @property
    def is_requested_again(self) -> bool:
        """Whether the code was requested again after its last email, so that another one is due."""
        return self.handled_at is not None and self.asked_at > self.handled_at

    def handled_time(self, now: datetime) -> datetime:
        """Value of `handled_at`. The clock of the host that took the request may be ahead of the worker's."""
        return max(now, self.asked_at)

    def __str__(self) -> str:
        return f"{self.purpose} code {self.pk}"
