"""Credentials that a client registers: verified, and stored, by whichever ceremony they come."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from dfns_login.audit import record_event
from dfns_login.ceremonies.factors import SIGNING_KINDS
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
"""Kinds that may be registered at all."""
WITH_ENVELOPE: Final = (CredentialKind.PASSWORD_PROTECTED_KEY, CredentialKind.RECOVERY_KEY)
DEFAULT_NAME: Final = "Default Credential"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """A credential to register. encrypted_private_key: text of the client's own making, opened by nobody here."""

    kind: CredentialKind
    attestation: KeyAttestation | Fido2Attestation
    name: str = ""
    encrypted_private_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredentials:
    """What a registration or a recovery brings: a first factor, and by policy or wish the others."""

    first_factor: NewCredential
    second_factor: NewCredential | None = None
    recovery: NewCredential | None = None


def verify_new_credentials(new: NewCredentials, *, account: Account, challenge: str, now: datetime) -> list[Credential]:
    """The credentials that a registration or recovery brings, verified and not stored yet; the first factor first.

    challenge: the text that the client was given.
    Raises BodyRefused or AttestationRefused, whose details name the field.
    Source: Dfns API, Complete User Registration.
    """
    _check_kinds(new, organization=account.organization)
    given = [new.first_factor, new.second_factor, new.recovery]
    made = [verify_credential(each, account=account, challenge=challenge, now=now) for each in given if each]
    if len({each.canonical_credential_id for each in made}) != len(made):
        raise AttestationRefused(
            "the same credential id twice",
            details={"credentialInfo.credId": ["Each credential needs an id of its own."]},
        )
    return made


def verify_credential(new: NewCredential, *, account: Account, challenge: str, now: datetime) -> Credential:
    """One new credential of the account, verified and not stored yet. Raises as `verify_new_credentials` does."""
    envelope = _envelope(new)
    verified = _verify_attestation(new, challenge=challenge)
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
    """Store a verified credential, and that it was created.

    Raises CredentialIdTaken if the organization has one of this id, whoever's it is.
    """
    try:
        with transaction.atomic():
            credential.save(force_insert=True)
    except IntegrityError as error:
        details = {"credentialInfo.credId": ["The organization has a credential of this id."]}
        raise CredentialIdTaken("credential id taken", details=details) from error
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
        "firstFactorCredential": new.first_factor.kind not in SIGNING_KINDS,
        "secondFactorCredential": new.second_factor is not None and new.second_factor.kind not in SIGNING_KINDS,
        "recoveryCredential": new.recovery is not None and new.recovery.kind != CredentialKind.RECOVERY_KEY,
    }
    details = {name: ["This kind cannot be registered here."] for name, refused in wrong.items() if refused}
    if policy == SecondFactor.REQUIRED and new.second_factor is None:
        details["secondFactorCredential"] = ["The organization requires a second factor."]
    if policy == SecondFactor.NONE and new.second_factor is not None:
        details["secondFactorCredential"] = ["The organization takes no second factor."]
    if details:
        raise BodyRefused("kinds of the new credentials", details=details)


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
    """What the project wants to know of an authenticator's make."""
    conf = login_settings()
    if conf.attestation == "none":
        return AttestationPolicy()
    return AttestationPolicy(without_statement=False, self_signed=False, roots=conf.attestation_roots)


def _envelope(new: NewCredential) -> KeyEnvelope | None:
    """The encrypted private key of a kind that has one: a password-protected key must, a recovery key may."""
    if new.encrypted_private_key is not None and new.kind not in WITH_ENVELOPE:
        raise AttestationRefused(
            "encrypted key with a kind that has none",
            details={"encryptedPrivateKey": [f"A {new.kind.value} has none."]},
        )
    if new.encrypted_private_key is None:
        if new.kind != CredentialKind.PASSWORD_PROTECTED_KEY:
            return None
        raise AttestationRefused(
            "password-protected key without its key", details={"encryptedPrivateKey": ["This field is required."]}
        )
    return check_key_envelope(new.encrypted_private_key)
