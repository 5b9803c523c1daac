"""Sessions and spent tokens."""

from datetime import datetime, timedelta
from enum import Enum, auto
from functools import cache
from itertools import chain
from typing import ClassVar, Self

from django.conf import settings
from django.db import IntegrityError, connections, models, router
from django.db.models import F
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from dfns_login.models import transaction
from dfns_login.models.accounts import Account, AccountState
from dfns_login.models.compiled import insert_select, mark_inserted, prepared_values
from dfns_login.models.credentials import Credential
from dfns_login.models.events import AuditEvent
from dfns_login.models.primary import PrimaryModel, PrimaryQuerySet


class Opening(Enum):
    """What came of opening a session."""

    OPENED = auto()
    VOIDED = auto()
    SPENT = auto()


class SessionQuerySet(PrimaryQuerySet["Session"]):
    """Queries and transitions of sessions."""

    def open(self, session: "Session", *, spending: "SpentToken", generation: int, event: AuditEvent) -> Opening:
        """Lock the account, spend the challenge, and insert the session and its event: all of it or nothing.

        Nothing is stored if the account is not registered or was voided after this generation, or if the challenge
        was already spent: exactly one caller spends it. One statement on PostgreSQL; elsewhere, a transaction.
        """
        alias = router.db_for_write(Session)
        connection = connections[alias]
        if connection.vendor != "postgresql":
            return _open_step_by_step(session, spending=spending, generation=generation, event=event)
        inserted = [prepared_values(row, connection) for row in (spending, session, event)]
        account = (session.account_id, AccountState.REGISTERED.value, generation)
        with connection.cursor() as cursor:
            cursor.execute(_open_sql(alias), (*account, *chain.from_iterable(inserted)))
            locked, session_id, event_id = cursor.fetchone()
        if session_id is None:
            return Opening.SPENT if locked else Opening.VOIDED
        mark_inserted(session, session_id, alias=alias)
        mark_inserted(event, event_id, alias=alias)
        event.detail["session"] = session_id
        return Opening.OPENED

    def lasting(self, *, now: datetime, idle: timedelta) -> Self:
        """Sessions that are not revoked, expired or idle."""
        return self.filter(revoked_at__isnull=True, expires_at__gt=now, last_seen_at__gt=now - idle)

    def live(self, *, now: datetime, idle: timedelta) -> Self:
        """Sessions that are not revoked, expired or idle, of an account that may sign in."""
        return self.lasting(now=now, idle=idle).filter(
            generation=F("account__generation"),
            credential__active=True,
            account__state=AccountState.REGISTERED,
            account__organization__active=True,
            account__user__isnull=False,
        )

    def touch(self, *, session: "Session", now: datetime) -> None:
        """Store when the session was last used, at most once a minute.

        In a transaction, this waits for the commit. With `ATOMIC_REQUESTS`, a view that then locks the account would
        otherwise lock in the wrong order, and other requests of the session would wait for the view.
        """
        minute_ago = now - timedelta(minutes=1)
        if session.last_seen_at <= minute_ago:
            stale = self.filter(pk=session.pk, last_seen_at__lte=minute_ago)
            transaction.on_commit(lambda: stale.update(last_seen_at=now))

    def bind(self, *, session: "Session", django_session_key: str) -> bool:
        """Store which Django session this sign-in opened; false if the sign-in ended meanwhile."""
        live = self.filter(pk=session.pk, revoked_at__isnull=True)
        return live.update(django_session_key=django_session_key) == 1

    def keep(self, *, account: Account) -> None:
        """Give the account's sessions that have not ended its current generation."""
        current = Account.objects.filter(pk=account.pk).values("generation")
        self.filter(account=account, revoked_at__isnull=True).update(generation=models.Subquery(current))

    def end(self, *, now: datetime, idle: timedelta) -> int:
        """Do what `revoke` does, and return how many sessions this ended that would have lasted."""
        ended = self.lasting(now=now, idle=idle).update(revoked_at=now)
        self._revoke(now=now, revoked=ended)
        return ended

    def revoke(self, *, now: datetime) -> int:
        """Revoke the sessions in this query, and after the commit delete their Django sessions. Return how many.

        These are also sessions that have expired: the clock of another host may be behind.
        If a Django session cannot be deleted, it still gives no access, because every request reads our row.
        """
        return self._revoke(now=now, revoked=0)

    def _revoke(self, *, now: datetime, revoked: int) -> int:
        """Do what `revoke` does. revoked: how many the caller has revoked at this time."""
        revoked += self.filter(revoked_at__isnull=True).update(revoked_at=now)
        if revoked:
            opened = self.filter(revoked_at=now).exclude(django_session_key="")
            keys = list(opened.values_list("django_session_key", flat=True))
            # not a partial: Django logs the name of a callback that fails
            transaction.on_commit(lambda: _delete_django_sessions(keys))
        return revoked


