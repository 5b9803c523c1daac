"""Issued codes. The row is also the outbox of its email; the code itself is not stored."""

from datetime import datetime, timedelta
from functools import cache
from typing import Any, ClassVar, Final, Self

from django.db import connections, models, router
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from dfns_login.models.accounts import Account
from dfns_login.models.ids import ID_MAX_LENGTH
from dfns_login.models.outbox import DeliveryState, OutboxQuerySet, OutboxRow
from dfns_login.usernames import USERNAME_MAX_LENGTH, Recipient

UNHANDLED: Final = Q(handled_at__isnull=True) | Q(asked_at__gt=F("handled_at"))
"""Requested after delivery last handled it."""


COUNTED: Final = "counted"


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


class Guesser(models.TextChoices):
    """Column that counts a guess. A browser that has signed in as the recipient before has its own."""

    STRANGER = "guesses", _("Anybody")
    DEVICE = "device_guesses", _("A known device")


class OneTimeCodeQuerySet(OutboxQuerySet["OneTimeCode"]):
    """Transitions of codes: opened, requested again, guessed, closed; and those of their emails."""

    def open(self) -> Self:
        return self.filter(closed_at__isnull=True)

    def of(self, recipient: Recipient, *, purpose: CodePurpose) -> Self:
        return self.filter(organization=recipient.organization, recipient=recipient.username, purpose=purpose)

    def close(self, *, how: CodeClosed | models.Case, now: datetime) -> int:
        """Close the open codes among these, erase their salts, and end their delivery. Returns how many."""
        undelivered = Q(delivery__in=[DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.FAILED])
        settled = models.Case(
            models.When(undelivered, sent_at__isnull=True, then=models.Value(DeliveryState.EXPIRED_UNSENT)),
            models.When(undelivered, then=models.Value(DeliveryState.SENT)),  # an earlier email was sent
            default=F("delivery"),
        )
        return self.open().update(closed_at=now, closed_as=how, salt=None, delivery=settled)

    def close_stale(
        self,
        recipient: Recipient,
        *,
        purpose: CodePurpose,
        guesser: Guesser,
        guesses: int,
        until: datetime,
        now: datetime,
    ) -> bool:
        """Close the recipient's open code if it expires by `until` or has no guesses left for this guesser."""
        how = models.Case(
            models.When(expires_at__lte=now, then=models.Value(CodeClosed.EXPIRED)),
            default=models.Value(CodeClosed.SUPERSEDED),
        )
        spent = Q(**{f"{guesser.value}__gte": guesses})
        stale = self.of(recipient, purpose=purpose).filter(Q(expires_at__lte=until) | spent)
        return stale.close(how=how, now=now) == 1

    def open_or_keep(
        self, row: "OneTimeCode", *, cooldown: timedelta, guesser: Guesser, guesses: int, until: datetime
    ) -> tuple[int, bool]:
        """Insert the row, or keep the recipient's open one and record that it was requested again.

        One statement, so no race opens a second row. A request within `cooldown` of
        the last one changes nothing; a later one makes a failed email due at once.
        Returns the ID of the open row, and whether it is stale: an earlier row that
        `close_stale` would close. A stale row is not changed, so it is not emailed again.
        """
        alias = router.db_for_write(OneTimeCode)
        connection = connections[alias]
        values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in _inserted_fields()]
        moment = OneTimeCode._meta.get_field("asked_at")
        earlier = moment.get_db_prep_save(row.asked_at - cooldown, connection)
        salt = OneTimeCode._meta.get_field("salt").get_db_prep_save(row.salt, connection)
        again = [earlier, moment.get_db_prep_save(until, connection), guesses]
        parameters = [*values, *again, *again, DeliveryState.FAILED.value, salt, *again[1:]]
        with connection.cursor() as cursor:
            cursor.execute(_open_or_keep_sql(alias, guesser), parameters)
            pk, stale = cursor.fetchone()
        return int(pk), bool(stale)

    def record_guess(
        self, *, code: "OneTimeCode", matched: bool, cap: int, now: datetime, guesser: Guesser = Guesser.STRANGER
    ) -> bool:
        """Count a guess and, if it matched, consume the code; false if the code takes no more guesses.

        One conditional UPDATE, so right and wrong guesses cost the same. It costs as
        much if the code is closed, or not stored at all (R-126). The caller must not
        reveal whether an uncounted guess matched.
        """
        alias = router.db_for_write(OneTimeCode)
        connection = connections[alias]
        moment = OneTimeCode._meta.get_field("expires_at").get_db_prep_save(now, connection)
        closing = [moment, CodeClosed.CONSUMED.value] if matched else []
        with connection.cursor() as cursor:
            sql = _guess_sql(alias, connection.vendor, guesser, closes=matched)
            cursor.execute(sql, [*closing, code.pk or 0, cap, moment])
            return bool(cursor.fetchone() == (COUNTED,))

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
    selector = models.CharField(
        max_length=8, blank=True, default="", editable=False, help_text="Start of a code presented without a username."
    )
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, blank=True, related_name="codes")
    salt = models.BinaryField(null=True, editable=False)
    key_id = models.CharField(max_length=64, editable=False)
    issued_at = models.DateTimeField()
    asked_at = models.DateTimeField(help_text="When it was last requested.")
    guesses = models.PositiveSmallIntegerField(default=0)
    device_guesses = models.PositiveSmallIntegerField(default=0, help_text="Guesses from a known device.")
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    locale = models.CharField(max_length=16, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_as = models.CharField(max_length=12, choices=CodeClosed, blank=True)

    objects = OneTimeCodeQuerySet.as_manager()

    class Meta:
        verbose_name = _("issued code")
        verbose_name_plural = _("issued codes")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "recipient", "purpose"],
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

    def handled_time(self, now: datetime) -> datetime:
        """Value of `handled_at`. The clock of the host that took the request may be ahead of the worker's."""
        return max(now, self.asked_at)

    def __str__(self) -> str:
        return f"{self.purpose} code {self.pk}"


