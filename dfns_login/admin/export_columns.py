"""Columns of the exported lists. Nothing that a code, a session or a key is made of."""

import json
from operator import attrgetter
from typing import Final

from dfns_login.admin.exports import Columns
from dfns_login.models import AuditEvent

CODE_COLUMNS: Final[Columns] = {
    name: attrgetter(name)
    for name in (
        "id",
        "recipient",
        "organization",
        "account_id",
        "purpose",
        "caller",
        "issued_at",
        "asked_at",
        "expires_at",
        "closed_at",
        "closed_as",
        "guesses",
        "device_guesses",
        "delivery",
        "tries",
        "sent_at",
        "last_error",
        "address",
        "agent",
        "locale",
    )
}


def _username(event: AuditEvent) -> str:
    return event.account.username if event.account else ""  # events outlive their account


EVENT_COLUMNS: Final[Columns] = {
    **{name: attrgetter(name) for name in ("id", "at", "kind", "organization_id", "account_id")},
    "username": _username,
    **{name: attrgetter(name) for name in ("address", "agent", "request_id")},
    "detail": lambda event: json.dumps(event.detail, ensure_ascii=False, sort_keys=True),
}
