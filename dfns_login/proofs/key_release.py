"""The only module that reads or writes encrypted private keys.

A person who holds an encrypted key can guess its password offline. So the
server encrypts it a second time at rest, and releases it only for a
`PresentedCode` or for a session that was opened with one.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from cryptography.fernet import InvalidToken
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Exists, OuterRef, Q, QuerySet

from dfns_login.key_rings import key_rings
from dfns_login.models import Account, CodePurpose, Credential, CredentialKind, Session, new_credential_id
from dfns_login.models.compiled import CompiledSelect, Parameter
from dfns_login.proofs.codes import PresentedCode
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

    envelope: the type proves that the text was checked and is not a key in clear.
    """
    _encrypt(credential, envelope.text)


def replace_encrypted_key(credential: Credential, envelope: KeyEnvelope) -> None:
    """Replace the credential's stored encrypted key in one UPDATE."""
    _encrypt(credential, envelope.text)
    Credential.objects.filter(pk=credential.pk).update(encrypted_key_at_rest=credential.encrypted_key_at_rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedKeys:
    """The usable password-protected keys of an account, read but not decrypted. Only `find_encrypted_keys` makes one.

    account: None if there is no such account.
    """

    account: Account | None
    rows: Sequence[Credential] = field(repr=False)

    @property
    def credential_ids(self) -> list[str]:
        return [row.credential_id for row in self.rows]

    @property
    def networks(self) -> set[str]:
        """The networks that these keys signed in from; empty if they never did."""
        return {network for row in self.rows for network in row.networks}

    @property
    def account_has_signed_in(self) -> bool:
        """Whether any credential of the account signed in; a key that never did may have been stored for years."""
        return any(vars(row)["account_has_signed_in"] for row in self.rows)

    def release(self, *, presented: PresentedCode) -> list[ReleasedKey]:
        """Decrypt the keys for their owner.

        presented: the account's own login code, presented after the keys were read. Another account's code releases
        nothing. Voiding an account closes its codes, so a code that could be presented was sent for these keys.
        Raises: ImproperlyConfigured, if the at-rest ring cannot decrypt a key.
        Source: Dfns API, Create User Login Challenge, `allowCredentials.passwordProtectedKey`.
        """
        if self.account is None or presented.purpose != CodePurpose.LOGIN:
            return []
        return _released(self.rows) if presented.recipient == self.account.recipient else []


def find_encrypted_keys(account: Account | None, *, now: datetime) -> EncryptedKeys:
    """Read the account's keys: none if it is locked (R-130). The statement is the same if there is no account."""
    rows = _UNLOCKED_KEYS.rows(
        account=account.pk if account else "",
        generation=account.generation if account else 0,
        kind=CredentialKind.PASSWORD_PROTECTED_KEY.value,
        now=now,
    )
    return EncryptedKeys(account=account, rows=list(rows))


def release_encrypted_keys(account: Account, *, presented: PresentedCode) -> list[ReleasedKey]:
    """Read and release the account's keys, as `EncryptedKeys.release` does."""
    return find_encrypted_keys(account, now=presented.presented_at).release(presented=presented)


def release_keys_for_action(session: Session, *, now: datetime) -> list[ReleasedKey] | None:
    """Release the encrypted keys for signing a user action to a session that was opened with a code.

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


def _ordered(credentials: QuerySet[Credential], *, kind: CredentialKind | Parameter) -> QuerySet[Credential]:
    return credentials.filter(kind=kind).order_by("created_at", "pk")


def _unlocked_keys() -> QuerySet[Credential]:
    """`_current` and `_ordered`, for any account that is not locked."""
    column = Credential._meta.get_field
    now = Parameter("now", Account._meta.get_field("locked_until"))
    mine = Credential.objects.usable().filter(
        Q(account__locked_until=None) | Q(account__locked_until__lte=now),
        account_id=Parameter("account", column("account")),
        account__generation=Parameter("generation", Account._meta.get_field("generation")),
    )
    signed_in = Credential.objects.usable().filter(account=OuterRef("account")).exclude(networks=[])
    found = _ordered(mine, kind=Parameter("kind", column("kind"))).annotate(account_has_signed_in=Exists(signed_in))
    return found.only("credential_id", "encrypted_key_at_rest", "networks")


_UNLOCKED_KEYS: Final = CompiledSelect(_unlocked_keys)


def _released(rows: Iterable[Credential]) -> list[ReleasedKey]:
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


def _decrypt(credential: Credential) -> str:
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
