"""Issue one-time codes as rows, and derive the codes when they are emailed.

`proofs/presented_codes.py` compares guesses with them.

A code gates the release of an encrypted key. It never proves identity (D-1).
"""

import hmac
import secrets
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from dfns_login.errors import CodeRefused
from dfns_login.key_rings import key_rings
from dfns_login.models import Account, Caller, CodeClosed, CodePurpose, DeliveryState, OneTimeCode, transaction
from dfns_login.proofs.code_formats import CROCKFORD, code_format, code_lifetime, guess_cap
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient

SALT_BYTES: Final = 16
SELECTOR_LENGTH: Final = 8
"""Base32 characters that select the row of a code without a username: 40 bits, not secret."""
RENEWAL_MARGIN: Final = timedelta(minutes=2)
"""A code that expires within this time is replaced, not sent again."""
GROUP_LENGTH: Final = 4


def issue_code(recipient: Recipient, *, purpose: CodePurpose, requester: Requester, now: datetime) -> int:
    """Open a code for the recipient, or keep the open one, and return its row's id.

    Strangers and the recipient's known devices have one open code each. Whether
    the recipient exists is not looked up. This is one statement, so no race opens a
    second row. If the open code is stale (it expires within two minutes or has no guesses
    left), the statement closes it and is repeated.
    Stored: what the code is derived from, never the code.
    Source: Dfns API, Send Login Code.
    """
    row = OneTimeCode(
        organization=recipient.organization,
        recipient=recipient.username,
        purpose=purpose,
        caller=Caller.of(requester.device),
        salt=secrets.token_bytes(SALT_BYTES),
        key_id=key_rings().current_code_key_id,
        issued_at=now,
        asked_at=now,
        next_try_at=now,
        expires_at=now + code_lifetime(purpose),
        address=requester.address,
        agent=requester.agent,
        locale=requester.locale if requester.device else "",  # a stranger must not choose the owner's language
    )
    opening = partial(
        OneTimeCode.objects.open_or_keep, row, cooldown=login_settings().code_cooldown, cap=guess_cap(purpose)
    )
    pk = opening(margin=RENEWAL_MARGIN)
    while pk is None:
        pk = opening(margin=timedelta(0))  # so that simultaneous requests don't close each other's new code
    return pk


def derive_code(row: OneTimeCode) -> str:
    """Derive the code of an open row, in groups of four: `1234-1234-1234-1234`.

    HMAC-SHA-256 over the row's fields, each length-prefixed, under the key that
    the row names. 128 bits of it are reduced to the code's form.
    Raises: CodeRefused, if the row is closed or its key was removed from the ring.
    """
    return grouped(derive_characters(row))


def derive_characters(row: OneTimeCode) -> str:
    """Derive the code of an open row, without groups. See `derive_code`."""
    key = key_rings().codes.get(row.key_id)
    if key is None or row.salt is None:
        raise CodeRefused("the row is closed, or its key was removed from the ring")
    fields = (
        str(row.pk).encode(),
        row.purpose.encode(),
        row.organization.encode(),
        row.recipient.encode(),
        row.issued_at.astimezone(UTC).isoformat(timespec="microseconds").encode(),
        bytes(row.salt),
    )
    message = b"".join(len(field).to_bytes(4) + field for field in fields)
    number = int.from_bytes(hmac.digest(key, message, "sha256")[:16])
    form = code_format(CodePurpose(row.purpose))
    characters = []
    for _ in range(form.length - form.unlike_cards):
        number, index = divmod(number, len(form.alphabet))
        characters.append(form.alphabet[index])
    if form.unlike_cards:
        characters.append(str((_check_digit(characters) + 1 + number % 9) % 10))
    return "".join(characters)


def show_credential_code(account: Account, *, expires_at: datetime, requester: Requester, now: datetime) -> str:
    """Open a code that is shown to the account's owner instead of emailed: `SSSS-SSSS-XXXX-XXXX-XXXX-XXXX`.

    The first eight characters select the row; the others are derived like any code.
    It supersedes an open one. Stored: the row. Source: D-5.
    """
    mine = OneTimeCode.objects.of(account.recipient, purpose=CodePurpose.CREDENTIAL)
    row = OneTimeCode(
        organization=account.organization_id,
        recipient=account.username,
        purpose=CodePurpose.CREDENTIAL,
        account=account,
        selector="".join(secrets.choice(CROCKFORD) for _ in range(SELECTOR_LENGTH)),
        salt=secrets.token_bytes(SALT_BYTES),
        key_id=key_rings().current_code_key_id,
        issued_at=now,
        asked_at=now,
        next_try_at=now,
        handled_at=now,
        expires_at=expires_at,
        delivery=DeliveryState.SHOWN,
        address=requester.address,
        agent=requester.agent,
        locale=requester.locale,
    )
    with transaction.atomic():
        mine.close(how=CodeClosed.SUPERSEDED, now=now)
        row.save(force_insert=True)
    return grouped(row.selector + derive_characters(row))


def grouped(code: str) -> str:
    """Return the code's characters in groups of four, as people read them."""
    return "-".join(code[i : i + GROUP_LENGTH] for i in range(0, len(code), GROUP_LENGTH))


def _check_digit(digits: list[str]) -> int:
    """Check digit of a number (Luhn, ISO/IEC 7812-1 annex B)."""
    doubled = (sum(divmod(2 * int(each), 10)) for each in digits[-1::-2])
    return -(sum(doubled) + sum(int(each) for each in digits[-2::-2])) % 10
