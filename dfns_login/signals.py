"""Signals for a project's own receivers, one for each kind of audit event.

They are sent after the commit. Django logs a receiver that raises.

The last four are for monitoring. They are sent at once, as `send_robust(sender=None, …)`. No argument is a username or
address, but the message of a `NotPermitted` names an account id:

- `code_requested(purpose)`, whether or not the username exists
- `email_handled(email, outcome, waited)`: a purpose or `notice`, the row's new delivery state, and how long the email
  waited since it was requested
- `request_refused(refusal, where)`: the `dfns_login.errors.Refusal`, and the name of the view
- `service_failed(what, error)`: `cache`, `broker`, `database`, `mail`, `sender` or `sign_up`; the class of the error
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar, cast

from django.dispatch import Signal

from dfns_login.models import Account, AuditEvent, AuditKind
from dfns_login.requester import Requester


class Receiver(Protocol):
    """What a receiver is called with.

    account: None for events of an organization, whose id is in `detail` (None for an export from every organization).
    requester: None if no request caused it.
    """

    def __call__(
        self,
        sender: type[AuditEvent],
        *,
        account: Account | None,
        requester: Requester | None,
        at: datetime,
        detail: Mapping[str, Any],
        **kwargs: Any,  # noqa: ANN401  what Django adds
    ) -> object: ...


Function = TypeVar("Function", bound=Receiver)


class EventSignal(Signal):
    """A signal with a typed decorator: `@signed_in.receiver`."""

    def receiver(self, function: Function) -> Function:
        """Connect a function, and return it."""
        self.connect(cast("Any", function))
        return function


account_invited = EventSignal()
account_registered = EventSignal()
account_deactivated = EventSignal()
account_reactivated = EventSignal()
account_recovered = EventSignal()
recovery_cancelled = EventSignal()
account_locked = EventSignal()
account_unlocked = EventSignal()
account_deleted = EventSignal()
code_sent = EventSignal()
code_shown = EventSignal()
code_presented = EventSignal()
code_revoked = EventSignal()
key_released = EventSignal()
credential_created = EventSignal()
credential_activated = EventSignal()
credential_deactivated = EventSignal()
credential_renamed = EventSignal()
credential_key_replaced = EventSignal()
credential_suspected = EventSignal()
action_signed = EventSignal()
action_used = EventSignal()
signed_in = EventSignal()
signed_out = EventSignal()
organization_created = EventSignal()
organization_changed = EventSignal()
organization_deactivated = EventSignal()
organization_reactivated = EventSignal()
organization_voided = EventSignal()
records_exported = EventSignal()
code_requested = Signal()
email_handled = Signal()
request_refused = Signal()
service_failed = Signal()

SIGNALS: Final[dict[AuditKind, EventSignal]] = {
    AuditKind.INVITED: account_invited,
    AuditKind.REGISTERED: account_registered,
    AuditKind.DEACTIVATED: account_deactivated,
    AuditKind.REACTIVATED: account_reactivated,
    AuditKind.RECOVERED: account_recovered,
    AuditKind.RECOVERY_CANCELLED: recovery_cancelled,
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
    AuditKind.EXPORTED: records_exported,
}
