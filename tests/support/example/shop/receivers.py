"""Receivers of the app's signals."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dfns_login.models import Account, AuditEvent
from dfns_login.requester import Requester
from dfns_login.signals import signed_in

GREETED: list[str] = []


@signed_in.receiver
def greet(
    sender: type[AuditEvent],
    *,
    account: Account | None,
    requester: Requester | None,
    at: datetime,
    detail: Mapping[str, Any],
    **kwargs: Any,
) -> None:
    if account is not None and requester is not None:
        GREETED.append(f"{account.email} from {requester.network}")
