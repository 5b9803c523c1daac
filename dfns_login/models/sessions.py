"""Sessions and spent tokens."""

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.utils.module_loading import import_string

from dfns_login.models.accounts import Account, AccountState
from dfns_login.models.credentials import Credential


class SessionQuerySet(models.QuerySet["Session"]):
    """Queries and transitions of sessions."""

    def live(self, *, now: datetime, idle: timedelta) -> Self:
        """Sessions that are not revoked, expired or idle, of an account that may sign in."""
        return self.filter(
            revoked_at__isnull=True,
            generation=F("account__generation"),
            expires_at__gt=now,
            last_seen_at__gt=now - idle,
            credential__active=True,
            account__state=AccountState.REGISTERED,
            account__organization__active=True,
            account__user__isnull=False,
        )

    def touch(self, *, session: "Session", now: datetime) -> None:
        """Store when the session was last used, at most once a minute."""
        minute_ago = now - timedelta(minutes=1)
        if session.last_seen_at <= minute_ago:
            self.filter(pk=session.pk, last_seen_at__lte=minute_ago).update(last_seen_at=now)

    def bind(self, *, session: "Session", django_session_key: str) -> bool:
        """Store which Django session this sign-in opened; false if the sign-in ended meanwhile."""
        live = self.filter(pk=session.pk, revoked_at__isnull=True)
        return live.update(django_session_key=django_session_key) == 1

    def keep(self, *, account: Account) -> None:
        """Give the account's sessions that have not ended its current generation."""
        current = Account.objects.filter(pk=account.pk).values("generation")
        self.filter(account=account, revoked_at__isnull=True).update(generation=models.Subquery(current))

    def revoke(self, *, now: datetime) -> int:
        """End the sessions in this query, and after the commit delete their Django sessions. Return how many ended.

        If a Django session cannot be deleted, it still gives no access, because every request reads our row.
        """
        ended = self.filter(revoked_at__isnull=True).update(revoked_at=now)
        if ended:
            opened = self.filter(revoked_at=now).exclude(django_session_key="")
            keys = list(opened.values_list("django_session_key", flat=True))
            # not a partial: Django logs the name of a callback that fails
            transaction.on_commit(lambda: _delete_django_sessions(keys), robust=True)
        return ended


def _delete_django_sessions(keys: list[str]) -> None:
    for key in keys:
        import_string(f"{settings.SESSION_ENGINE}.SessionStore")(session_key=key).delete()


class Session(models.Model):
    """A sign-in, which a login token or a Django session stands for. Every request reads the row."""

    jti = models.CharField(max_length=32, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="sessions")
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="sessions")
    generation = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="The account's generation. A session with another one is not live."
    )
    code_presented = models.BooleanField(default=False)
    django_session_key = models.CharField(max_length=64, blank=True, editable=False)
    issued_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=200, blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["expires_at"], name="dfns_login_session_expiry")]

    def __str__(self) -> str:
        return f"session {self.pk}"


class SpentToken(models.Model):
    """The `jti` of a used challenge, temporary token or user action."""

    jti = models.CharField(primary_key=True, max_length=32)
    expires_at = models.DateTimeField(db_index=True, help_text="When the token would have expired.")

    def __str__(self) -> str:
        return "spent token"
