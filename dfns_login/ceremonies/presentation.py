"""Presenting a code, with its event and what it releases, in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction

from dfns_login.audit import Detail, record_events
from dfns_login.errors import Refusal
from dfns_login.models import Account, AuditKind, CodePurpose
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
) -> None:
    """Record that a code was presented, and which encrypted keys are released for it."""
    events: dict[AuditKind, Mapping[str, Detail]] = {AuditKind.CODE_PRESENTED: {"purpose": purpose.value}}
    if with_key := credential_ids(released):
        events[AuditKind.KEY_RELEASED] = {"purpose": purpose.value, "credentials": with_key}
    record_events(events, account=account, requester=requester, now=now)


def credential_ids(released: Sequence[ReleasedKey]) -> list[str]:
    """Return the ids of the credentials whose encrypted key is released."""
    return [each.credential_id for each in released if each.encrypted_private_key]
