"""New credentials: verifying and storing them, for every ceremony that adds some."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import IntegrityError

from dfns_login.audit import record_event
from dfns_login.ceremonies.decoys import is_decoy
from dfns_login.ceremonies.factors import SIGNING_KINDS
from dfns_login.ceremonies.names import checked_name
from dfns_login.errors import (
    AttestationRefused,
    BodyRefused,
    CredentialIdTaken,
)
from dfns_login.models import (
    Account,
    AuditEvent,
    AuditKind,
    Credential,
    CredentialKind,
    Organization,
    SecondFactor,
    transaction,
)
from dfns_login.proofs import set_encrypted_key
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.verification.attestation import (
    Fido2Attestation,
    Fido2AttestationVerifier,
    KeyAttestation,
    KeyAttestationVerifier,
    VerifiedAttestation,
    VerifiedFido2Attestation,
)
from dfns_login.verification.attestation_object import AttestationPolicy
from dfns_login.verification.key_envelope import KeyEnvelope, check_key_envelope

REGISTERED_KINDS: Final = (*SIGNING_KINDS, CredentialKind.RECOVERY_KEY)
"""Every kind that can be registered."""
WITH_ENVELOPE: Final = (CredentialKind.PASSWORD_PROTECTED_KEY, CredentialKind.RECOVERY_KEY)
DEFAULT_NAME: Final = "Default Credential"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """A credential to register. encrypted_private_key: encrypted by the client; the server cannot decrypt it."""

    kind: CredentialKind
    attestation: KeyAttestation | Fido2Attestation
    name: str = ""
    encrypted_private_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredentials:
    """The credentials of a registration or recovery."""

    first_factor: NewCredential
    second_factor: NewCredential | None = None
    recovery: NewCredential | None = None


def verify_new_credentials(new: NewCredentials, *, account: Account, challenge: str, now: datetime) -> list[Credential]:
    """Verify the credentials of a registration or recovery. Return them unsaved, the first factor first.

    challenge: the text that the client was given.
    Raises: BodyRefused or AttestationRefused, with details by field.
    Source: Dfns API, Complete User Registration.
    """
    _check_kinds(new, organization=account.organization)
    given = [new.first_factor, new.second_factor, new.recovery]
    made = [verify_credential(each, account=account, challenge=challenge, now=now) for each in given if each]
    if len({each.canonical_credential_id for each in made}) != len(made):
        raise AttestationRefused(
            "same credential id twice",
            details={"credential_id": ["Each credential needs its own id."]},
        )
    if len({bytes(each.public_key) for each in made}) != len(made):
        raise AttestationRefused(
            "same public key twice",
            details={"public_key": ["Each credential needs its own key."]},
        )
    return made


def verify_credential(new: NewCredential, *, account: Account, challenge: str, now: datetime) -> Credential:
    """Verify one new credential. Return it unsaved. Raises: as `verify_new_credentials` does."""
    envelope = _envelope(new)
    verified = _verify_attestation(new, challenge=challenge)
    credential = Credential(
        organization_id=account.organization_id,
        account=account,
        kind=new.kind,
        name=checked_name(new.name or DEFAULT_NAME, field="credential_name"),
        credential_id=new.attestation.credential_id,
        canonical_credential_id=verified.credential_id,
        public_key=verified.public_key.spki,
        algorithm=verified.public_key.algorithm.value,
        origin=verified.client_data.origin or "",
        created_at=now,
    )
    if isinstance(verified, VerifiedFido2Attestation):
        credential.sign_count = verified.state.sign_count
        credential.backup_eligible = verified.state.backup_eligible
        credential.backed_up = verified.state.backed_up
        credential.aaguid = verified.aaguid
        credential.transports = list(verified.transports)
    if envelope is not None:
        set_encrypted_key(credential, envelope)
    return credential


def store_credential(credential: Credential, *, requester: Requester, now: datetime) -> AuditEvent:
    """Store a verified credential and an event, and return the event.

    Raises: CredentialIdTaken, if any account of the organization has a credential with this id, or if the id is shown
    for an unknown name.
    """
    taken = CredentialIdTaken(
        "credential id taken",
        details={"credential_id": ["The organization already has a credential with this id."]},
    )
    made_up = is_decoy(credential.canonical_credential_id, organization=credential.organization_id)
    if Credential.objects.with_id_of(credential).exists() or made_up:
        raise taken
    try:
        with transaction.atomic():
            credential.save(force_insert=True)
    except IntegrityError as error:  # another request was faster
        raise taken from error
    return record_event(
        AuditKind.CREDENTIAL_CREATED,
        account=credential.account,
        requester=requester,
        now=now,
        credential=credential.pk,
        kind=credential.kind,
    )


def _check_kinds(new: NewCredentials, *, organization: Organization) -> None:
    policy = organization.second_factor
    wrong = {
        "first_factor": new.first_factor.kind not in SIGNING_KINDS,
        "second_factor": new.second_factor is not None and new.second_factor.kind not in SIGNING_KINDS,
        "recovery_credential": new.recovery is not None and new.recovery.kind != CredentialKind.RECOVERY_KEY,
    }
    details = {name: ["This kind cannot be registered here."] for name, refused in wrong.items() if refused}
    if policy == SecondFactor.REQUIRED and new.second_factor is None:
        details["second_factor"] = ["The organization requires a second factor."]
    if policy == SecondFactor.NONE and new.second_factor is not None:
        details["second_factor"] = ["The organization does not accept a second factor."]
    if details:
        raise BodyRefused("kinds of new credentials", details=details)


def _verify_attestation(new: NewCredential, *, challenge: str) -> VerifiedAttestation:
    conf = login_settings()
    if isinstance(new.attestation, Fido2Attestation):
        passkeys = Fido2AttestationVerifier(
            rp_id=conf.rp_id,
            origins=conf.webauthn_origins,
            algorithms=conf.key_algorithms,
            policy=attestation_policy(),
        )
        return passkeys.verify(new.attestation, challenge=challenge)
    keys = KeyAttestationVerifier(origins=conf.key_client_origins, algorithms=conf.key_algorithms)
    return keys.verify(new.attestation, challenge=challenge)


def attestation_policy() -> AttestationPolicy:
    """Return the project's policy on attestation statements."""
    conf = login_settings()
    if conf.attestation == "none":
        return AttestationPolicy()
    return AttestationPolicy(without_statement=False, self_signed=False, roots=conf.attestation_roots)


def _envelope(new: NewCredential) -> KeyEnvelope | None:
    """Return the encrypted private key. A password-protected key requires one, a recovery key may have one."""
    if new.encrypted_private_key is not None and new.kind not in WITH_ENVELOPE:
        raise AttestationRefused(
            "encrypted key with a kind that has none",
            details={"encrypted_private_key": [f"A {new.kind.value} has no encrypted private key."]},
        )
    if new.encrypted_private_key is None:
        if new.kind != CredentialKind.PASSWORD_PROTECTED_KEY:
            return None
        raise AttestationRefused(
            "password-protected key without its key", details={"encrypted_private_key": ["This field is required."]}
        )
    return check_key_envelope(new.encrypted_private_key)
