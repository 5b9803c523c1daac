"""Present codes: compare a guess with the open code, count it, and consume the code if it is right."""

import hmac
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dfns_login.errors import CodeRefused, Refusal
from dfns_login.key_rings import key_rings
from dfns_login.models import STAND_INS, Account, AuditEvent, Caller, CodePurpose, LoginRecord, OneTimeCode, transaction
from dfns_login.proofs.code_formats import guess_cap
from dfns_login.proofs.codes import SALT_BYTES, SELECTOR_LENGTH, derive_characters
from dfns_login.usernames import Recipient

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


def present_code(
    recipient: Recipient,
    submitted: str,
    *,
    purpose: CodePurpose,
    now: datetime,
    device: str = "",
    permit: Callable[[], None] = lambda: None,
) -> PresentedCode:
    """Verify and consume the recipient's one-time code.

    submitted: what the person typed; case, space, punctuation, symbols and format characters are ignored.
    device: as in `Requester.device`. A known device has a code and guesses of its own, and may present either code.
    permit: called if the code matches. If it raises a refusal, the guess is counted and the code stays open.
    Raises: CodeRefused, if no open code of this purpose matches. The failed guess is already counted.
    Source: Dfns API, Create User Login Challenge, `loginCode`.
    """
    caller = Caller.of(device)
    codes = OneTimeCode.objects.for_guess_of(caller, recipient=recipient, purpose=purpose)
    codes = codes or [_no_code(recipient, purpose)]
    return _spend(codes, _fold(submitted), caller=caller, now=now, permit=permit)


def present_login_code(
    record: LoginRecord, submitted: str, *, caller: Caller, now: datetime, events: Callable[[], Sequence[AuditEvent]]
) -> PresentedCode:
    """Verify and consume a login code as `present_code` does, with rows that have been read already.

    record: read for this caller. events: called if the code matches. What it returns is stored with the guess, if the
    code is valid. A wrong guess must not take longer for a name that exists (R-126).
    """
    for code in record.codes:
        code.key_id = code.key_id or key_rings().current_code_key_id  # of a code that is not stored
    return _spend(record.codes, _fold(submitted), caller=caller, now=now, events=events)


def present_credential_code(submitted: str, *, now: datetime) -> tuple[PresentedCode, Account]:
    """Verify and consume a code that was shown to its owner. Its selector names the row.

    Returns the account as it was before the code was consumed: voiding it then would have revoked the code.

    Raises: CodeRefused, as `present_code` does.
    """
    folded = _fold(submitted)
    selector, code = folded[:SELECTOR_LENGTH].decode(), folded[SELECTOR_LENGTH:]
    shown = OneTimeCode.objects.open().filter(purpose=CodePurpose.CREDENTIAL, selector=selector)
    row = shown.select_related("account__organization").first()
    no_recipient = Recipient(organization="", username="")
    presented = _spend([row or _no_code(no_recipient, CodePurpose.CREDENTIAL)], code, caller=Caller.STRANGER, now=now)
    if row is None or row.account is None:
        raise CodeRefused("account deleted")
    return presented, row.account


def _no_code(recipient: Recipient, purpose: CodePurpose) -> OneTimeCode:
    """Return an unsaved row to compare with if there is no open code, so that the same work is done (R-126)."""
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
    rows: Sequence[OneTimeCode],
    folded: bytes,
    *,
    caller: Caller,
    now: datetime,
    events: Callable[[], Sequence[AuditEvent]] = tuple,
    permit: Callable[[], None] = lambda: None,
) -> PresentedCode:
    """Count one guess and consume the code that it matches. Right and wrong guesses cost the same.

    The guess is counted on the first code that has not expired, whichever code it matches, so that every comparison is
    counted. Only a known device that presents the strangers' code takes two statements.
    """
    counting = next((row for row in rows if row.expires_at > now), rows[0])
    purpose = CodePurpose(counting.purpose)
    matched = [row for row in rows if hmac.compare_digest(derive_characters(row).encode(), folded)]
    counts = counting.expires_at > now and getattr(counting, caller.counter) < guess_cap(purpose)
    if not counts:
        matched = []  # so that an uncounted guess takes as long whether or not it matches
    refusal = _refusal_of(permit) if matched else None
    drafted = events() if matched else ()
    consumed = counting in matched and refusal is None
    with transaction.atomic() if matched and not consumed else nullcontext():
        counted = OneTimeCode.objects.record_guess(
            code=counting,
            caller=caller,
            matched=consumed,
            cap=guess_cap(purpose),
            now=now,
            stand_in=_stand_in(counting),
            events=drafted if consumed else (),
        )
        if counted and matched and not consumed and refusal is None:
            consumed = OneTimeCode.objects.consume(code=matched[0], now=now)
            if consumed and drafted:
                AuditEvent.objects.add(*drafted)
    if not counted:
        raise CodeRefused("no open code, or it is expired, spent, or out of guesses")
    if not matched:
        raise CodeRefused("wrong code")
    if refusal is not None:
        raise refusal
    if not consumed:
        raise CodeRefused("code expired or spent")
    recipient = Recipient(organization=counting.organization, username=counting.recipient)
    failures = counting.guesses + counting.device_guesses
    return PresentedCode(recipient=recipient, purpose=purpose, presented_at=now, failures=failures)


def _stand_in(code: OneTimeCode) -> int:
    """Return which `StandInCode` a guess at this name updates if it is not counted.

    The choice is keyed, so that nobody can compute which names share one. Whether guesses at two names wait for each
    other would reveal whether a code is open.
    """
    recipient = Recipient(organization=code.organization, username=code.recipient)
    digest = hmac.digest(key_rings().decoys, f"stand-in code {recipient.key}".encode(), "sha256")
    return int.from_bytes(digest[:8]) % STAND_INS


def _refusal_of(permit: Callable[[], None]) -> Refusal | None:
    try:
        permit()
    except Refusal as refusal:
        return refusal
    return None


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
