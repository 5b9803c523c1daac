"""Factors: which credentials may sign a challenge, and verifying those that did. Login and user actions share this."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from dfns_login.audit import record_event
from dfns_login.ceremonies.decoys import decoy_algorithm
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.errors import AccountDeactivated, AssertionRefused, ChallengeRefused, SignCountRegressed
from dfns_login.models import (
    Account,
    AccountState,
    AuditKind,
    Credential,
    CredentialKind,
    Organization,
    SecondFactor,
    transaction,
)
from dfns_login.proofs import OpenedChallenge, RedeemedChallenge, ReleasedKey, is_spent
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.verification.assertion import (
    Fido2Assertion,
    Fido2AssertionVerifier,
    KeyAssertion,
    KeyAssertionVerifier,
    StoredPasskey,
    VerifiedAssertion,
    VerifiedFido2Assertion,
)
from dfns_login.verification.cose import COSE_ALGORITHMS
from dfns_login.verification.public_keys import KeyAlgorithm

SIGNING_KINDS: Final = (CredentialKind.FIDO2, CredentialKind.KEY, CredentialKind.PASSWORD_PROTECTED_KEY)
"""Kinds that sign in, as first or second factor. A recovery key never signs in."""
LISTED_KINDS: Final = {CredentialKind.KEY: "key", CredentialKind.FIDO2: "webauthn"}
"""The list of `allowCredentials` for each kind that is listed without a code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportedKind:
    """A kind that an organization accepts, and as which factor: `first` or `either`."""

    kind: CredentialKind
    factor: str
    requires_second_factor: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCredential:
    """A credential that may sign the challenge. kind: its list in `allowCredentials`, `key` or `webauthn`."""

    kind: str
    credential_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningChallenge:
    """The challenge to sign, and the credentials that may sign it. released_keys: None unless a code was presented."""

    opened: OpenedChallenge
    supported: Sequence[SupportedKind]
    listed: Sequence[ListedCredential] = ()
    released_keys: Sequence[ReleasedKey] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorAnswer:
    """A signed challenge. kind, credential_id: the client's claim; credential_id is in canonical form."""

    kind: CredentialKind
    credential_id: str
    assertion: KeyAssertion | Fido2Assertion


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A credential that signed, the proof, and the second factor if there is one. Only `verify_factors` makes one."""

    credential: Credential
    verified: VerifiedAssertion
    second: "Factor | None" = None

    @property
    def has_state(self) -> bool:
        """Whether `record_uses` stores something: one of them is a passkey."""
        return any(each and isinstance(each.verified, VerifiedFido2Assertion) for each in (self, self.second))


def supported_kinds(organization: Organization | None) -> list[SupportedKind]:
    """Return what the organization accepts at sign-in; for an unknown organization, what a new one accepts."""
    policy = organization.second_factor if organization else SecondFactor.OPTIONAL
    factor = "first" if policy == SecondFactor.NONE else "either"
    required = policy == SecondFactor.REQUIRED
    return [SupportedKind(kind=kind, factor=factor, requires_second_factor=required) for kind in SIGNING_KINDS]


def listed_credentials(account_id: str) -> list[ListedCredential]:
    """Return the account's credentials that are listed without a code, the oldest first."""
    return [
        ListedCredential(kind=LISTED_KINDS[CredentialKind(kind)], credential_id=credential_id)
        for kind, credential_id in Credential.objects.listed(account_id)
    ]


def verify_factors(
    first: FactorAnswer,
    second: FactorAnswer | None,
    *,
    redeemed: RedeemedChallenge,
    requester: Requester,
    now: datetime,
) -> Factor:
    """Verify the signed challenge with as many factors as the organization requires. Return the first factor.

    Raises: AssertionRefused, if verification fails or the account was voided since the challenge was opened;
    ChallengeRefused, if it was already answered; AccountDeactivated, only after the signature was verified.
    Stored: an event and a notice if an authenticator's sign count fell. `record_uses` stores the rest.
    """
    factor = _verify(first, redeemed=redeemed, requester=requester, now=now)
    account = factor.credential.account
    _check_policy(factor, second, organization=account.organization)
    if second is not None:
        other = _verify(second, redeemed=redeemed, within=account, requester=requester, now=now)
        if bytes(other.credential.public_key) == bytes(factor.credential.public_key):  # also of two credential ids
            raise AssertionRefused("same key twice")
        factor = replace(factor, second=other)
    if account.generation > redeemed.generation:
        raise AssertionRefused("challenge opened before the account was voided")
    _check_account(account)
    return factor


