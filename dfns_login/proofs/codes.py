"""One-time codes: a row when issued, derived when emailed, counted when presented.

A code gates the release of an encrypted key. It never proves identity (D-1).
"""

import hmac
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from dfns_login.errors import CodeRefused
from dfns_login.key_rings import key_rings
from dfns_login.models import (
    Account,
    AuditEvent,
    Caller,
    CodeClosed,
    CodePurpose,
    DeliveryState,
    OneTimeCode,
    transaction,
)
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
NEVER: Final = datetime.min.replace(tzinfo=UTC)
LOOKALIKES: Final = str.maketrans("OIL", "011")


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedCode:
    """Proof that the recipient's code was presented and spent. Only this module makes one.

    failures: how many wrong guesses at it came before.
    """

    recipient: Recipient
    purpose: CodePurpose
    presented_at: datetime
    failures: int = 0


def issue_code(recipient: Recipient, *, purpose: CodePurpose, requester: Requester, now: datetime) -> int:
    """Open a code for the recipient, or keep the open one, and return its row's id.

    Strangers and the recipient's known devices have one open code each. Nobody
    looks up whether the recipient exists. One statement, and no race opens a second
    row. If the open code is stale (it expires within two minutes or has no guesses
    left), the statement closes it and is repeated.
    Stored: what the code is derived from, never the code.
    Source: Dfns API, Send Login Code.
    """
    row = OneTimeCode(
        organization=recipient.organization,
        recipient=recipient.username,
        purpose=purpose,
        caller=_caller(requester.device),
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
        pk = opening(margin=timedelta(0))  # so that requests at once don't close each other's new code
    return pk


def derive_code(row: OneTimeCode) -> str:
    """Derive the code of an open row, in groups of four: `1234-1234-1234-1234`.

    HMAC-SHA-256 over the row's fields, each length-prefixed, under the key that
    the row names. 128 bits of it are reduced to the code's form.
    Raises: CodeRefused, if the row is closed or its key was removed from the ring.
    """
    return _grouped(_derive(row))


def present_code(
    recipient: Recipient,
    submitted: str,
    *,
    purpose: CodePurpose,
    now: datetime,
    device: str = "",
    events: Sequence[AuditEvent] = (),
) -> PresentedCode:
    """Verify and consume the recipient's one-time code.

    submitted: what the person typed; case, space, punctuation, symbols and format characters are ignored.
    device: as in `Requester.device`. A known device has a code and guesses of its own, and may present either code.
    Call this in a transaction for a known device: a strangers' code takes it two statements.
    events: stored with the guess, if the code is valid.
    Raises: CodeRefused, if no open code of this purpose matches. The failed guess is already counted.
    Source: Dfns API, Create User Login Challenge, `loginCode`.
    """
    caller = _caller(device)
    rows = OneTimeCode.objects.for_guess_of(caller, recipient=recipient, purpose=purpose)
    return _spend(rows or [_no_code(recipient, purpose)], _fold(submitted), caller=caller, now=now, events=events)


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
    return _grouped(row.selector + _derive(row))


def present_credential_code(submitted: str, *, now: datetime) -> tuple[PresentedCode, Account]:
    """Verify and consume a code that was shown to its owner. Its selector names the row.

    Returns the account as it was before the code was consumed: voiding it then would have revoked the code.

    Raises: CodeRefused, as `present_code` does.
    """
    folded = _fold(submitted)
    selector, code = folded[:SELECTOR_LENGTH].decode(), folded[SELECTOR_LENGTH:]
    shown = OneTimeCode.objects.open().filter(purpose=CodePurpose.CREDENTIAL, selector=selector)
    row = shown.select_related("account__organization").first()
    nobody = Recipient(organization="", username="")
    presented = _spend([row or _no_code(nobody, CodePurpose.CREDENTIAL)], code, caller=Caller.STRANGER, now=now)
    if row is None or row.account is None:
        raise CodeRefused("account deleted")
    return presented, row.account


def _caller(device: str) -> Caller:
    return Caller.DEVICE if device else Caller.STRANGER


def _no_code(recipient: Recipient, purpose: CodePurpose) -> OneTimeCode:
    """Return a row that is not stored, to guess at if there is no open code: the same work is done (R-126)."""
    return OneTimeCode(
        organization=recipient.organization,
        recipient=recipient.username,
        purpose=purpose,
        salt=bytes(SALT_BYTES),
        key_id=key_rings().current_code_key_id,
        issued_at=NEVER,
        expires_at=NEVER,
    )


def _spend(
    rows: Sequence[OneTimeCode], folded: bytes, *, caller: Caller, now: datetime, events: Sequence[AuditEvent] = ()
) -> PresentedCode:
    """Count one guess and consume the code that it matches. Right and wrong guesses cost the same.

    The guess counts on the first code that has not expired, whichever code it matches: nothing is
    compared that isn't counted.
    """
    counting = next((row for row in rows if row.expires_at > now), rows[0])
    purpose = CodePurpose(counting.purpose)
    matched = [row for row in rows if hmac.compare_digest(_derive(row).encode(), folded)]
    consumed = counting in matched
    counted = OneTimeCode.objects.record_guess(
        code=counting,
        caller=caller,
        matched=consumed,
        cap=guess_cap(purpose),
        now=now,
        events=events if consumed else (),
    )
    if not counted:
        raise CodeRefused("no open code, or it is expired, spent, or out of guesses")
    if not matched:
        raise CodeRefused("wrong code")
    if not consumed:
        if not OneTimeCode.objects.consume(code=matched[0], now=now):
            raise CodeRefused("code expired or spent")
        if events:
            AuditEvent.objects.add(*events)
    recipient = Recipient(organization=counting.organization, username=counting.recipient)
    failures = counting.guesses + counting.device_guesses
    return PresentedCode(recipient=recipient, purpose=purpose, presented_at=now, failures=failures)


def _grouped(code: str) -> str:
    return "-".join(code[i : i + GROUP_LENGTH] for i in range(0, len(code), GROUP_LENGTH))


def _fold(submitted: str) -> bytes:
    """Return the normal form in which a guess is compared: letters, and digits of any script as ASCII digits."""
    text = unicodedata.normalize("NFKC", submitted)
    return "".join(map(_fold_character, text)).upper().translate(LOOKALIKES).encode("ascii", "replace")


def _fold_character(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    ignored = character.isspace() or unicodedata.category(character).startswith(("P", "S", "Z", "Cf"))
    return "" if ignored else character


def _derive(row: OneTimeCode) -> str:
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


def _check_digit(digits: list[str]) -> int:
    """Check digit of a number (Luhn, ISO/IEC 7812-1 annex B)."""
    doubled = (sum(divmod(2 * int(each), 10)) for each in digits[-1::-2])
    return -(sum(doubled) + sum(int(each) for each in digits[-2::-2])) % 10