def _open_step_by_step(session: "Session", *, spending: "SpentToken", generation: int, event: AuditEvent) -> Opening:
    with transaction.atomic():
        if not Account.objects.lock_current(account=session.account, generation=generation):
            return Opening.VOIDED
        if not spending.spend():
            return Opening.SPENT
        session.save(force_insert=True)
        event.detail["session"] = session.pk
        AuditEvent.objects.add(event)
    return Opening.OPENED


@cache
def _open_sql(alias: str) -> str:
    """SQL text of `SessionQuerySet.open`. Each step reads the rows of the one before, so that the lock comes first.

    PostgreSQL compares the account again once it holds the lock, and waits for a transaction that spends the same
    challenge. Returns whether the account was locked, and the ids of session and event or NULL.
    """
    quote = connections[alias].ops.quote_name
    with_session = {"detail": "%s || jsonb_build_object('session', id)"}
    return (
        f"WITH locked AS (SELECT id FROM {quote(Account._meta.db_table)} "  # noqa: S608  names from the models
        f"WHERE id = %s AND state = %s AND generation <= %s FOR NO KEY UPDATE), "
        f"spent AS ({insert_select(SpentToken, alias)} FROM locked ON CONFLICT DO NOTHING RETURNING jti), "
        f"opened AS ({insert_select(Session, alias)} FROM spent RETURNING id), "
        f"event AS ({insert_select(AuditEvent, alias, with_session)} FROM opened RETURNING id) "
        f"SELECT EXISTS (SELECT FROM locked), (SELECT id FROM opened), (SELECT id FROM event)"
    )


def _delete_django_sessions(keys: list[str]) -> None:
    for key in keys:
        import_string(f"{settings.SESSION_ENGINE}.SessionStore")(session_key=key).delete()


class Session(PrimaryModel):
    """A sign-in, which a login token or a Django session stands for. Every request reads the row."""

    # without `unique` and `db_index`, which on PostgreSQL add a second index for LIKE to each
    jti = models.CharField(max_length=32, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, db_index=False, related_name="sessions")
    # without a constraint, which would lock the credential to check it, and write its page to the log after each
    # checkpoint. A credential is only deleted with its account, which `open` locks
    credential = models.ForeignKey(
        Credential, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="sessions"
    )
    generation = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="The account's generation. A session with another one is not live."
    )
    code_presented = models.BooleanField(_("code presented"), default=False)
    django_session_key = models.CharField(max_length=64, blank=True, editable=False)
    issued_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=200, blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        constraints: ClassVar = [models.UniqueConstraint(fields=["jti"], name="dfns_login_session_jti")]
        indexes: ClassVar = [
            models.Index(fields=["account"], name="dfns_login_session_account"),
            models.Index(fields=["credential"], name="dfns_login_session_credential"),
            models.Index(fields=["expires_at"], name="dfns_login_session_expiry"),
        ]

    def __str__(self) -> str:
        return f"session {self.pk}"

    def is_lasting(self, *, now: datetime, idle: timedelta) -> bool:
        """Whether the session is not revoked, expired or idle, as `SessionQuerySet.lasting` has it."""
        return self.revoked_at is None and self.expires_at > now and self.last_seen_at > now - idle


class SpentToken(PrimaryModel):
    """The `jti` of a used challenge, temporary token or user action."""

    jti = models.CharField(primary_key=True, max_length=32)
    expires_at = models.DateTimeField(db_index=True, help_text="When the token would have expired.")

    objects = PrimaryQuerySet["SpentToken"].as_manager()

    def __str__(self) -> str:
        return "spent token"

    def spend(self) -> bool:
        """Store the token; true for exactly one caller."""
        try:
            with transaction.atomic_without_savepoint():
                self.save(force_insert=True)
        except IntegrityError:
            return False
        return True
