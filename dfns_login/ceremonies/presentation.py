"""Presenting a code, with its event and what it releases, in one transaction."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from dfns_login.audit import Detail, announce_event, draft_event
from dfns_login.errors import Refusal
from dfns_login.models import Account, AuditEvent, AuditKind, CodePurpose, transaction
from dfns_login.proofs import ReleasedKey
from dfns_login.requester import Requester


@contextmanager
def presenting() -> Iterator[None]:
    """Run the block in a transaction that a refusal does not roll back, so that a guess stays counted (R-121).

    If the connection ends before the event is stored, neither the guess nor the event is (R-128).
    """
    refusal = None
    with transaction.atomic():
        try:
            yield
        except Refusal as error:
            refusal = error
    if refusal is not None:
        raise refusal


def record_presented(
    account: Account,
    *,
    purpose: CodePurpose,
    released: Sequence[ReleasedKey] = (),
    requester: Requester,
    now: datetime,
    **detail: Detail,
) -> list[AuditEvent]:
    """Record that a code was presented, and then which encrypted keys are released for it.

    detail: what the code's event says besides.
    """
    with_key = credential_ids(released)
    events = presented_events(account, purpose=purpose, with_key=with_key, requester=requester, now=now)
    events[0].detail |= detail
    AuditEvent.objects.add(*events)
    for event in events:
        announce_event(event, account=account, requester=requester)
    return events


def presented_events(
    account: Account, *, purpose: CodePurpose, with_key: Sequence[str], requester: Requester, now: datetime
) -> list[AuditEvent]:
    """Return the events of `record_presented`, to be stored with the guess and then announced.

    with_key: ids of the credentials whose encrypted key is released.
    """
    about: dict[AuditKind, dict[str, Detail]] = {AuditKind.CODE_PRESENTED: {}}
    if with_key:
        about[AuditKind.KEY_RELEASED] = {"credentials": with_key}
    return [
        draft_event(kind, account=account, requester=requester, now=now, purpose=purpose.value, **detail)
        for kind, detail in about.items()
    ]


def credential_ids(released: Sequence[ReleasedKey]) -> list[str]:
    """Return the ids of the credentials whose encrypted key is released."""
    return [each.credential_id for each in released if each.encrypted_private_key]