@cache
def _inserted_fields() -> tuple["models.Field[Any, Any]", ...]:
    return tuple(field for field in OneTimeCode._meta.concrete_fields if not field.primary_key)


@cache
def _open_or_keep_sql(alias: str, guesser: Guesser) -> str:
    """SQL text of `open_or_keep`, built once per process. The salt tells a new row from an earlier one."""
    quote = connections[alias].ops.quote_name
    fields = _inserted_fields()
    columns = ", ".join(quote(str(field.column)) for field in fields)
    table = quote(OneTimeCode._meta.db_table)
    spent = f"{table}.{quote(guesser.value)}"
    again = f"WHEN {table}.asked_at <= %s AND {table}.expires_at > %s AND {spent} < %s"
    return (
        f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(fields))}) "  # noqa: S608  names from the model
        f"ON CONFLICT (organization, recipient, purpose) WHERE closed_at IS NULL "
        f"DO UPDATE SET asked_at = CASE {again} THEN excluded.asked_at ELSE {table}.asked_at END, "
        f"next_try_at = CASE {again} AND {table}.delivery = %s "
        f"THEN excluded.next_try_at ELSE {table}.next_try_at END "
        f"RETURNING id, salt <> %s AND (expires_at <= %s OR {quote(guesser.value)} >= %s)"
    )


@cache
def _guess_sql(alias: str, vendor: str, guesser: Guesser, *, closes: bool) -> str:
    """SQL text of `record_guess`, built once per process.

    An UPDATE that finds nothing would write nothing, and its commit would not wait for the disk. So PostgreSQL then
    writes an empty message to its log, which anybody may do and nobody reads.
    """
    quote = connections[alias].ops.quote_name
    table, guesses = quote(OneTimeCode._meta.db_table), quote(guesser.value)
    closing = ", closed_at = %s, closed_as = %s, salt = NULL" if closes else ""
    update = (
        f"UPDATE {table} SET {guesses} = {guesses} + 1{closing} "  # noqa: S608  names from the model
        f"WHERE id = %s AND closed_at IS NULL AND {guesses} < %s AND expires_at > %s RETURNING '{COUNTED}'"
    )
    if vendor != "postgresql":
        return update
    message = "pg_logical_emit_message(true, 'dfns_login', '')::text"
    return f"WITH guess (outcome) AS ({update}) SELECT coalesce((SELECT outcome FROM guess), {message})"  # noqa: S608
