"""An account's credentials: how one is made of what a client registers, and which there are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from dfns_login.audit import record_event
from dfns_login.conf import login_settings
from dfns_login.errors import AttestationRefused, BodyRefused, CredentialIdTaken
from dfns_login.key_release import seal_encrypted_key
from dfns_login.models import Account, AuditKind, Credential, CredentialKind
from dfns_login.requester import Requester
from dfns_login.verification.attestation import KeyAttestation, KeyAttestationVerifier
from dfns_login.verification.key_envelope import KeyEnvelope, check_key_envelope

FIRST_FACTORS: Final = (CredentialKind.KEY, CredentialKind.PASSWORD_PROTECTED_KEY)
"""Kinds that may be registered, and sign in, as a first factor."""
DEFAULT_NAME: Final = "Default Credential"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """A credential to register. encrypted_private_key: text of the client's own making, opened by nobody here."""

    kind: CredentialKind
    attestation: KeyAttestation
    name: str = ""
    encrypted_private_key: str | None = field(default=None, repr=False)


def verify_first_factor(new: NewCredential, *, account: Account, challenge: str, now: datetime) -> Credential:
    """The credential that a client registers as its first factor, verified and not stored yet.

    challenge: the text that the client was given.
    Raises BodyRefused or AttestationRefused, whose details name the field.
    Source: Dfns API, Complete User Registration, `firstFactorCredential`.
    """
    if new.kind not in FIRST_FACTORS:
        msg = "kind is not a first factor"
        raise BodyRefused(msg, details={"credentialKind": ["This kind cannot be registered as a first factor."]})
    envelope = _envelope(new)
    conf = login_settings()
    verifier = KeyAttestationVerifier(origins=conf.key_client_origins, algorithms=conf.key_algorithms)
    verified = verifier.verify(new.attestation, challenge=challenge)
    credential = Credential(
        organization_id=account.organization_id,
        account=account,
        kind=new.kind,
        name=new.name or DEFAULT_NAME,
        credential_id=new.attestation.credential_id,
        canonical_credential_id=verified.credential_id,
        public_key=verified.public_key.spki,
        algorithm=verified.public_key.algorithm.value,
        origin=verified.client_data.origin or "",
        created_at=now,
    )
    if envelope is not None:
        seal_encrypted_key(credential, envelope)
    return credential


def store_credential(credential: Credential, *, requester: Requester, now: datetime) -> None:
    """Store a verified credential, and that it was created.

    Raises CredentialIdTaken if the organization has one of this id, whoever's it is.
    """
    try:
        with transaction.atomic():
            credential.save(force_insert=True)
    except IntegrityError as error:
        msg = "credential id taken"
        details = {"credentialInfo.credId": ["The organization has a credential of this id."]}
        raise CredentialIdTaken(msg, details=details) from error
    record_event(
        AuditKind.CREDENTIAL_CREATED,
        account=credential.account,
        requester=requester,
        now=now,
        credential=credential.pk,
        kind=credential.kind,
    )


def list_credentials(account: Account) -> Sequence[Credential]:
    """Every credential of the account, usable or not, the oldest first. No encrypted key is read.

    Source: Dfns API, List User Credentials.
    """
    return list(account.credentials.defer("sealed_private_key").order_by("created_at", "pk"))


def _envelope(new: NewCredential) -> KeyEnvelope | None:
    """The encrypted private key of a kind that has one."""
    if new.kind != CredentialKind.PASSWORD_PROTECTED_KEY:
        if new.encrypted_private_key is None:
            return None
        msg = "encrypted key with a kind that has none"
        raise AttestationRefused(msg, details={"encryptedPrivateKey": [f"A {new.kind.value} has none."]})
    if new.encrypted_private_key is None:
        msg = "password-protected key without its key"
        raise AttestationRefused(msg, details={"encryptedPrivateKey": ["This field is required."]})
    return check_key_envelope(new.encrypted_private_key)
