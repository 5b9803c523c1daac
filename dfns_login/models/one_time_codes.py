"""Issued codes. The row is also the outbox of its email; the code itself is not stored."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import cache
from itertools import chain, pairwise
from typing import Any, ClassVar, Final, Self

from django.db import connections, models, router
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from dfns_login.models import transaction
from dfns_login.models.accounts import Account
from dfns_login.models.code_choices import Caller, CodeClosed, CodePurpose
from dfns_login.models.compiled import CompiledSelect, Parameter, insert_select, prepared_values
from dfns_login.models.events import AuditEvent
from dfns_login.models.ids import ID_MAX_LENGTH
from dfns_login.models.outbox import DeliveryState, OutboxQuerySet, OutboxRow
from dfns_login.usernames import USERNAME_MAX_LENGTH, Recipient

UNHANDLED: Final = Q(handled_at__isnull=True) | Q(asked_at__gt=F("handled_at"))
"""Requested after delivery last handled it."""
UNDELIVERED: Final = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.FAILED)
COUNTED: Final = "counted"


class OneTimeCodeQuerySet(OutboxQuerySet["OneTimeCode"]):
    """Transitions of codes: opened, requested again, guessed, closed; and those of their emails."""

    def open(self) -> Self:
        return self.filter(closed_at__isnull=True)

    def of(self, recipient: Recipient, *, purpose: CodePurpose) -> Self:
        return self.filter(organization=recipient.organization, recipient=recipient.username, purpose=purpose)

    def for_guess_of(self, caller: Caller, *, recipient: Recipient, purpose: CodePurpose) -> "list[OneTimeCode]":
        """Read the open codes that a guess is compared with: for strangers theirs, for a device its own and theirs."""
        statement = _GUESSED_BY_DEVICE if caller is Caller.DEVICE else _GUESSED_BY_STRANGER
        rows = statement.rows(organization=recipient.organization, recipient=recipient.username, purpose=purpose.value)
        return sorted(rows, key=lambda row: row.caller != caller)

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
        values = {f.attname: f.get_db_prep_save(getattr(row, f.attname), connection) for f in _inserted_fields()}
        with connection.cursor() as cursor:
            cursor.execute(_open_or_keep_sql(alias, Caller(row.caller)), values | limits)
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
        events: Sequence[AuditEvent] = (),
    ) -> bool:
        """Count a guess and, if it matched, consume the code; false if the code takes no more guesses.

        One conditional UPDATE, so right and wrong guesses cost the same. It costs as
        much if the code is closed, or not stored at all (R-126). The view must not
        reveal whether an uncounted guess matched.
        events: stored if the guess is counted; on PostgreSQL by the same statement.
        """
        alias = router.db_for_write(OneTimeCode)
        connection = connections[alias]
        at_once = events if connection.vendor == "postgresql" else ()
        moment = OneTimeCode._meta.get_field("expires_at").get_db_prep_save(now, connection)
        closing = [moment, CodeClosed.CONSUMED.value] if matched else []
        stored = chain.from_iterable(prepared_values(event, connection) for event in at_once)
        sql = _guess_sql(alias, connection.vendor, caller, closes=matched, events=len(at_once))
        with nullcontext() if len(at_once) == len(events) else transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, [*closing, code.pk or 0, cap, moment, *stored])
            counted = bool(cursor.fetchone() == (COUNTED,))
            if counted and not at_once and events:
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
        mine = self.filter(organization=account.organization_id, recipient=account.username)
        return mine.close(how=CodeClosed.REVOKED, now=now)

    def close_expired(self, *, now: datetime, limit: int) -> int:
        """Close up to `limit` expired codes. Returns how many."""
        expired = self.open().filter(expires_at__lte=now).order_by("expires_at").values_list("pk", flat=True)
        return self.filter(pk__in=list(expired[:limit])).close(how=CodeClosed.EXPIRED, now=now)

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
    recipient = models.CharField(max_length=USERNAME_MAX_LENGTH, help_text="Canonical username; it may not exist.")
    purpose = models.CharField(max_length=12, choices=CodePurpose)
    caller = models.CharField(max_length=8, choices=Caller, default=Caller.STRANGER, help_text="Who requested it.")
    selector = models.CharField(
        max_length=8, blank=True, default="", editable=False, help_text="Start of a code presented without a username."
    )
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, blank=True, related_name="codes")
    salt = models.BinaryField(null=True, editable=False)
    key_id = models.CharField(max_length=64, editable=False)
    issued_at = models.DateTimeField()
    asked_at = models.DateTimeField(help_text="When it was last requested.")
    guesses = models.PositiveIntegerField(default=0, help_text="Guesses from strangers.")
    device_guesses = models.PositiveIntegerField(default=0, help_text="Guesses from known devices.")
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    locale = models.CharField(max_length=16, blank=True, help_text="Language of a known device.")
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
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, closed_as="", salt__isnull=False)
                | Q(closed_at__isnull=False, closed_as__in=CodeClosed.values, salt__isnull=True),
                name="dfns_login_code_closed_has_no_salt",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["expires_at"], condition=Q(closed_at__isnull=True), name="dfns_login_code_expiry"),
            models.Index(
                fields=["purpose", "next_try_at"],
                condition=Q(closed_at__isnull=True) & UNHANDLED,
                name="dfns_login_code_due",
            ),
            models.Index(fields=["closed_at"], condition=Q(closed_at__isnull=False), name="dfns_login_code_closed"),
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

    def handled_time(self, now: datetime) -> datetime:
        """Value of `handled_at`. The clock of the host that took the request may be ahead of the worker's."""
        return max(now, self.asked_at)

    def __str__(self) -> str:
        return f"{self.purpose} code {self.pk}"


