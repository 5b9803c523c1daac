"""The only reader of an encrypted private key, and the only writer.

Whoever holds the encrypted key can guess its password offline. So it is sealed
at rest, and released against what nothing but a presented code gives.
"""

import json
from dataclasses import dataclass

from cryptography.fernet import InvalidToken
from django.core.exceptions import ImproperlyConfigured

from dfns_login.codes import PresentedCode
from dfns_login.keys import key_rings
from dfns_login.models import Account, CodePurpose, Credential, CredentialKind
from dfns_login.verification.key_envelope import KeyEnvelope

RESEAL_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedKey:
    """An encrypted private key on its way to its owner. Never logged: its `repr` is bare."""

    credential_id: str
    encrypted_private_key: str

    def __repr__(self) -> str:
        return "ReleasedKey(…)"


def seal_encrypted_key(credential: Credential, envelope: KeyEnvelope) -> None:
    """Put the key on the unsaved credential, sealed with the credential's id inside.

    envelope: one that was checked not to be a key in clear; the type is the proof.
    """
    _seal(credential, envelope.text)


def release_encrypted_keys(account: Account, *, presented: PresentedCode) -> list[ReleasedKey]:
    """Encrypted keys of the account's usable password-protected keys, as they were registered.

    presented: the spent login code of this very account; another's releases nothing.
    Raises ImproperlyConfigured if the at-rest ring cannot open a key.
    Source: Dfns API, Create User Login Challenge, `allowCredentials.passwordProtectedKey`.
    """
    if presented.purpose != CodePurpose.LOGIN or presented.recipient != account.recipient:
        return []
    rows = Credential.objects.usable().filter(account=account, kind=CredentialKind.PASSWORD_PROTECTED_KEY)
    return [
        ReleasedKey(credential_id=row.credential_id, encrypted_private_key=_unseal(row))
        for row in rows.order_by("created_at", "pk")
    ]


def reseal_keys() -> int:
    """Seal every key under the newest key of the at-rest ring, in batches. Returns how many.

    Raises ImproperlyConfigured if the ring cannot open one; those before it are done.
    """
    count = 0
    last = ""
    while True:
        sealed = Credential.objects.filter(sealed_private_key__isnull=False, pk__gt=last).order_by("pk")
        rows = list(sealed.only("pk", "sealed_private_key")[:RESEAL_BATCH])
        if not rows:
            return count
        for row in rows:
            before = row.sealed_private_key
            _seal(row, _unseal(row))
            # conditional: a key that its owner has replaced meanwhile is not put back
            count += Credential.objects.filter(pk=row.pk, sealed_private_key=before).update(
                sealed_private_key=row.sealed_private_key
            )
        last = rows[-1].pk


def _seal(credential: Credential, encrypted_private_key: str) -> None:
    text = json.dumps({"credential": credential.pk, "key": encrypted_private_key})
    credential.sealed_private_key = key_rings().at_rest.encrypt(text.encode())


def _unseal(credential: Credential) -> str:
    try:
        opened = json.loads(key_rings().at_rest.decrypt(bytes(credential.sealed_private_key or b"")))
    except InvalidToken:
        msg = f"The at-rest ring cannot open the key of {credential.pk}: has a key left the ring before `dfns reseal`?"
        raise ImproperlyConfigured(msg) from None
    if opened["credential"] != credential.pk:
        msg = f"The sealed key of {credential.pk} belongs to another credential."
        raise ImproperlyConfigured(msg)
    return str(opened["key"])
