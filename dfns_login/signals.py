"""Signals for a project's own receivers, one for each kind of audit event.

They are sent after the commit, as `send_robust(sender=AuditEvent, account=Account,
requester=Requester | None, at=datetime, detail=dict)`. Django logs a receiver that raises.
"""

from typing import Final

from django.dispatch import Signal

from dfns_login.models import AuditKind

account_invited = Signal()
account_registered = Signal()
account_deactivated = Signal()
account_reactivated = Signal()
account_recovered = Signal()
account_deleted = Signal()
code_sent = Signal()
code_presented = Signal()
code_revoked = Signal()
credential_created = Signal()
credential_activated = Signal()
credential_deactivated = Signal()
credential_renamed = Signal()
credential_key_replaced = Signal()
credential_suspected = Signal()
action_signed = Signal()
signed_in = Signal()
signed_out = Signal()

SIGNALS: Final[dict[AuditKind, Signal]] = {
    AuditKind.INVITED: account_invited,
    AuditKind.REGISTERED: account_registered,
    AuditKind.DEACTIVATED: account_deactivated,
    AuditKind.REACTIVATED: account_reactivated,
    AuditKind.RECOVERED: account_recovered,
    AuditKind.DELETED: account_deleted,
    AuditKind.CODE_SENT: code_sent,
    AuditKind.CODE_PRESENTED: code_presented,
    AuditKind.CODE_REVOKED: code_revoked,
    AuditKind.CREDENTIAL_CREATED: credential_created,
    AuditKind.CREDENTIAL_ACTIVATED: credential_activated,
    AuditKind.CREDENTIAL_DEACTIVATED: credential_deactivated,
    AuditKind.CREDENTIAL_RENAMED: credential_renamed,
    AuditKind.CREDENTIAL_KEY_REPLACED: credential_key_replaced,
    AuditKind.CREDENTIAL_SUSPECTED: credential_suspected,
    AuditKind.ACTION_SIGNED: action_signed,
    AuditKind.SIGNED_IN: signed_in,
    AuditKind.SIGNED_OUT: signed_out,
}