def record_uses(factor: Factor, *, now: datetime) -> None:
    """Store the passkeys' sign counts, flags and last uses. Call this in the transaction that spends the challenge.

    Raises: AssertionRefused, if another use was faster. Source: WebAuthn Level 3 §7.2 step 26.
    """
    for each in (factor, factor.second):
        if each is None or not isinstance(each.verified, VerifiedFido2Assertion):
            continue
        if not Credential.objects.record_use(credential=each.credential, state=each.verified.state, now=now):
            raise AssertionRefused("another use of the authenticator was faster")


def _check_policy(factor: Factor, second: FactorAnswer | None, *, organization: Organization) -> None:
    policy = organization.second_factor
    if policy == SecondFactor.REQUIRED and second is None:
        raise AssertionRefused("second factor missing")
    if policy == SecondFactor.NONE and second is not None:
        raise AssertionRefused(f"second factor not accepted beside {factor.credential.kind}")


def _check_account(account: Account) -> None:
    active = account.state == AccountState.REGISTERED and account.organization.active
    if not active or account.user is None or not account.user.is_active:
        raise AccountDeactivated("account, organization or user is not active")


def _verify(
    answer: FactorAnswer,
    *,
    redeemed: RedeemedChallenge,
    requester: Requester,
    now: datetime,
    within: Account | None = None,
) -> Factor:
    """Verify one signature. If no credential may have signed, the same work is done (R-36, R-126).

    The signature is verified before more than the public key is read, because an id that was made up has no account.
    """
    stored = _find_key(answer, redeemed=redeemed, within=within)
    try:
        verified = _verify_assertion(answer, stored=stored, redeemed=redeemed)
    except SignCountRegressed as error:
        if is_spent(redeemed):  # a replay of an accepted answer, not a cloned passkey
            raise ChallengeRefused("challenge spent") from error
        if (credential := _whole(stored)) is not None:
            _suspect(credential, requester=requester, now=now)
        raise
    credential = _whole(stored)
    if credential is None:
        raise AssertionRefused("no such credential in the account")
    return Factor(credential=credential, verified=verified)


def _whole(stored: StoredPasskey | None) -> Credential | None:
    return Credential.objects.with_key(stored) if stored else None


def _find_key(answer: FactorAnswer, *, redeemed: RedeemedChallenge, within: Account | None) -> StoredPasskey | None:
    """Return the key of the credential that claims to have signed, if it may sign this challenge.

    It must belong to the challenge's account, or to the account of the user
    handle if the challenge has none, and its kind must match. A password-protected
    key may sign only a challenge that was opened with a code (R-24, R-55).
    Source: WebAuthn Level 3 §7.2 steps 5, 6.
    """
    account_id = within.pk if within else redeemed.account_id
    if not account_id and isinstance(answer.assertion, Fido2Assertion):
        claimed = answer.assertion.claimed_account_id or ""
        account_id = claimed if claimed.isprintable() else ""  # PostgreSQL rejects NUL
    found = Credential.objects.signing_key(
        organization_id=redeemed.organization,
        account_id=account_id,
        canonical_credential_id=answer.credential_id,
        kind=answer.kind,
    )
    if answer.kind == CredentialKind.PASSWORD_PROTECTED_KEY and not redeemed.code_presented:
        return None
    return found


def _verify_assertion(
    answer: FactorAnswer, *, stored: StoredPasskey | None, redeemed: RedeemedChallenge
) -> VerifiedAssertion:
    conf = login_settings()
    fido2 = isinstance(answer.assertion, Fido2Assertion)
    absent = decoy_algorithm(
        answer.credential_id,
        owner=f"{redeemed.organization} {redeemed.account_id} {answer.kind.value}",
        among=tuple(COSE_ALGORITHMS) if fido2 else tuple(KeyAlgorithm),
    )
    if isinstance(answer.assertion, Fido2Assertion):
        passkeys = Fido2AssertionVerifier(rp_id=conf.rp_id, origins=conf.webauthn_origins)
        return passkeys.verify(answer.assertion, stored=stored, challenge=redeemed.challenge, absent=absent)
    keys = KeyAssertionVerifier(origins=conf.key_client_origins)
    return keys.verify(answer.assertion, stored=stored, challenge=redeemed.challenge, absent=absent)


def _suspect(credential: Credential, *, requester: Requester, now: datetime) -> None:
    kind, account = AuditKind.CREDENTIAL_SUSPECTED, credential.account
    with transaction.atomic():
        notify_owner(record_event(kind, account=account, requester=requester, now=now, credential=credential.pk))
