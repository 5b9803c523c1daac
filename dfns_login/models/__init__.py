"""The tables, their constraints and their transitions.

A transition is one conditional UPDATE that returns whether it won. No model
reads the clock, derives a code or decrypts a key.
"""

from dfns_login.models.accounts import (
    Account,
    AccountKind,
    AccountQuerySet,
    AccountState,
)
from dfns_login.models.code_choices import Caller, CodeClosed, CodePurpose
from dfns_login.models.credentials import (
    Credential,
    CredentialKind,
    CredentialQuerySet,
)
from dfns_login.models.events import (
    AuditCheckpoint,
    AuditEvent,
    AuditKind,
    AuditLink,
    Notice,
    NoticeQuerySet,
)
from dfns_login.models.ids import (
    ID_ALPHABET,
    ID_MAX_LENGTH,
    ORGANIZATION_ID,
    new_account_id,
    new_credential_id,
    new_organization_id,
    opaque_id,
)
from dfns_login.models.login_records import CredentialRecord, LoginRecord
from dfns_login.models.one_time_codes import OneTimeCode, OneTimeCodeQuerySet
from dfns_login.models.organizations import Organization, SecondFactor
from dfns_login.models.outbox import (
    DeliveryState,
    OutboxQuerySet,
    OutboxRow,
)
from dfns_login.models.recovery_waits import RecoveryWait, RecoveryWaitQuerySet
from dfns_login.models.sessions import (
    Opening,
    Session,
    SessionQuerySet,
    SpentToken,
)
from dfns_login.models.stand_in_codes import STAND_INS, StandInCode

__all__ = [
    "ID_ALPHABET",
    "ID_MAX_LENGTH",
    "ORGANIZATION_ID",
    "STAND_INS",
    "Account",
    "AccountKind",
    "AccountQuerySet",
    "AccountState",
    "AuditCheckpoint",
    "AuditEvent",
    "AuditKind",
    "AuditLink",
    "Caller",
    "CodeClosed",
    "CodePurpose",
    "Credential",
    "CredentialKind",
    "CredentialQuerySet",
    "CredentialRecord",
    "DeliveryState",
    "LoginRecord",
    "Notice",
    "NoticeQuerySet",
    "OneTimeCode",
    "OneTimeCodeQuerySet",
    "Opening",
    "Organization",
    "OutboxQuerySet",
    "OutboxRow",
    "RecoveryWait",
    "RecoveryWaitQuerySet",
    "SecondFactor",
    "Session",
    "SessionQuerySet",
    "SpentToken",
    "StandInCode",
    "new_account_id",
    "new_credential_id",
    "new_organization_id",
    "opaque_id",
]
