"""The audit trail, the chain that shows changes to it, and the emails that tell owners about events."""

from datetime import datetime
from typing import Any, ClassVar, Final, Never, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from dfns_login.models.accounts import Account
from dfns_login.models.compiled import insert
from dfns_login.models.organizations import Organization
from dfns_login.models.outbox import OutboxQuerySet, OutboxRow
from dfns_login.models.primary import PrimaryModel, PrimaryQuerySet


class AuditKind(models.TextChoices):
    """Kinds of events. The value is the event's name in the log and on the wire."""

    INVITED = "account.invited", _("Invited")
    REGISTERED = "account.registered", _("Registered")
    DEACTIVATED = "account.deactivated", _("Deactivated")
    REACTIVATED = "account.reactivated", _("Reactivated")
    DELETED = "account.deleted", _("Deleted")
    CODE_SENT = "code.sent", _("Code sent")
    CODE_SHOWN = "code.shown", _("Code shown")
    CODE_PRESENTED = "code.presented", _("Code presented")
    CODE_REVOKED = "code.revoked", _("Code revoked")
    KEY_RELEASED = "key.released", _("Encrypted key released")
    CREDENTIAL_CREATED = "credential.created", _("Credential created")
    CREDENTIAL_DEACTIVATED = "credential.deactivated", _("Credential deactivated")
    CREDENTIAL_ACTIVATED = "credential.activated", _("Credential activated")
    CREDENTIAL_RENAMED = "credential.renamed", _("Credential renamed")
    CREDENTIAL_KEY_REPLACED = "credential.key_replaced", _("Password changed")
    CREDENTIAL_SUSPECTED = "credential.suspected", _("Passkey may have been copied")
    RECOVERED = "account.recovered", _("Account recovered")
    RECOVERY_CANCELLED = "recovery.cancelled", _("Recovery canceled")
    LOCKED = "account.locked", _("Account locked")
    UNLOCKED = "account.unlocked", _("Account unlocked")
    ACTION_SIGNED = "action.signed", _("User action signed")
    ACTION_USED = "action.used", _("User action used")
    SIGNED_IN = "session.opened", _("Signed in")
    SIGNED_OUT = "session.closed", _("Signed out")
    ORGANIZATION_CREATED = "organization.created", _("Organization created")
    ORGANIZATION_CHANGED = "organization.changed", _("Organization changed")
    ORGANIZATION_DEACTIVATED = "organization.deactivated", _("Organization deactivated")
    ORGANIZATION_REACTIVATED = "organization.reactivated", _("Organization reactivated")
    ORGANIZATION_VOIDED = "organization.voided", _("Everything issued was revoked")
    EXPORTED = "records.exported", _("List exported")


APPEND_ONLY: Final = "Audit events are never changed; they are deleted only after their retention."


class AuditEventQuerySet(PrimaryQuerySet["AuditEvent"]):
    """Queries of events. They can be added and read; `delete_expired` is for the purge alone."""

    def add(self, *events: "AuditEvent") -> None:
        """Insert new events in one statement, whose SQL text is built once per process."""
        if not all(event._state.adding for event in events):  # noqa: SLF001  Django documents `_state`
            raise TypeError(APPEND_ONLY)
        insert(*events)

    def unchained(self) -> Self:
        """Events that no link of the chain covers."""
        return self.filter(~models.Exists(AuditLink.objects.filter(event=models.OuterRef("pk"))))

    def delete_expired(self) -> int:
        """Delete these events, and their notices. Call this only after the checkpoint covers them."""
        return super().delete()[1].get(AuditEvent._meta.label, 0)

    def update(self, **_fields: object) -> Never:
        raise TypeError(APPEND_ONLY)

    def delete(self) -> Never:
        raise TypeError(APPEND_ONLY)


class AuditEvent(PrimaryModel):
    """Something that happened to an account or an organization. Rows are added, and purged after their retention.

    Neither reference has a constraint, because an event stays as it is when its account or organization is deleted.
    The indexes below serve both, so they have no others.
    """

    kind = models.CharField(_("event"), max_length=32, choices=AuditKind)
    organization = models.ForeignKey(
        Organization, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    account = models.ForeignKey(
        Account, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="events"
    )
    at = models.DateTimeField()
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    request_id = models.CharField(
        _("request ID"), max_length=64, blank=True, help_text=_("Also in the log lines of the request.")
    )
    detail = models.JSONField(default=dict, blank=True)
    evidence = models.JSONField(
        null=True, blank=True, help_text="What was signed, with the public key: it can be verified again."
    )

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        indexes: ClassVar = [
            models.Index(fields=["account", "-at"], name="dfns_login_event_account"),
            models.Index(fields=["organization", "id"], name="dfns_login_event_org"),
            models.Index(fields=["at"], name="dfns_login_event_at"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M:%S}"

    def save(self, **options: Any) -> None:  # noqa: ANN401  Django's signature
        """Insert the event. Raises TypeError, if it is stored already."""
        if not self._state.adding:
            raise TypeError(APPEND_ONLY)
        super().save(**options)

    def delete(self, *_arguments: object, **_options: object) -> Never:
        raise TypeError(APPEND_ONLY)


class AuditLink(PrimaryModel):
    """A link of the chain over the events. Its position is the order of chaining, not that of the events' ids.

    event: the event's id, without a reference, so that a link shows that its event was removed.
    """

    position = models.PositiveBigIntegerField(primary_key=True)
    event = models.PositiveBigIntegerField(unique=True)
    mac = models.BinaryField()
    chained_at = models.DateTimeField()

    objects = PrimaryQuerySet["AuditLink"].as_manager()

    def __str__(self) -> str:
        return f"link {self.position}"


class AuditCheckpoint(PrimaryModel):
    """Where the chain begins: after the last link that was purged. The only row; extending the chain locks it."""

    position = models.PositiveBigIntegerField(default=0)
    mac = models.BinaryField()
    signature = models.BinaryField(help_text="Authenticates position and mac.")

    objects = PrimaryQuerySet["AuditCheckpoint"].as_manager()

    def __str__(self) -> str:
        return f"checkpoint {self.position}"


class NoticeQuerySet(OutboxQuerySet["Notice"]):
    """Queries and transitions of notices."""

    def with_link(self, event: int) -> "Notice | None":
        """Return the notice of this event, if its link was not spent, with its account."""
        unspent = self.filter(pk=event, link_spent_at__isnull=True, event__account__isnull=False)
        return unspent.select_related("event__account__organization").first()

    def spend_link(self, *, notice: "Notice", now: datetime) -> bool:
        """Spend the notice's link; true for exactly one caller."""
        return self.filter(pk=notice.pk, link_spent_at__isnull=True).update(link_spent_at=now) == 1

    def void_links(self, *, account: Account, now: datetime) -> None:
        """Spend every link that the account's owner was sent, so that old emails don't lock the account again."""
        self.filter(event__account=account, link_spent_at__isnull=True).update(link_spent_at=now)


class Notice(OutboxRow):
    """An email that tells the account's owner about an event, sent until `expires_at`."""

    event = models.OneToOneField(AuditEvent, primary_key=True, on_delete=models.CASCADE, related_name="notice")
    link_spent_at = models.DateTimeField(
        null=True, editable=False, help_text="When the link that locks the account was used, or a newer lock voided it."
    )

    objects = NoticeQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], condition=Q(handled_at__isnull=True), name="dfns_login_notice_due")
        ]

    def __str__(self) -> str:
        return f"notice {self.pk}"
