"""Issued codes: whom for, until when, and what became of them. The row is also the outbox of its mail."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.db import connections, models, router
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from dfns_login.models.accounts import Account
from dfns_login.models.ids import ID_MAX_LENGTH
from dfns_login.usernames import USERNAME_MAX_LENGTH, Recipient


class CodePurpose(models.TextChoices):
    """What a code opens. A code of one purpose is none of another."""

    LOGIN = "login", _("Login")
    REGISTRATION = "registration", _("Registration")
    RECOVERY = "recovery", _("Recovery")
    CREDENTIAL = "credential", _("New credential")


class CodeDelivery(models.TextChoices):
    """What became of the mail."""

    QUEUED = "queued", _("Queued")
    SENDING = "sending", _("Sending")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Failed, will be tried again")
    NO_RECIPIENT = "no recipient", _("No recipient")
    EXPIRED_UNSENT = "expired unsent", _("Expired unsent")
    SHOWN = "shown", _("Shown to its owner")


class CodeClosed(models.TextChoices):
    """Why a code is good no more."""

    CONSUMED = "consumed", _("Consumed")
    EXPIRED = "expired", _("Expired")
    SUPERSEDED = "superseded", _("Superseded")
    REVOKED = "revoked", _("Revoked")


class Guesser(models.TextChoices):
    """Who guesses, by column: a browser that has signed in before as the recipient has guesses of its own."""

    STRANGER = "guesses", _("Anybody")
    DEVICE = "device_guesses", _("A known device")


class OneTimeCodeQuerySet(models.QuerySet["OneTimeCode"]):
    """Transitions of issued codes: opened, asked for again, guessed at, leased, delivered, closed."""

    def open(self) -> Self:
        return self.filter(closed_at__isnull=True)

    def of(self, recipient: Recipient, *, purpose: CodePurpose) -> Self:
        return self.filter(organization=recipient.organization, recipient=recipient.username, purpose=purpose)

    def close(self, *, how: CodeClosed | models.Case, now: datetime) -> int:
        """Close what is open here, erase its salt, and settle a delivery that will not come. Returns how many."""
        under_way = Q(delivery__in=[CodeDelivery.QUEUED, CodeDelivery.SENDING, CodeDelivery.FAILED])
        settled = models.Case(
            models.When(under_way, sent_at__isnull=True, then=models.Value(CodeDelivery.EXPIRED_UNSENT)),
            models.When(under_way, then=models.Value(CodeDelivery.SENT)),  # the mail before this one came
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
        """Close the recipient's open row if the guesses of whoever asks are spent or its life ends by `until`."""
        how = models.Case(
            models.When(expires_at__lte=now, then=models.Value(CodeClosed.EXPIRED)),
            default=models.Value(CodeClosed.SUPERSEDED),
        )
        spent = Q(**{f"{guesser.value}__gte": guesses})
        outworn = self.of(recipient, purpose=purpose).filter(Q(expires_at__lte=until) | spent)
        return outworn.close(how=how, now=now) == 1

    def open_or_keep(self, row: "OneTimeCode", *, cooldown: timedelta) -> int:
        """Insert the row, or keep the recipient's open one and note that it was asked for again.

        One statement, so no race opens a second row. Asking within `cooldown` of
        the last time is not noted. Returns the id of the row that is open now.
        """
        alias = router.db_for_write(OneTimeCode)
        connection = connections[alias]
        fields = [field for field in OneTimeCode._meta.concrete_fields if not field.primary_key]
        columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
        table = connection.ops.quote_name(OneTimeCode._meta.db_table)
        values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
        earlier = OneTimeCode._meta.get_field("asked_at").get_db_prep_save(row.asked_at - cooldown, connection)
        sql = (
            f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(values))}) "  # noqa: S608  our own names
            f"ON CONFLICT (organization, recipient, purpose) WHERE closed_at IS NULL "
            f"DO UPDATE SET asked_at = CASE WHEN {table}.asked_at <= %s "
            f"THEN excluded.asked_at ELSE {table}.asked_at END RETURNING id"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [*values, earlier])
            return int(cursor.fetchone()[0])

    def record_guess(
        self, *, code: "OneTimeCode", matched: bool, cap: int, now: datetime, guesser: Guesser = Guesser.STRANGER
    ) -> bool:
        """Count one guess and, where it matched, consume the code; false if the row takes none of this guesser.

        One conditional UPDATE: right and wrong cost the same, and a guess that
        is not counted here has no answer.
        """
        column = guesser.value
        fields: dict[str, Any] = {column: F(column) + 1}
        if matched:
            fields |= {"closed_at": now, "closed_as": CodeClosed.CONSUMED, "salt": None}
        taking = self.open().filter(**{f"{column}__lt": cap}, pk=code.pk, expires_at__gt=now)
        return taking.update(**fields) == 1

    def revoke(self, *, code: "OneTimeCode", now: datetime) -> bool:
        """Close this code if it is still open; true for exactly one caller."""
        return self.filter(pk=code.pk).close(how=CodeClosed.REVOKED, now=now) == 1

    def revoke_of_account(self, *, account: Account, now: datetime) -> int:
        """Close every open code of the account's username."""
        mine = self.filter(organization=account.organization_id, recipient=account.username)
        return mine.close(how=CodeClosed.REVOKED, now=now)

    def close_expired(self, *, now: datetime, limit: int) -> int:
        """Close up to `limit` rows whose life is over. Returns how many."""
        expired = self.open().filter(expires_at__lte=now).order_by("expires_at").values_list("pk", flat=True)
        return self.filter(pk__in=list(expired[:limit])).close(how=CodeClosed.EXPIRED, now=now)

    def lapsed(self, *, now: datetime) -> bool:
        """Whether the newest code here ran out before anybody presented it."""
        newest = self.order_by("-pk").first()
        return newest is not None and (newest.closed_as == CodeClosed.EXPIRED or newest.expires_at <= now)

    def undelivered(self, *, now: datetime) -> Self:
        """Live rows that were asked for after delivery last settled them, and that no worker holds."""
        asked = Q(handled_at__isnull=True) | Q(asked_at__gt=F("handled_at"))
        unheld = ~Q(delivery=CodeDelivery.SENDING) | Q(next_try_at__lte=now)
        return self.open().filter(asked, unheld, expires_at__gt=now)

    def due(self, *, now: datetime) -> Self:
        """What the sweep hands over: undelivered, and its next try has come."""
        return self.undelivered(now=now).filter(next_try_at__lte=now)

    def hold_back(self, *, ids: list[int], until: datetime, now: datetime) -> None:
        """Keep what was just handed over out of the next sweeps, unless a worker has set its next try already.

        A lease that has ended is taken off: with a later next try it would hold again, and keep every worker away.
        """
        unleased = models.Case(
            models.When(delivery=CodeDelivery.SENDING, then=models.Value(CodeDelivery.QUEUED)), default=F("delivery")
        )
        self.filter(pk__in=ids, next_try_at__lte=now).update(next_try_at=until, delivery=unleased)

    def take(self, *, pk: int, lease: timedelta, now: datetime) -> bool:
        """Lease the row for one delivery; true for exactly one worker until the lease ends."""
        fields = {"delivery": CodeDelivery.SENDING, "next_try_at": now + lease, "tries": F("tries") + 1}
        return self.undelivered(now=now).filter(pk=pk).update(**fields) == 1

    def _settle(self, *, code: "OneTimeCode", **fields: object) -> bool:
        """Write the outcome of the lease that `code` was read under; false if another worker has taken it since."""
        return self.filter(pk=code.pk, tries=code.tries).update(**fields) == 1

    def record_sent(self, *, code: "OneTimeCode", account: Account, now: datetime) -> bool:
        handled = max(now, code.asked_at)  # the clock of whoever asked may be ahead of the worker's
        return self._settle(
            code=code, delivery=CodeDelivery.SENT, sent_at=now, handled_at=handled, account=account, last_error=""
        )

    def record_no_recipient(self, *, code: "OneTimeCode", now: datetime) -> bool:
        handled = max(now, code.asked_at)
        return self._settle(code=code, delivery=CodeDelivery.NO_RECIPIENT, handled_at=handled)

    def record_failed(self, *, code: "OneTimeCode", account: Account, error: str, next_try_at: datetime) -> bool:
        # no try follows for a code that was closed meanwhile: closing has settled that
        delivery = models.Case(
            models.When(closed_at__isnull=True, then=models.Value(CodeDelivery.FAILED)), default=F("delivery")
        )
        return self._settle(
            code=code, delivery=delivery, account=account, last_error=error[:500], next_try_at=next_try_at
        )

    def purgeable(self, *, without_recipient_before: datetime, others_before: datetime) -> Self:
        """Closed rows past their retention."""
        return self.filter(
            Q(closed_at__lte=others_before) | Q(closed_at__lte=without_recipient_before, account__isnull=True)
        )


