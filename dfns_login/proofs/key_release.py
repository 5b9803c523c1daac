"""The only module that decrypts or writes encrypted private keys.

A person who holds an encrypted key can guess its password offline. So the
server encrypts it a second time at rest, and releases it only for a
`PresentedCode` or for a session that was opened with one.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from cryptography.fernet import InvalidToken
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Exists, QuerySet

from dfns_login.key_rings import key_rings
from dfns_login.models import (
    Account,
    CodePurpose,
    Credential,
    CredentialKind,
    CredentialRecord,
    LoginRecord,
    Session,
    new_credential_id,
)
from dfns_login.proofs.presented_codes import PresentedCode
from dfns_login.settings import login_settings
from dfns_login.verification.ephemeral_key import EphemeralKey, encrypt_to
from dfns_login.verification.key_envelope import KeyEnvelope

BATCH: Final = 200
RELEASE_INFO: Final = "dfns_login released key 1 "
"""HPKE's `info`, before the credential's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedKey:
    """An encrypted private key for its owner. Its `repr` hides it, so that no log contains it."""

    credential_id: str
    encrypted_private_key: str

    def __repr__(self) -> str:
        return "ReleasedKey(…)"

    def readable_by(self, reader: EphemeralKey | None) -> str:
        """Return the encrypted private key, encrypted once more to the reader if there is one (R-131).

        The ciphertext is bound to the credential's id. An empty text stays empty.
        """
        if reader is None or not self.encrypted_private_key:
            return self.encrypted_private_key
        return encrypt_to(reader, self.encrypted_private_key, info=f"{RELEASE_INFO}{self.credential_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reencrypted:
    """How many keys were re-encrypted, and the ids of credentials whose key could not be decrypted."""

    count: int
    undecryptable: tuple[str, ...]


def set_encrypted_key(credential: Credential, envelope: KeyEnvelope) -> None:
    """Set the encrypted key of an unsaved credential. The credential's id is encrypted with it.

    envelope: the type proves that the text was checked and is not an unencrypted key.
    """
    _encrypt(credential, envelope.text)


def replace_encrypted_key(credential: Credential, envelope: KeyEnvelope) -> None:
    """Replace the credential's stored encrypted key in one UPDATE."""
    _encrypt(credential, envelope.text)
    Credential.objects.filter(pk=credential.pk).update(encrypted_key_at_rest=credential.encrypted_key_at_rest)


def find_encrypted_keys(record: LoginRecord, *, now: datetime) -> list[CredentialRecord]:
    """Return the account's password-protected keys, not decrypted: none if it is locked (R-130)."""
    if record.account is None or record.account.is_locked(now=now):
        return []
    return [each for each in record.credentials if each.kind == CredentialKind.PASSWORD_PROTECTED_KEY]


def release_encrypted_keys(record: LoginRecord, *, presented: PresentedCode) -> list[ReleasedKey]:
    """Decrypt the keys for their owner.

    presented: the account's own login code, presented after the record was read. Another account's code releases
    nothing. Voiding an account closes its codes, so a code that could be presented was sent for these keys.
    Raises: ImproperlyConfigured, if the at-rest ring cannot decrypt a key.
    Source: Dfns API, Create User Login Challenge, `allowCredentials.passwordProtectedKey`.
    """
    account = record.account
    if account is None or presented.purpose != CodePurpose.LOGIN or presented.recipient != account.recipient:
        return []
    return _released(find_encrypted_keys(record, now=presented.presented_at))


def release_keys_for_action(session: Session, *, now: datetime) -> list[ReleasedKey] | None:
    """Release the encrypted keys to a session that was opened with a code, to sign a user action.

    Returns None if nothing may be released (D-4).
    Source: Dfns API, Create User Action Signature Challenge.
    """
    conf = login_settings()
    if not session.code_presented or not conf.release_keys_for_actions:
        return None
    live = Session.objects.live(now=now, idle=conf.token_idle).filter(pk=session.pk)
    still = _current(session.account).filter(Exists(live))
    return _released(_ordered(still, kind=CredentialKind.PASSWORD_PROTECTED_KEY))


def release_recovery_keys(account: Account, *, presented: PresentedCode) -> list[ReleasedKey]:
    """Release the account's encrypted recovery keys for its recovery code.

    The text is empty if a recovery key was registered without an encrypted key. A locked account releases them
    too: without them, the recovery kit could not unlock it.
    Source: Dfns API, Create Recovery Challenge, `allowedRecoveryCredentials`.
    """
    if presented.purpose != CodePurpose.RECOVERY or presented.recipient != account.recipient:
        return []
    return _released(_ordered(_current(account), kind=CredentialKind.RECOVERY_KEY))


def reencrypt_keys() -> Reencrypted:
    """Re-encrypt every key under the newest key of the at-rest ring, in batches.

    A key that the ring cannot decrypt stays unchanged and is reported.
    """
    count = 0
    undecryptable = []
    for row in _with_encrypted_key():
        before = row.encrypted_key_at_rest
        try:
            _encrypt(row, _decrypt(row))
        except ImproperlyConfigured:
            undecryptable.append(row.pk)
            continue
        # conditional, so that a key that its owner replaced meanwhile is not overwritten
        count += Credential.objects.filter(pk=row.pk, encrypted_key_at_rest=before).update(
            encrypted_key_at_rest=row.encrypted_key_at_rest
        )
    return Reencrypted(count=count, undecryptable=tuple(undecryptable))


def undecryptable_keys(*, sample: int) -> list[str]:
    """Return the ids of credentials whose key cannot be decrypted, in a random sample of this size."""
    undecryptable = []
    for row in islice(_with_encrypted_key(after=new_credential_id()), sample):
        try:
            _decrypt(row)
        except ImproperlyConfigured:
            undecryptable.append(row.pk)
    return undecryptable


def _with_encrypted_key(*, after: str = "") -> Iterator[Credential]:
    """Every credential with an encrypted key, ordered by id, starting after `after` and wrapping around."""
    stored = Credential.objects.filter(encrypted_key_at_rest__isnull=False)
    ordered = stored.only("pk", "encrypted_key_at_rest").order_by("pk")
    yield from _in_batches(ordered.filter(pk__gt=after))
    if after:
        yield from _in_batches(ordered.filter(pk__lte=after))


def _in_batches(credentials: QuerySet[Credential]) -> Iterator[Credential]:
    last = ""
    while batch := list(credentials.filter(pk__gt=last)[:BATCH]):
        yield from batch
        last = batch[-1].pk


def _current(account: Account) -> QuerySet[Credential]:
    """The account's usable credentials; none if it was voided since it was read.

    The same statement decides and reads, so nothing that was created by a recovery
    is released to a code or session from before it.
    """
    return Credential.objects.usable().filter(account=account, account__generation=account.generation)


def _ordered(credentials: QuerySet[Credential], *, kind: CredentialKind) -> QuerySet[Credential]:
    return credentials.filter(kind=kind).order_by("created_at", "pk")


def _released(rows: Iterable[Credential | CredentialRecord]) -> list[ReleasedKey]:
    return [
        ReleasedKey(
            credential_id=row.credential_id,
            encrypted_private_key="" if row.encrypted_key_at_rest is None else _decrypt(row),
        )
        for row in rows
    ]


def _encrypt(credential: Credential, encrypted_private_key: str) -> None:
    text = json.dumps({"credential": credential.pk, "key": encrypted_private_key})
    credential.encrypted_key_at_rest = key_rings().at_rest.encrypt(text.encode())


def _decrypt(credential: Credential | CredentialRecord) -> str:
    try:
        claims = json.loads(key_rings().at_rest.decrypt(bytes(credential.encrypted_key_at_rest or b"")))
    except InvalidToken:
        raise ImproperlyConfigured(
            f"The at-rest ring cannot decrypt the key of {credential.pk}: "
            "was a key removed from the ring before `dfns reencrypt` ran?"
        ) from None
    if claims["credential"] != credential.pk:
        raise ImproperlyConfigured(f"The encrypted key of {credential.pk} belongs to another credential.")
    return str(claims["key"])
