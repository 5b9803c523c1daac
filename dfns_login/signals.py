"""Signals for a project's own receivers, one for each kind of audit event.

They are sent after the commit, as `send_robust(sender=AuditEvent, account=Account | None,
requester=Requester | None, at=datetime, detail=dict)`. Django logs a receiver that raises.
The account is None for events of an organization, whose id is in `detail`.

The last four are for monitoring. They are sent at once, as `send_robust(sender=None, …)`, and tell nothing of anybody:

- `code_requested(purpose)`, whether or not the username exists
- `email_handled(email, outcome, waited)`: a purpose or `notice`, the row's new delivery state, and how long the email
  waited since it was requested
- `request_refused(refusal, where)`: the `dfns_login.errors.Refusal`, and the name of the view
- `service_failed(what, error)`: `cache`, `broker`, `database` or `mail`, and the class of the error
"""

from typing import Final

from django.dispatch import Signal

from dfns_login.models import AuditKind

account_invited = Signal()
account_registered = Signal()
account_deactivated = Signal()
account_reactivated = Signal()
account_recovered = Signal()
account_locked = Signal()
account_unlocked = Signal()
account_deleted = Signal()
code_sent = Signal()
code_shown = Signal()
code_presented = Signal()
code_revoked = Signal()
key_released = Signal()
credential_created = Signal()
credential_activated = Signal()
credential_deactivated = Signal()
credential_renamed = Signal()
credential_key_replaced = Signal()
credential_suspected = Signal()
action_signed = Signal()
action_used = Signal()
signed_in = Signal()
signed_out = Signal()
organization_created = Signal()
organization_changed = Signal()
organization_deactivated = Signal()
organization_reactivated = Signal()
organization_voided = Signal()
code_requested = Signal()
email_handled = Signal()
request_refused = Signal()
service_failed = Signal()

SIGNALS: Final[dict[AuditKind, Signal]] = {
    AuditKind.INVITED: account_invited,
    AuditKind.REGISTERED: account_registered,
    AuditKind.DEACTIVATED: account_deactivated,
    AuditKind.REACTIVATED: account_reactivated,
    AuditKind.RECOVERED: account_recovered,
    AuditKind.LOCKED: account_locked,
    AuditKind.UNLOCKED: account_unlocked,
    AuditKind.DELETED: account_deleted,
    AuditKind.CODE_SENT: code_sent,
    AuditKind.CODE_SHOWN: code_shown,
    AuditKind.CODE_PRESENTED: code_presented,
    AuditKind.CODE_REVOKED: code_revoked,
    AuditKind.KEY_RELEASED: key_released,
    AuditKind.CREDENTIAL_CREATED: credential_created,
    AuditKind.CREDENTIAL_ACTIVATED: credential_activated,
    AuditKind.CREDENTIAL_DEACTIVATED: credential_deactivated,
    AuditKind.CREDENTIAL_RENAMED: credential_renamed,
    AuditKind.CREDENTIAL_KEY_REPLACED: credential_key_replaced,
    AuditKind.CREDENTIAL_SUSPECTED: credential_suspected,
    AuditKind.ACTION_SIGNED: action_signed,
    AuditKind.ACTION_USED: action_used,
    AuditKind.SIGNED_IN: signed_in,
    AuditKind.SIGNED_OUT: signed_out,
    AuditKind.ORGANIZATION_CREATED: organization_created,
    AuditKind.ORGANIZATION_CHANGED: organization_changed,
    AuditKind.ORGANIZATION_DEACTIVATED: organization_deactivated,
    AuditKind.ORGANIZATION_REACTIVATED: organization_reactivated,
    AuditKind.ORGANIZATION_VOIDED: organization_voided,
}
