"""What happened to accounts, and the mails that tell their owners."""

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from dfns_login.models.accounts import Account, Organization
from dfns_login.models.ids import ID_MAX_LENGTH
from dfns_login.models.one_time_codes import CodeDelivery


class AuditKind(models.TextChoices):
    """Kinds of events. The value is the event's name in the log and on the wire."""

    INVITED = "account.invited", _("Invited")
    REGISTERED = "account.registered", _("Registered")
    DEACTIVATED = "account.deactivated", _("Deactivated")
    REACTIVATED = "account.reactivated", _("Reactivated")
    DELETED = "account.deleted", _("Deleted")
    CODE_SENT = "code.mailed", _("Code sent")
    CODE_PRESENTED = "code.presented", _("Code presented")
    CODE_REVOKED = "code.revoked", _("Code revoked")
    CREDENTIAL_CREATED = "credential.created", _("Credential created")
    CREDENTIAL_DEACTIVATED = "credential.deactivated", _("Credential deactivated")
    CREDENTIAL_ACTIVATED = "credential.activated", _("Credential activated")
    CREDENTIAL_RENAMED = "credential.renamed", _("Credential renamed")
    CREDENTIAL_KEY_REPLACED = "credential.key_replaced", _("Password changed")
    CREDENTIAL_SUSPECTED = "credential.suspected", _("Passkey may have been copied")
    RECOVERED = "account.recovered", _("Account recovered")
    ACTION_SIGNED = "action.signed", _("User action signed")
    SIGNED_IN = "session.opened", _("Signed in")
    SIGNED_OUT = "session.closed", _("Signed out")


class AuditEvent(models.Model):
    """Something that happened to an account. Rows are never changed, only purged after their retention."""

    kind = models.CharField(max_length=32, choices=AuditKind)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    account = models.ForeignKey(Account, on_delete=models.SET_NULL, null=True, related_name="events")
    account_reference = models.CharField(
        max_length=ID_MAX_LENGTH,
        blank=True,
        default="",
        help_text="The account's ID; kept after it is deleted.",
    )
    at = models.DateTimeField()
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "-at"], name="dfns_login_event_account"),
            models.Index(fields=["at"], name="dfns_login_event_at"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M:%S}"


class NoticeQuerySet(models.QuerySet["Notice"]):
    """Transitions of notices: leased, sent, failed. The same as those of a code's mail."""

    def undelivered(self, *, now: datetime) -> Self:
        """Live notices that are not settled, and that no worker holds."""
        unheld = ~Q(delivery=CodeDelivery.SENDING) | Q(next_try_at__lte=now)
        unsettled = self.filter(sent_at__isnull=True).exclude(delivery=CodeDelivery.NO_RECIPIENT)
        return unsettled.filter(unheld, expires_at__gt=now)

    def due(self, *, now: datetime) -> Self:
        """What the sweep hands over: undelivered, and its next try has come."""
        return self.undelivered(now=now).filter(next_try_at__lte=now)

    def hold_back(self, *, ids: list[int], until: datetime, now: datetime) -> None:
        """Keep what was just handed over out of the next sweeps; a lease that has ended is taken off."""
        unleased = models.Case(
            models.When(delivery=CodeDelivery.SENDING, then=models.Value(CodeDelivery.QUEUED)), default=F("delivery")
        )
        self.filter(pk__in=ids, next_try_at__lte=now).update(next_try_at=until, delivery=unleased)

    def take(self, *, pk: int, lease: timedelta, now: datetime) -> bool:
        """Lease the notice for one delivery; true for exactly one worker until the lease ends."""
        fields = {"delivery": CodeDelivery.SENDING, "next_try_at": now + lease, "tries": F("tries") + 1}
        return self.undelivered(now=now).filter(pk=pk).update(**fields) == 1

    def record_sent(self, *, notice: "Notice", now: datetime) -> bool:
        return self._settle(notice=notice, delivery=CodeDelivery.SENT, sent_at=now, last_error="")

    def record_no_recipient(self, *, notice: "Notice") -> bool:
        return self._settle(notice=notice, delivery=CodeDelivery.NO_RECIPIENT)

    def record_failed(self, *, notice: "Notice", error: str, next_try_at: datetime) -> bool:
        return self._settle(
            notice=notice, delivery=CodeDelivery.FAILED, last_error=error[:500], next_try_at=next_try_at
        )

    def _settle(self, *, notice: "Notice", **fields: object) -> bool:
        """Write the outcome of the lease that `notice` was read under."""
        return self.filter(pk=notice.pk, tries=notice.tries).update(**fields) == 1


class Notice(models.Model):
    """A mail that tells an account's owner of an event. The row is its outbox."""

    event = models.OneToOneField(AuditEvent, primary_key=True, on_delete=models.CASCADE, related_name="notice")
    delivery = models.CharField(max_length=16, choices=CodeDelivery, default=CodeDelivery.QUEUED)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="After this it tells nobody anything new.")
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], condition=Q(sent_at__isnull=True), name="dfns_login_notice_due")
        ]

    def __str__(self) -> str:
        return f"notice {self.pk}"
