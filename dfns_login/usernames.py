"""One canonical form of a username, by which it is counted, looked up and compared.

The same text decides about rates, codes and accounts, and the database compares
it exactly: `__iexact` folds differently on each database, which is how a mail
meant for one mailbox reaches another (CVE-2019-19844).
"""

import unicodedata
from dataclasses import dataclass

USERNAME_MAX_LENGTH = 254
"""Longest username that is looked at: RFC 5321 leaves room for an address of this length."""
WRITTEN_MAX_LENGTH = 2 * USERNAME_MAX_LENGTH
"""Longest text that is folded at all: combining characters are put in order in quadratic time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom a code is for: a canonical username in an organization, there or not."""

    organization: str
    username: str

    @property
    def key(self) -> str:
        """Text that no other recipient has: the organization behind its length, then the username."""
        return f"{len(self.organization)}:{self.organization}{self.username}"

    def __repr__(self) -> str:
        return f"Recipient({self.organization!r}, …)"


def canonical_username(text: str) -> str:
    """Compatibility-fold the username and drop case (Unicode TR 15 NFKC, TR 31 case folding).

    Raises ValueError if nothing is left, if it is too long, or if it holds a
    control, surrogate, private or line separating character.
    """
    if len(text) > WRITTEN_MAX_LENGTH:
        raise ValueError("too long")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()
    if not folded or len(folded) > USERNAME_MAX_LENGTH:
        raise ValueError("empty, or too long")
    if any(unicodedata.category(each) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for each in folded):
        raise ValueError("a character that no username has")
    return folded