@cache
def _inserted_fields() -> tuple["models.Field[Any, Any]", ...]:
    return tuple(field for field in OneTimeCode._meta.concrete_fields if not field.primary_key)


@cache
def _open_or_keep_sql(alias: str, caller: Caller) -> str:
    """SQL text of `open_or_keep`, built once per process."""
    quote = connections[alias].ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in _inserted_fields())
    values = ", ".join(f"%({field.attname})s" for field in _inserted_fields())
    table = quote(OneTimeCode._meta.db_table)
    stale = f"({table}.expires_at <= %(until)s OR {table}.{caller.counter} >= %(cap)s)"
    again = f"NOT {stale} AND {table}.asked_at <= %(earlier)s"
    undelivered = ", ".join(f"'{state.value}'" for state in UNDELIVERED)
    changed = {
        "asked_at": f"WHEN {again} THEN excluded.asked_at",
        "next_try_at": f"WHEN {again} AND {table}.delivery = '{DeliveryState.FAILED.value}' THEN excluded.next_try_at",
        "closed_at": f"WHEN {stale} THEN excluded.asked_at",
        "closed_as": f"WHEN {table}.expires_at <= excluded.asked_at THEN '{CodeClosed.EXPIRED.value}' "
        f"WHEN {stale} THEN '{CodeClosed.SUPERSEDED.value}'",
        "salt": f"WHEN {stale} THEN NULL",
        "delivery": f"WHEN {stale} AND {table}.delivery IN ({undelivered}) THEN CASE WHEN {table}.sent_at IS NULL "
        f"THEN '{DeliveryState.EXPIRED_UNSENT.value}' ELSE '{DeliveryState.SENT.value}' END",
    }
    changes = ", ".join(f"{column} = CASE {cases} ELSE {table}.{column} END" for column, cases in changed.items())
    return (
        f"INSERT INTO {table} ({columns}) VALUES ({values}) "  # noqa: S608  names and states from the model
        f"ON CONFLICT (organization, recipient, purpose, caller) WHERE closed_at IS NULL "
        f"DO UPDATE SET {changes} RETURNING id, closed_as"
    )


@cache
def _guess_sql(alias: str, vendor: str, caller: Caller, *, closes: bool, events: int = 0) -> str:
    """SQL text of `record_guess`, built once per process.

    An UPDATE that finds nothing would write nothing, and its commit would not wait for the disk. So PostgreSQL then
    writes an empty message to its log, which anybody may do and nobody reads.
    """
    quote = connections[alias].ops.quote_name
    table, guesses = quote(OneTimeCode._meta.db_table), quote(caller.counter)
    closing = ", closed_at = %s, closed_as = %s, salt = NULL" if closes else ""
    update = (
        f"UPDATE {table} SET {guesses} = {guesses} + 1{closing} "  # noqa: S608  names from the model
        f"WHERE id = %s AND closed_at IS NULL AND {guesses} < %s AND expires_at > %s RETURNING '{COUNTED}'"
    )
    if vendor != "postgresql":
        return update
    message = "pg_logical_emit_message(true, 'dfns_login', '')::text"
    sources = ["guess", *(f"event_{each}" for each in range(events))]  # each event after the one before
    stored = "".join(
        f", {name} AS ({insert_select(AuditEvent, alias)} FROM {source} RETURNING id)"
        for source, name in pairwise(sources)
    )
    return f"WITH guess (outcome) AS ({update}){stored} SELECT coalesce((SELECT outcome FROM guess), {message})"  # noqa: S608


def _guessed_by_device() -> OneTimeCodeQuerySet:
    field = OneTimeCode._meta.get_field
    names = ("organization", "recipient", "purpose")
    compared = ("caller", "salt", "key_id", "issued_at", "expires_at", "guesses", "device_guesses")
    read = OneTimeCode.objects.only(*names, *compared)  # little
    return read.open().filter(**{name: Parameter(name, field(name)) for name in names})


def _guessed_by_stranger() -> OneTimeCodeQuerySet:
    return _guessed_by_device().filter(caller=Caller.STRANGER)


_GUESSED_BY_DEVICE: Final = CompiledSelect(_guessed_by_device)
_GUESSED_BY_STRANGER: Final = CompiledSelect(_guessed_by_stranger)
