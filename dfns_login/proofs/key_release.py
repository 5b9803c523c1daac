"""The only reader of an encrypted private key, and the only writer.

Whoever holds the encrypted key can guess its password offline. So it is sealed
at rest, and released against what nothing but a presented code gives.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from cryptography.fernet import InvalidToken
from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet

from dfns_login.key_rings import key_rings
from dfns_login.models import Account, CodePurpose, Credential, CredentialKind, Session, new_credential_id
from dfns_login.proofs.codes import PresentedCode
from dfns_login.settings import login_settings
from dfns_login.verification.key_envelope import KeyEnvelope

RESEAL_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedKey:
    """An encrypted private key on its way to its owner. Never logged: its `repr` is bare."""

    credential_id: str
    encrypted_private_key: str

    def __repr__(self) -> str:
        return "ReleasedKey(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reencrypted:
    """How many keys were sealed anew, and which credentials have one that the ring cannot open."""

    count: int
    undecryptable: tuple[str, ...]


def set_encrypted_key(credential: Credential, envelope: KeyEnvelope) -> None:
    """Put the key on the unsaved credential, sealed with the credential's id inside.

    envelope: one that was checked not to be a key in clear; the type is the proof.
    """
    _seal(credential, envelope.text)


def replace_encrypted_key(credential: Credential, envelope: KeyEnvelope) -> None:
    """Store another text of the same private key, sealed, in the place of the one that was; in one UPDATE."""
    _seal(credential, envelope.text)
    Credential.objects.filter(pk=credential.pk).update(encrypted_key_at_rest=credential.encrypted_key_at_rest)


def release_encrypted_keys(account: Account, *, presented: PresentedCode) -> list[ReleasedKey]:
    """Encrypted keys of the account's usable password-protected keys, as they were registered.

    presented: the spent login code of this very account; another's releases nothing.
    Raises ImproperlyConfigured if the at-rest ring cannot open a key.
    Source: Dfns API, Create User Login Challenge, `allowCredentials.passwordProtectedKey`.
    """
    if presented.purpose != CodePurpose.LOGIN or presented.recipient != account.recipient:
        return []
    return _released(account, kind=CredentialKind.PASSWORD_PROTECTED_KEY)


def release_keys_for_action(session: Session) -> list[ReleasedKey] | None:
    """Encrypted keys for signing a user action: only in a session that was itself opened with a presented code.

    None where nothing is released (D-4).
    Source: Dfns API, Create User Action Signature Challenge.
    """
    if not session.code_presented or not login_settings().release_keys_for_actions:
        return None
    return _released(session.account, kind=CredentialKind.PASSWORD_PROTECTED_KEY)


def release_recovery_keys(account: Account, *, presented: PresentedCode) -> list[ReleasedKey]:
    """Encrypted recovery keys of the account, against its spent recovery code; empty text where a key has none.

    Source: Dfns API, Create Recovery Challenge, `allowedRecoveryCredentials`.
    """
    if presented.purpose != CodePurpose.RECOVERY or presented.recipient != account.recipient:
        return []
    return _released(account, kind=CredentialKind.RECOVERY_KEY)


def reencrypt_keys() -> Reencrypted:
    """Seal every key under the newest key of the at-rest ring, in batches.

    What the ring cannot open stays as it is, and is named; the rest goes on.
    """
    count = 0
    undecryptable = []
    for row in _sealed_credentials():
        before = row.encrypted_key_at_rest
        try:
            _seal(row, _unseal(row))
        except ImproperlyConfigured:
            undecryptable.append(row.pk)
            continue
        # conditional: a key that its owner has replaced meanwhile is not put back
        count += Credential.objects.filter(pk=row.pk, encrypted_key_at_rest=before).update(
            encrypted_key_at_rest=row.encrypted_key_at_rest
        )
    return Reencrypted(count=count, undecryptable=tuple(undecryptable))


def undecryptable_keys(*, sample: int) -> list[str]:
    """Ids of the credentials, among so many that are picked by chance, whose key the at-rest ring cannot open."""
    undecryptable = []
    for row in islice(_sealed_credentials(after=new_credential_id()), sample):
        try:
            _unseal(row)
        except ImproperlyConfigured:
            undecryptable.append(row.pk)
    return undecryptable


def _sealed_credentials(*, after: str = "") -> Iterator[Credential]:
    """Every credential that has a sealed key, by id: those behind `after` first, then those up to it."""
    sealed = (
        Credential.objects.filter(encrypted_key_at_rest__isnull=False)
        .only("pk", "encrypted_key_at_rest")
        .order_by("pk")
    )
    yield from _in_batches(sealed.filter(pk__gt=after))
    if after:
        yield from _in_batches(sealed.filter(pk__lte=after))


def _in_batches(credentials: QuerySet[Credential]) -> Iterator[Credential]:
    last = ""
    while batch := list(credentials.filter(pk__gt=last)[:RESEAL_BATCH]):
        yield from batch
        last = batch[-1].pk


def _released(account: Account, *, kind: CredentialKind) -> list[ReleasedKey]:
    rows = Credential.objects.usable().filter(account=account, kind=kind).order_by("created_at", "pk")
    return [
        ReleasedKey(
            credential_id=row.credential_id,
            encrypted_private_key="" if row.encrypted_key_at_rest is None else _unseal(row),
        )
        for row in rows
    ]


def _seal(credential: Credential, encrypted_private_key: str) -> None:
    text = json.dumps({"credential": credential.pk, "key": encrypted_private_key})
    credential.encrypted_key_at_rest = key_rings().at_rest.encrypt(text.encode())


def _unseal(credential: Credential) -> str:
    try:
        opened = json.loads(key_rings().at_rest.decrypt(bytes(credential.encrypted_key_at_rest or b"")))
    except InvalidToken:
        raise ImproperlyConfigured(
            f"The at-rest ring cannot decrypt the key of {credential.pk}: "
            "was a key removed from the ring before `dfns reencrypt` ran?"
        ) from None
    if opened["credential"] != credential.pk:
        raise ImproperlyConfigured(f"The sealed key of {credential.pk} belongs to another credential.")
    return str(opened["key"])
