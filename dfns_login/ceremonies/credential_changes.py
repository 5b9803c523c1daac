"""Changes to a credential: rename, activate, deactivate, change of its password."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from dfns_login.audit import record_event
from dfns_login.ceremonies.lockdown import link_ends
from dfns_login.ceremonies.names import checked_name
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.ceremonies.voiding import void_account
from dfns_login.errors import LastFirstFactor, NotFound, TokenRefused, TooManyCredentials
from dfns_login.models import (
    Account,
    AuditKind,
    Credential,
    CredentialKind,
    Notice,
    RecoveryWait,
    SecondFactor,
    Session,
    transaction,
)
from dfns_login.proofs import replace_encrypted_key
from dfns_login.requester import Requester
from dfns_login.verification.key_envelope import check_key_envelope

MOST_USABLE: Final = 50
"""Usable credentials of an account. A login reads each one, and may decrypt and send its encrypted key."""

RENEWAL: Final = timedelta(hours=1)
"""How long after a new recovery kit the end of the old one is part of the same act."""


def lock_account(account: Account) -> None:
    """Lock the account until the transaction ends, so that no recovery commits in the middle of it.

    Raises: TokenRefused, if the account was voided since it was read.
    """
    if not Account.objects.lock_current(account=account, generation=account.generation):
        raise TokenRefused("account voided meanwhile")


def check_room(account: Account) -> None:
    """Check that the account may have one more usable credential. Lock it first. Raises: TooManyCredentials."""
    if account.credentials.usable().count() >= MOST_USABLE:
        raise TooManyCredentials("as many usable credentials as an account may have")


def activate_credential(account: Account, uuid: str, *, requester: Requester, now: datetime) -> None:
    """Reactivate a credential of the account. Activating an active one does nothing.

    Call this in a transaction.
    Raises: NotFound, if the account has no such credential, or a recovery revoked it (R-81); TooManyCredentials.
    Stored: that it is active, an event, a notice. Source: Dfns API, Activate Credential.
    """
    lock_account(account)
    credential = _own(account, uuid)
    if credential.active:
        return
    check_room(account)
    if not Credential.objects.activate(credential=credential, unlocks_from=link_ends(now=now)):
        raise NotFound("credential revoked by a recovery")
    _record(AuditKind.CREDENTIAL_ACTIVATED, credential, requester=requester, now=now, kind=credential.kind)


def deactivate_own_credential(account: Account, uuid: str, *, requester: Requester, now: datetime) -> None:
    """Deactivate a credential of the account. Deactivating an inactive one does nothing.

    Call this in a transaction.
    Raises: NotFound, if the account has no such credential; LastFirstFactor, if the account could not sign in
    without it.
    Stored: as `deactivate_credential` does. Source: Dfns API, Deactivate Credential.
    """
    credential = _own(account, uuid)
    Account.objects.lock(account=account)  # two at once must not each count on the other credential
    if not credential.active:
        return
    if credential.kind != CredentialKind.RECOVERY_KEY:
        needed = 2 if account.organization.second_factor == SecondFactor.REQUIRED else 1
        if account.credentials.first_factors().exclude(pk=credential.pk).count() < needed:
            raise LastFirstFactor("last credential that can sign in")
    deactivate_credential(credential, requester=requester, now=now)


def deactivate_credential(credential: Credential, *, requester: Requester, now: datetime, operator: str = "") -> bool:
    """Deactivate the credential; true for exactly one caller.

    Its sessions end, the account's open codes and challenges are revoked (R-14), and no recovery waits with it.
    operator: as `Operator.name`; empty for the owner.
    Stored, in one transaction: that it is not active, the ended sessions, an event, and a notice, unless the notice of
    the new recovery kit has already told the owner.
    """
    account = credential.account
    detail: dict[str, str | int] = {"operator": operator} if operator else {}
    with transaction.atomic():
        Account.objects.lock(account=account)
        if not Credential.objects.deactivate(credential=credential):
            return False
        ended = void_account(account, ending=Q(credential=credential), now=now)
        RecoveryWait.objects.filter(credential=credential).delete()
        detail |= {"credential": credential.pk, "kind": credential.kind, "sessions": ended}
        is_told = not operator and _is_renewed_kit(credential, requester=requester, now=now)
        event = record_event(AuditKind.CREDENTIAL_DEACTIVATED, account=account, requester=requester, now=now, **detail)
        if not is_told:
            notify_owner(event)
    return True


def rename_credential(account: Account, uuid: str, name: str, *, requester: Requester, now: datetime) -> Credential:
    """Rename a credential of the account. Giving it the name that it has does nothing.

    name: printable and not empty; surrounding spaces are dropped. Call this in a transaction.
    Raises: NotFound, if the account has no such credential; BodyRefused, if the name is not allowed.
    Stored: the name, an event.
    """
    wanted = checked_name(name, field="credential_name")
    credential = _own(account, uuid)
    if Credential.objects.rename(credential=credential, name=wanted):
        record_event(
            AuditKind.CREDENTIAL_RENAMED, account=account, requester=requester, now=now, credential=credential.pk
        )
    credential.name = wanted
    return credential


def change_password(
    session: Session, uuid: str, encrypted_private_key: str, *, requester: Requester, now: datetime
) -> Credential:
    """Replace the encrypted private key by one that its owner encrypted with a new password.

    Every other session of the account ends and its open challenges are revoked, because a person who knows the old
    password could have opened them. Call this in the transaction that spends the user action.
    Raises: NotFound, if the account has no such usable password-protected key; AttestationRefused, if the new text
    is not an encrypted key.
    Stored: the key, the ended sessions, an event, a notice.
    """
    account = session.account
    envelope = check_key_envelope(encrypted_private_key)
    lock_account(account)
    credential = _own(account, uuid)
    if not credential.active or credential.kind != CredentialKind.PASSWORD_PROTECTED_KEY:
        raise NotFound("not a usable password-protected key")
    replace_encrypted_key(credential, envelope)
    ended = void_account(account, ending=~Q(pk=session.pk), now=now)
    _record(AuditKind.CREDENTIAL_KEY_REPLACED, credential, requester=requester, now=now, sessions=ended)
    return credential


def _own(account: Account, uuid: str) -> Credential:
    credential = account.credentials.defer("encrypted_key_at_rest").filter(pk=uuid).first()
    if credential is None:
        raise NotFound("no such credential in the account")
    return credential


def _is_renewed_kit(credential: Credential, *, requester: Requester, now: datetime) -> bool:
    """Whether the owner was just told of another recovery kit, which the same browser made and which still works.

    That notice says that the old kit stops working, so a renewed kit is one email.
    """
    if credential.kind != CredentialKind.RECOVERY_KEY:
        return False
    others = credential.account.credentials.usable().filter(kind=CredentialKind.RECOVERY_KEY).exclude(pk=credential.pk)
    told = Notice.objects.filter(
        event__account=credential.account,
        event__kind=AuditKind.CREDENTIAL_CREATED,
        event__at__gt=now - RENEWAL,
        event__address=requester.address,
        event__agent=requester.agent,
    )
    made = set(told.values_list("event__detail__credential", flat=True))
    return bool(made) and others.filter(pk__in=made).exists()


def _record(
    kind: AuditKind, /, credential: Credential, *, requester: Requester, now: datetime, **detail: str | int
) -> None:
    """Record the event and notify the owner."""
    event = record_event(
        kind, account=credential.account, requester=requester, now=now, credential=credential.pk, **detail
    )
    notify_owner(event)
