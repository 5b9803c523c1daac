"""Every email with made-up data, for designers: no database, and nothing is sent."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.core.mail import EmailMultiAlternatives

from dfns_login.delivery.codes import RECIPIENT_STATES
from dfns_login.delivery.emails import code_email, notice_email
from dfns_login.models import (
    Account,
    AuditEvent,
    AuditKind,
    CodePurpose,
    Credential,
    CredentialKind,
    OneTimeCode,
    Organization,
)
from dfns_login.proofs import code_format, code_lifetime, grouped

NOW: Final = datetime(2026, 3, 9, 14, 5, tzinfo=UTC)
AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
BY_OPERATOR: Final = {"operator": "7"}
NAMES: Final = {
    CredentialKind.FIDO2: "My laptop",
    CredentialKind.KEY: "Build server",
    CredentialKind.PASSWORD_PROTECTED_KEY: "Password",
    CredentialKind.RECOVERY_KEY: "Recovery kit",
}
LATER: Final = (NOW + timedelta(days=1)).isoformat()

NOTICES: Final[dict[str, tuple[AuditKind, CredentialKind | None, dict[str, Any]]]] = {
    **{f"{kind.name.lower()}_added": (AuditKind.CREDENTIAL_CREATED, kind, {}) for kind in CredentialKind},
    **{f"{kind.name.lower()}_deactivated": (AuditKind.CREDENTIAL_DEACTIVATED, kind, {}) for kind in CredentialKind},
    **{
        f"{kind.name.lower()}_deactivated_by_operator": (AuditKind.CREDENTIAL_DEACTIVATED, kind, BY_OPERATOR)
        for kind in CredentialKind
    },
    **{f"{kind.name.lower()}_reactivated": (AuditKind.CREDENTIAL_ACTIVATED, kind, {}) for kind in CredentialKind},
    "password_changed": (AuditKind.CREDENTIAL_KEY_REPLACED, CredentialKind.PASSWORD_PROTECTED_KEY, {}),
    "passkey_suspected": (AuditKind.CREDENTIAL_SUSPECTED, CredentialKind.FIDO2, {}),
    "key_released": (AuditKind.KEY_RELEASED, None, {"purpose": "login"}),
    "key_released_for_an_action": (AuditKind.KEY_RELEASED, None, {"purpose": "action"}),
    "signed_in": (AuditKind.SIGNED_IN, CredentialKind.FIDO2, {}),
    "signed_in_after_wrong_codes": (AuditKind.SIGNED_IN, CredentialKind.PASSWORD_PROTECTED_KEY, {"failures": 6}),
    "recovery_started": (AuditKind.CODE_PRESENTED, None, {}),
    "recovery_waits": (AuditKind.CODE_PRESENTED, None, {"recoverable_from": LATER}),
    "recovered": (AuditKind.RECOVERED, None, {}),
    "locked": (AuditKind.LOCKED, None, {"until": LATER}),
    "unlocked": (AuditKind.UNLOCKED, CredentialKind.FIDO2, {}),
    "unlocked_by_operator": (AuditKind.UNLOCKED, None, BY_OPERATOR),
    "account_deactivated": (AuditKind.DEACTIVATED, None, BY_OPERATOR),
    "account_reactivated": (AuditKind.REACTIVATED, None, BY_OPERATOR),
    "signed_out": (AuditKind.SIGNED_OUT, None, BY_OPERATOR),
    "code_revoked": (AuditKind.CODE_REVOKED, None, BY_OPERATOR),
    "recovery_canceled": (AuditKind.RECOVERY_CANCELLED, None, BY_OPERATOR),
}
"""Notices by name: the event's kind, the kind of its credential, and what else its `detail` says."""


def sample_emails(language: str) -> Iterator[tuple[str, EmailMultiAlternatives]]:
    """Return every email in this language, each with its name."""
    organization = Organization(id="or-12345-67890-abcdefghijklmnop", name="Acme")
    account = Account(organization=organization, username="jane@example.com", email="jane@example.com", locale=language)
    for purpose in RECIPIENT_STATES:
        row = OneTimeCode(purpose=purpose, issued_at=NOW, asked_at=NOW, agent=AGENT)
        row.expires_at = NOW + code_lifetime(purpose)
        yield f"{purpose}_code", code_email(row, code=_sample_code(purpose), account=account, now=NOW)
    for name, (kind, credential_kind, detail) in NOTICES.items():
        about = Credential(kind=credential_kind, name=NAMES[credential_kind]) if credential_kind else None
        event = AuditEvent(pk=0, kind=kind, account=account, at=NOW, address="192.0.2.7", agent=AGENT)
        event.detail = {**detail, "kind": about.kind, "credential": about.pk} if about else detail
        yield f"notice_{name}", notice_email(event, account=account, credential=about)


def _sample_code(purpose: CodePurpose) -> str:
    form = code_format(purpose)
    return grouped((form.alphabet * form.length)[: form.length])