class OneTimeCode(models.Model):
    """An issued code: whom for, until when, and what became of it. The code itself is nowhere.

    The row is also the outbox of its mail (see `delivery/outbox.py`).
    """

    organization = models.CharField(max_length=ID_MAX_LENGTH, help_text="As it was asked for; it need not exist.")
    recipient = models.CharField(max_length=USERNAME_MAX_LENGTH, help_text="Canonical username.")
    purpose = models.CharField(max_length=12, choices=CodePurpose)
    selector = models.CharField(
        max_length=8, blank=True, default="", editable=False, help_text="By which a code without a username is found."
    )
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, blank=True, related_name="codes")
    salt = models.BinaryField(null=True, editable=False)
    key_id = models.CharField(max_length=64, editable=False)
    issued_at = models.DateTimeField()
    asked_at = models.DateTimeField(help_text="When it was last asked for.")
    expires_at = models.DateTimeField()
    guesses = models.PositiveSmallIntegerField(default=0)
    device_guesses = models.PositiveSmallIntegerField(default=0, help_text="Guesses from a known device.")
    delivery = models.CharField(max_length=16, choices=CodeDelivery, default=CodeDelivery.QUEUED)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True, help_text="When delivery last had nothing left to do.")
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True, help_text="The mail server's last answer.")
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
            models.Index(fields=["next_try_at"], condition=Q(closed_at__isnull=True), name="dfns_login_code_due"),
            models.Index(fields=["closed_at"], condition=Q(closed_at__isnull=False), name="dfns_login_code_closed"),
            models.Index(fields=["-issued_at"], name="dfns_login_code_issued"),
            models.Index(  # also for operators, who look for the beginning of a name in whatever organization
                fields=["recipient", "organization"],
                opclasses=["varchar_pattern_ops", "varchar_pattern_ops"],
                name="dfns_login_code_recipient",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} code {self.pk}"
