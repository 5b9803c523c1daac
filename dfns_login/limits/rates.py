"""The named rates, and which of them each kind of request counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Subject(StrEnum):
    """What a rate counts requests by."""

    ADDRESS = "address"
    NETWORK = "network"
    USER_AND_NETWORK = "user and network"
    USER = "user"
    ORGANIZATION = "organization"
    MAILBOX = "mailbox"


BY_NAME: Final = frozenset({Subject.USER_AND_NETWORK, Subject.USER, Subject.ORGANIZATION})
"""Subjects that are only known once the body has been read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A named rate. Its windows are in `DFNS_LOGIN["RATES"][name]`."""

    name: str
    subject: Subject


CODE_PER_ADDRESS: Final = Rate(name="code_per_address", subject=Subject.ADDRESS)
CODE_PER_NETWORK: Final = Rate(name="code_per_network", subject=Subject.NETWORK)
CODE_PER_USER_AND_NETWORK: Final = Rate(name="code_per_user_and_network", subject=Subject.USER_AND_NETWORK)
CODE_PER_USER: Final = Rate(name="code_per_user", subject=Subject.USER)
CODE_PER_ORGANIZATION: Final = Rate(name="code_per_organization", subject=Subject.ORGANIZATION)
INIT_PER_ADDRESS: Final = Rate(name="init_per_address", subject=Subject.ADDRESS)
INIT_PER_NETWORK: Final = Rate(name="init_per_network", subject=Subject.NETWORK)
GUESS_PER_USER_AND_NETWORK: Final = Rate(name="guess_per_user_and_network", subject=Subject.USER_AND_NETWORK)
INIT_PER_USER: Final = Rate(name="init_per_user", subject=Subject.USER)
LOGIN_PER_ADDRESS: Final = Rate(name="login_per_address", subject=Subject.ADDRESS)
LOGIN_PER_NETWORK: Final = Rate(name="login_per_network", subject=Subject.NETWORK)
EMAIL_PER_MAILBOX: Final = Rate(name="email_per_mailbox", subject=Subject.MAILBOX)

CODE_RATES: Final[Sequence[Rate]] = (
    CODE_PER_ADDRESS,
    CODE_PER_NETWORK,
    CODE_PER_USER_AND_NETWORK,
    CODE_PER_USER,
    CODE_PER_ORGANIZATION,
)
"""Narrow subjects come first: a client that is refused by its own address or network does not use up a name's rates."""
INIT_RATES: Final[Sequence[Rate]] = (INIT_PER_ADDRESS, INIT_PER_NETWORK, INIT_PER_USER)
GUESS_RATES: Final[Sequence[Rate]] = (INIT_PER_ADDRESS, INIT_PER_NETWORK, GUESS_PER_USER_AND_NETWORK, INIT_PER_USER)
"""For requests that present a login code: one network has fewer guesses than the code allows."""
CREDENTIAL_CODE_RATES: Final[Sequence[Rate]] = (INIT_PER_ADDRESS, INIT_PER_NETWORK)
LOGIN_RATES: Final[Sequence[Rate]] = (LOGIN_PER_ADDRESS, LOGIN_PER_NETWORK)
