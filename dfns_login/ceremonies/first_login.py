"""The first login after a registration or a recovery: the new key signs at once, without another code (R-161)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dfns_login.ceremonies.factors import LISTED_KINDS, ListedCredential, SigningChallenge, supported_kinds
from dfns_login.models import Credential, CredentialKind
from dfns_login.proofs import Ceremony, TemporaryToken, open_challenge


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """An account's new first factor, and the login challenge that it may sign."""

    credential: Credential
    challenge: SigningChallenge


def open_first_login(
    made: Sequence[Credential], *, token: TemporaryToken, generation: int, now: datetime
) -> SigningChallenge:
    """Open a login challenge for the account with these new credentials. Nothing is stored, and no key is released.

    token: spent in this transaction. It takes the place of a presented code.
    generation: of the account under its lock. If the account is voided afterwards, the challenge is revoked.
    """
    account = made[0].account
    opened = open_challenge(
        Ceremony.LOGIN,
        organization=account.organization_id,
        account_id=account.pk,
        generation=generation,
        presented=token,
        now=now,
    )
    listed = [
        ListedCredential(kind=LISTED_KINDS[CredentialKind(each.kind)], credential_id=each.credential_id)
        for each in made
        if each.kind in LISTED_KINDS
    ]
    return SigningChallenge(opened=opened, supported=supported_kinds(account.organization), listed=listed)
