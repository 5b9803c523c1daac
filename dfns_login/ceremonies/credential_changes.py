"""What becomes of a credential: renamed, shut, opened again, its private key put under another password."""

from datetime import datetime

from dfns_login.audit import record_event
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.errors import BodyRefused, LastFirstFactor, NotFound, TokenRefused
from dfns_login.models import (
    Account,
    AuditEvent,
    AuditKind,
    Credential,
    CredentialKind,
    OneTimeCode,
    SecondFactor,
    Session,
)
from dfns_login.proofs import replace_encrypted_key
from dfns_login.requester import Requester
from dfns_login.verification.key_envelope import check_key_envelope


def lock_account(account: Account) -> None:
    """Let no recovery overtake what follows, which it would not see and leave alive."""
    if not Account.objects.lock(account=account):
        raise TokenRefused("the account was voided meanwhile")


def activate_credential(account: Account, uuid: str, *, requester: Requester, now: datetime) -> None:
    """Let a credential of the account sign in again; nothing happens where it does already.

    Call it in a transaction. Raises NotFound for what is not the account's, and for what a recovery has replaced
    (R-81). Stored: that it is active, an event, a notice.
    Source: Dfns API, Activate Credential.
    """
    lock_account(account)
    credential = _own(account, uuid)
    if credential.active:
        return
    if not Credential.objects.activate(credential=credential):
        raise NotFound("credential from before a recovery")
    _tell(AuditKind.CREDENTIAL_ACTIVATED, credential, requester=requester, now=now)


def deactivate_credential(account: Account, uuid: str, *, requester: Requester, now: datetime) -> None:
    """Let a credential of the account sign in no more; nothing happens where it does not already.

    Its sessions end with it, and the account's open codes and challenges are void (R-14).
    Call it in a transaction. Raises NotFound for what is not the account's,
    LastFirstFactor if the account could not sign in without it.
    Stored: that it is not active, an event, a notice. Source: Dfns API, Deactivate Credential.
    """
    credential = _own(account, uuid)
    Account.objects.select_for_update().get(pk=account.pk)  # two of them at once must not each leave the other
    if not credential.active:
        return
    if credential.kind != CredentialKind.RECOVERY_KEY:
        needed = 2 if account.organization.second_factor == SecondFactor.REQUIRED else 1
        if account.credentials.first_factors().exclude(pk=credential.pk).count() < needed:
            raise LastFirstFactor("last credential that signs in")
    if Credential.objects.deactivate(credential=credential):
        # dead already, for its credential is; ended, lest they live again with it
        Session.objects.filter(credential=credential).revoke(now=now)
        OneTimeCode.objects.revoke_of_account(account=account, now=now)
        Account.objects.void(account=account, now=now)
        _tell(AuditKind.CREDENTIAL_DEACTIVATED, credential, requester=requester, now=now)


def rename_credential(account: Account, uuid: str, name: str, *, requester: Requester, now: datetime) -> Credential:
    """Give a credential of the account another name; nothing happens where it has that name.

    name: what prints, not empty; spaces around it are dropped. Call it in a transaction.
    Raises NotFound for what is not the account's, BodyRefused for what is no name. Stored: the name, an event.
    """
    wanted = name.strip()
    if not wanted or not wanted.isprintable():
        raise BodyRefused("not a name", details={"credentialName": ["Enter a name that can be printed."]})
    credential = _own(account, uuid)
    if Credential.objects.rename(credential=credential, name=wanted):
        _record(AuditKind.CREDENTIAL_RENAMED, credential, requester=requester, now=now)
    credential.name = wanted
    return credential


def change_password(
    session: Session, uuid: str, encrypted_private_key: str, *, requester: Requester, now: datetime
) -> Credential:
    """Put the same private key, encrypted anew by its owner, in the place of the old one, in one step.

    Every other session of the account ends, and what was opened before is dead: whoever knows the old password and
    holds the old text could have opened it. Call it in the transaction that spends the user action.
    Raises NotFound for what is not the account's usable password-protected key, AttestationRefused for a text that
    may not be stored. Stored: the key, sealed; the ended sessions, an event, a notice.
    """
    account = session.account
    envelope = check_key_envelope(encrypted_private_key)
    lock_account(account)
    credential = _own(account, uuid)
    if not credential.active or credential.kind != CredentialKind.PASSWORD_PROTECTED_KEY:
        raise NotFound("not a usable password-protected key")
    replace_encrypted_key(credential, envelope)
    Session.objects.filter(account=account).exclude(pk=session.pk).revoke(now=now)
    Account.objects.void(account=account, now=now)
    _tell(AuditKind.CREDENTIAL_KEY_REPLACED, credential, requester=requester, now=now)
    return credential


def _own(account: Account, uuid: str) -> Credential:
    credential = account.credentials.defer("encrypted_key_at_rest").filter(pk=uuid).first()
    if credential is None:
        raise NotFound("no such credential in the account")
    return credential


def _record(kind: AuditKind, credential: Credential, *, requester: Requester, now: datetime) -> AuditEvent:
    return record_event(kind, account=credential.account, requester=requester, now=now, credential=credential.pk)


def _tell(kind: AuditKind, credential: Credential, *, requester: Requester, now: datetime) -> None:
    notify_owner(_record(kind, credential, requester=requester, now=now))
