"""What may answer a challenge, who answered it, and the proof. Login and user actions ask the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.db import transaction

from dfns_login.audit import record_event
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

SIGNING_KINDS: Final = (CredentialKind.FIDO2, CredentialKind.KEY, CredentialKind.PASSWORD_PROTECTED_KEY)
"""Kinds that sign in, as first or second factor. A recovery key never does."""


LISTED_KINDS: Final = {CredentialKind.KEY: "key", CredentialKind.FIDO2: "webauthn"}
"""Lists of `allowCredentials` that are shown to anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportedKind:
    """A kind that an organization takes, and as which factor: `first` or `either`."""

    kind: CredentialKind
    factor: str
    requires_second_factor: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCredential:
    """A credential that may answer the challenge. `kind` is a list of `allowCredentials`."""

    kind: str
    credential_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningChallenge:
    """What the client is to sign, with what. released_keys: absent unless a code was presented."""

    opened: OpenedChallenge
    supported: Sequence[SupportedKind]
    listed: Sequence[ListedCredential] = ()
    released_keys: Sequence[ReleasedKey] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorAnswer:
    """A signed challenge. kind, credential_id: as the client claims; credential_id in canonical form."""

    kind: CredentialKind
    credential_id: str
    assertion: KeyAssertion | Fido2Assertion


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A credential that has answered, and the proof; the second factor with it. Only `verify_factors` makes one."""

    credential: Credential
    verified: VerifiedAssertion
    second: "Factor | None" = None


def supported_kinds(organization: Organization | None) -> list[SupportedKind]:
    """What the organization takes at sign-in; for one that is not there, what a new one would take."""
    policy = organization.second_factor if organization else SecondFactor.OPTIONAL
    factor = "first" if policy == SecondFactor.NONE else "either"
    required = policy == SecondFactor.REQUIRED
    return [SupportedKind(kind=kind, factor=factor, requires_second_factor=required) for kind in SIGNING_KINDS]


def listed_credentials(account_id: str) -> list[ListedCredential]:
    """Credentials of the account that are shown without a code, the oldest first; for nobody, none."""
    rows = Credential.objects.usable().filter(account_id=account_id, kind__in=LISTED_KINDS)
    return [
        ListedCredential(kind=LISTED_KINDS[CredentialKind(kind)], credential_id=credential_id)
        for kind, credential_id in rows.order_by("created_at", "pk").values_list("kind", "credential_id")
    ]


def verify_factors(
    first: FactorAnswer,
    second: FactorAnswer | None,
    *,
    redeemed: RedeemedChallenge,
    requester: Requester,
    now: datetime,
) -> Factor:
    """Verify who answered the challenge, with as many factors as the organization wants. Returns the first.

    Raises AssertionRefused for any proof that fails, also if the challenge is from before the account was voided;
    ChallengeRefused if it is answered again; AccountDeactivated to somebody who has proved who they are.
    Stored: an event and a notice where an authenticator's count has fallen; what else it says, by `record_uses`.
    """
    factor = _verify(first, redeemed=redeemed, requester=requester, now=now)
    account = factor.credential.account
    _check_policy(factor, second, organization=account.organization)
    if second is not None:
        other = _verify(second, redeemed=redeemed, within=account, requester=requester, now=now)
        if other.credential.pk == factor.credential.pk:
            raise AssertionRefused("the same credential twice")
        factor = replace(factor, second=other)
    if account.voided_since(redeemed.opened_at):
        raise AssertionRefused("challenge from before the account was voided")
    _check_account(account)
    return factor


def record_uses(factor: Factor) -> None:
    """Keep what the authenticators say of their passkeys, in the transaction that spends the challenge.

    Raises AssertionRefused if another use was faster. Source: WebAuthn Level 3 §7.2 step 26.
    """
    for each in (factor, factor.second):
        if each is None or not isinstance(each.verified, VerifiedFido2Assertion):
            continue
        if not Credential.objects.record_use(credential=each.credential, state=each.verified.state):
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
    """Who signed, and the proof. Where nobody may have signed, the same work is done for nothing (R-36)."""
    credential = _find_credential(answer, redeemed=redeemed, within=within)
    try:
        verified = _verify_assertion(answer, credential=credential, challenge=redeemed.challenge)
    except SignCountRegressed as error:
        if is_spent(redeemed):  # the very answer that was accepted comes again, with the count that it had
            raise ChallengeRefused("challenge spent") from error
        if credential is not None:
            _suspect(credential, requester=requester, now=now)
        raise
    if credential is None:
        raise AssertionRefused("no such credential in the account")
    return Factor(credential=credential, verified=verified)


def _find_credential(answer: FactorAnswer, *, redeemed: RedeemedChallenge, within: Account | None) -> Credential | None:
    """The credential that is said to have signed, if it may sign this (WebAuthn L3 §7.2 steps 5 and 6).

    It is looked for within the challenge's account, or within that of its user
    handle where the challenge names none; its kind is the stored one; a
    password-protected key answers only what was opened with a code (R-24, R-55).
    """
    account_id = within.pk if within else redeemed.account_id
    if not account_id and isinstance(answer.assertion, Fido2Assertion):
        claimed = answer.assertion.claimed_account_id or ""
        account_id = claimed if claimed.isprintable() else ""  # a database takes no NUL
    credential = (
        Credential.objects.first_factors()
        .select_related("account__organization", "account__user")
        .defer("encrypted_key_at_rest")
        .filter(
            organization_id=redeemed.organization,
            account_id=account_id,
            canonical_credential_id=answer.credential_id,
            kind=answer.kind,
        )
        .first()
    )
    if credential and credential.kind == CredentialKind.PASSWORD_PROTECTED_KEY and not redeemed.code_presented:
        return None
    return credential


def _verify_assertion(answer: FactorAnswer, *, credential: Credential | None, challenge: str) -> VerifiedAssertion:
    conf = login_settings()
    stored = None if credential is None else _stored(credential)
    if isinstance(answer.assertion, Fido2Assertion):
        passkeys = Fido2AssertionVerifier(rp_id=conf.rp_id, origins=conf.webauthn_origins)
        return passkeys.verify(answer.assertion, stored=stored, challenge=challenge)
    keys = KeyAssertionVerifier(origins=conf.key_client_origins)
    return keys.verify(answer.assertion, stored=stored, challenge=challenge)


def _stored(credential: Credential) -> StoredPasskey:
    """The credential as a verifier wants it; a key has no sign count, and its verifier asks for none."""
    return StoredPasskey(
        credential_id=credential.canonical_credential_id,
        spki=bytes(credential.public_key),
        account_id=credential.account_id,
        sign_count=credential.sign_count,
    )


def _suspect(credential: Credential, *, requester: Requester, now: datetime) -> None:
    kind, account = AuditKind.CREDENTIAL_SUSPECTED, credential.account
    with transaction.atomic():
        notify_owner(record_event(kind, account=account, requester=requester, now=now, credential=credential.pk))
