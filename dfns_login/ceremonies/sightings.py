"""What is new about a sign-in or a release: its device or its network. The owner is told (R-130)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from dfns_login.audit import Detail
from dfns_login.ceremonies.notices import notify_owner
from dfns_login.models import Account, AuditEvent, Credential
from dfns_login.proofs import RedeemedChallenge
from dfns_login.requester import Requester
from dfns_login.usernames import Recipient

MANY_FAILURES: Final = 5
"""Wrong guesses at a code after which its sign-in is told, wherever it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What is new about a sign-in. A credential remembers its networks, so a client without a cookie is told of once.

    The first sign-in with a credential is what later ones are compared with, and is not told. Nor is one for a key
    whose release to the same network was told.
    """

    network: str
    is_new_network: bool
    is_told: bool
    failures: int

    @classmethod
    def of(
        cls,
        credential: Credential,
        *,
        redeemed: RedeemedChallenge,
        requester: Requester,
        is_known: Callable[[Recipient], bool] | None,
    ) -> Self:
        network = requester.network
        is_new_network = network not in credential.networks
        is_new = is_new_network or (is_known is not None and not is_known(credential.account.recipient))
        failures = redeemed.failures if redeemed.failures >= MANY_FAILURES else 0
        is_news = bool(credential.networks) and is_new and redeemed.bound != network
        return cls(network=network, is_new_network=is_new_network, is_told=is_news or failures > 0, failures=failures)

    @property
    def stores(self) -> bool:
        """Whether `store` stores something."""
        return self.is_new_network or self.is_told

    @property
    def detail(self) -> dict[str, Detail]:
        """What the event says beyond other sign-ins."""
        return {"failures": self.failures} if self.failures else {}

    def store(self, credential: Credential, event: AuditEvent) -> None:
        """Remember the network, and tell the owner. Call this in the transaction that opens the session."""
        if self.is_new_network:
            Credential.objects.remember_network(credential=credential, network=self.network)
        if self.is_told:
            notify_owner(event)


def tell_of_use(credential: Credential, event: AuditEvent, *, network: str) -> None:
    """Tell the owner that a session of this credential got an encrypted key on a new network, once per network.

    Call this in the transaction that stores the event. Stored: the network, a notice.
    """
    Account.objects.lock(account=credential.account)
    if Credential.objects.remember_network(credential=credential, network=network):
        notify_owner(event)
