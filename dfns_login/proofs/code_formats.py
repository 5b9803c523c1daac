"""The format, lifetime and allowed guesses of codes, by purpose."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dfns_login.models import CodePurpose
from dfns_login.settings import login_settings

DIGITS = "0123456789"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFormat:
    """Alphabet and length of a code, and the guesses that it allows.

    Codes of 64 bits or more need no tight limit (NIST SP 800-63B §3.1.2.2, ASVS 6.6.3). A million guesses at 80 bits
    succeed once in 10^18 times.

    unlike_cards: the last digit is never the check digit of the others (Luhn, ISO/IEC 7812-1). Filters against data
    loss hold back emails that contain such a number.
    """

    alphabet: str
    length: int
    guesses: int = 10
    unlike_cards: bool = False

    @property
    def space(self) -> int:
        """Number of different codes."""
        size = len(self.alphabet)
        return int(size ** (self.length - 1) * (size - self.unlike_cards))


FORMS: Final = {
    "digits-16": CodeFormat(alphabet=DIGITS, length=16, unlike_cards=True),
    "base32-16": CodeFormat(alphabet=CROCKFORD, length=16, guesses=1_000_000),
    "digits-8": CodeFormat(alphabet=DIGITS, length=8, guesses=6),
}


def code_format(purpose: CodePurpose) -> CodeFormat:
    """Form of this purpose's codes: as configured for login, 80 bits for longer-lived codes (D-9)."""
    return FORMS[login_settings().code_format if purpose == CodePurpose.LOGIN else "base32-16"]


def code_lifetime(purpose: CodePurpose) -> timedelta:
    """Lifetime of a code of this purpose."""
    conf = login_settings()
    return {
        CodePurpose.LOGIN: conf.code_lifetime,
        CodePurpose.REGISTRATION: conf.registration_code_lifetime,
        CodePurpose.RECOVERY: conf.recovery_code_lifetime,
    }[purpose]


def guess_cap(purpose: CodePurpose) -> int:
    """Return how many guesses strangers have at one code; known devices have as many of their own.

    `CODE_GUESSES` lowers it, except for invitations and recoveries: guesses must not use those up.
    """
    most = code_format(purpose).guesses
    lasting = purpose in {CodePurpose.REGISTRATION, CodePurpose.RECOVERY}
    return most if lasting else min(login_settings().code_guesses, most)
