"""Audit events of accounts, and the emails that tell the owners about them."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from dfns_login.models.accounts import Account, Organization
from dfns_login.models.ids import ID_MAX_LENGTH
from dfns_login.models.outbox import OutboxQuerySet, OutboxRow


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


class Notice(OutboxRow):
    """An email that tells the account's owner about an event, sent until `expires_at`."""

    event = models.OneToOneField(AuditEvent, primary_key=True, on_delete=models.CASCADE, related_name="notice")

    objects = OutboxQuerySet["Notice"].as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], condition=Q(handled_at__isnull=True), name="dfns_login_notice_due")
        ]

    def __str__(self) -> str:
        return f"notice {self.pk}"
