"""The canonical form of a username.

Rates, codes and accounts all use this form, and the database compares it exactly. `__iexact` folds case differently on
each database, so an email meant for one mailbox could reach another (CVE-2019-19844).
"""

import unicodedata
from dataclasses import dataclass

import idna

USERNAME_MAX_LENGTH = 254
"""The longest address that RFC 5321 allows."""
WRITTEN_MAX_LENGTH = 2 * USERNAME_MAX_LENGTH
"""Longer input is rejected before folding: ordering combining characters takes quadratic time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A canonical username in an organization, whether or not such an account exists."""

    organization: str
    username: str

    @property
    def key(self) -> str:
        """A unique text for this recipient: the length-prefixed organization, then the username."""
        return f"{len(self.organization)}:{self.organization}{self.username}"

    def __repr__(self) -> str:
        return f"Recipient({self.organization!r}, …)"


def canonical_username(text: str) -> str:
    """Apply NFKC normalization and case folding to a username (Unicode TR 15, TR 31). A domain becomes ASCII.

    Raises: ValueError, if the result is empty or too long, or contains a control, format, surrogate, private-use,
    unassigned or line-separator character; or if what follows an `@` is not ASCII and not a domain.
    """
    if len(text) > WRITTEN_MAX_LENGTH:
        raise ValueError("too long")
    name, at, domain = unicodedata.normalize("NFKC", text).strip().rpartition("@")
    folded = unicodedata.normalize("NFKC", f"{name}{at}{ascii_domain(domain) if at else domain}".casefold()).strip()
    if not folded or len(folded) > USERNAME_MAX_LENGTH:
        raise ValueError("empty or too long")
    if any(unicodedata.category(each) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for each in folded):
        raise ValueError("invalid character")
    return folded


def ascii_domain(domain: str) -> str:
    """Encode a domain as browsers and mail servers write it: `münchen.example` as `xn--mnchen-3ya.example`.

    Django's own encoding (IDNA 2003) would send emails for `straße.example` to another domain, `strasse.example`.
    Raises: ValueError, if it is not ASCII and not a domain. Source: IDNA 2008 (RFC 5891), Unicode TR 46.
    """
    return domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
