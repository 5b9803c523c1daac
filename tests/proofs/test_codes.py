"""One-time codes: how they are derived, when they expire, what counts as a guess."""

import math
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dfns_login.errors import CodeRefused
from dfns_login.key_rings import Ring, key_rings, new_rings, rotate_ring
from dfns_login.models import Account, Caller, CodeClosed, CodePurpose, DeliveryState, OneTimeCode
from dfns_login.proofs.code_formats import CROCKFORD, DIGITS, FORMS, code_format, code_lifetime, guess_cap
from dfns_login.proofs.codes import SALT_BYTES, derive_code, issue_code, show_credential_code
from dfns_login.proofs.presented_codes import present_code, present_credential_code
from dfns_login.requester import Requester
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient
from tests.support.clock import HOUR, MINUTE, NOW, SECOND
from tests.support.factories import SOMEWHERE, make_organization, make_person

MAILED = [CodePurpose.LOGIN, CodePurpose.REGISTRATION, CodePurpose.RECOVERY]
"""Purposes whose codes are requested by username. A code that adds a credential is shown to its owner instead."""

JANE = Recipient(organization="or-1", username="jane@example.co")
LIFETIME = 10 * MINUTE


def ask(
    recipient: Recipient = JANE,
    *,
    now: datetime = NOW,
    purpose: CodePurpose = CodePurpose.LOGIN,
    requester: Requester = SOMEWHERE,
) -> OneTimeCode:
    pk = issue_code(recipient, purpose=purpose, requester=requester, now=now)
    return OneTimeCode.objects.get(pk=pk)


def present(
    code: str,
    recipient: Recipient = JANE,
    *,
    now: datetime = NOW,
    purpose: CodePurpose = CodePurpose.LOGIN,
    device: str = "",
) -> bool:
    try:
        presented = present_code(recipient, code, purpose=purpose, device=device, now=now)
    except CodeRefused:
        return False
    assert (presented.recipient, presented.purpose, presented.presented_at) == (recipient, purpose, now)
    return True


@pytest.fixture
def configure(settings: Any) -> Any:
    def change(**values: object) -> None:
        settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, **values}

    return change


# How they are drawn


def row_of(number: int, *, purpose: CodePurpose = CodePurpose.LOGIN) -> OneTimeCode:
    return OneTimeCode(
        pk=number,
        organization="or-1",
        recipient="jane@example.co",
        purpose=purpose,
        salt=number.to_bytes(SALT_BYTES),
        key_id=key_rings().current_code_key_id,
        issued_at=NOW,
    )


def chi_squared_limit(degrees: int, *, probability: float) -> float:
    """Quantile of the χ² distribution, by Wilson and Hilferty."""
    z = {1e-3: 3.090, 1e-4: 3.719, 1e-5: 4.265}[probability]
    return degrees * (1 - 2 / (9 * degrees) + z * math.sqrt(2 / (9 * degrees))) ** 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits-16", "base32-16"])
def test_codes_are_unique_and_uniformly_distributed(name: str, configure: Any) -> None:
    same_in_every_run = {"kty": "oct", "kid": "fixed", "k": "c" * 43}
    configure(CODE_FORMAT=name, KEYS={**new_rings(now=NOW), "codes": [same_in_every_run]})
    form = FORMS[name]
    codes = [derive_code(row_of(number)).replace("-", "") for number in range(20_000)]
    assert len(set(codes)) == len(codes)
    for position in range(form.length):
        counts = Counter(code[position] for code in codes)
        assert set(counts) <= set(form.alphabet)
        expected = len(codes) / len(form.alphabet)
        statistic = sum((counts[each] - expected) ** 2 / expected for each in form.alphabet)
        # 1e-3 over 16 positions
        assert statistic < chi_squared_limit(len(form.alphabet) - 1, probability=1e-5)


def test_no_code_has_the_check_digit_of_a_payment_card(configure: Any) -> None:
    """Filters against data loss hold such emails back. All other last digits are drawn."""
    configure(CODE_FORMAT="digits-16")
    codes = [derive_code(row_of(number)).replace("-", "") for number in range(2_000)]
    digits = [[int(each) for each in reversed(code)] for code in codes]
    sums = [sum(each[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in each[1::2]) for each in digits]
    assert {each % 10 for each in sums} == set(range(1, 10))


@pytest.mark.parametrize(
    ("name", "bits", "guesses"), [("digits-16", 53.0, 10), ("base32-16", 80.0, 1_000_000), ("digits-8", 26.6, 6)]
)
def test_each_form_has_its_bits_and_guesses(name: str, bits: float, guesses: int, configure: Any) -> None:
    configure(CODE_FORMAT=name, CODE_GUESSES=1_000_000)
    form = code_format(CodePurpose.LOGIN)
    assert math.log2(form.space) == pytest.approx(bits, abs=0.05)
    assert guess_cap(CodePurpose.LOGIN) == guesses
    groups = derive_code(row_of(1)).split("-")
    assert {len(group) for group in groups} == {4}
    assert sum(map(len, groups)) == form.length


@pytest.mark.parametrize("purpose", [CodePurpose.REGISTRATION, CodePurpose.RECOVERY])
def test_longer_lived_codes_have_eighty_bits(purpose: CodePurpose, configure: Any) -> None:
    """D-9."""
    configure(CODE_FORMAT="digits-8")
    assert set(derive_code(row_of(1, purpose=purpose))) <= set(CROCKFORD) | {"-"}
    assert code_format(purpose).space == 2**80


def test_a_setting_can_lower_the_guesses_but_not_raise_them(configure: Any) -> None:
    configure(CODE_GUESSES=3)
    assert guess_cap(CodePurpose.LOGIN) == 3
    configure(CODE_GUESSES=100)
    assert guess_cap(CodePurpose.LOGIN) == 10
    configure(CODE_GUESSES=10, CODE_FORMAT="digits-8")
    assert guess_cap(CodePurpose.LOGIN) == 6
    assert guess_cap(CodePurpose.REGISTRATION) == guess_cap(CodePurpose.RECOVERY) == 1_000_000


@pytest.mark.parametrize(
    ("purpose", "code"),
    [(CodePurpose.LOGIN, "3693-1174-1974-4100"), (CodePurpose.RECOVERY, "VPTZ-RS4Y-98X1-E7WY")],
)
def test_a_row_always_derives_the_same_code(purpose: CodePurpose, code: str, configure: Any) -> None:
    """A code that was emailed before an upgrade is valid after it."""
    same_in_every_run = {"kty": "oct", "kid": "fixed", "k": "c" * 43}
    configure(KEYS={**new_rings(now=NOW), "codes": [same_in_every_run]})
    assert derive_code(row_of(7, purpose=purpose)) == code


@pytest.mark.parametrize(
    "change",
    [
        {"pk": 8},
        {"purpose": CodePurpose.REGISTRATION},
        {"organization": "or-2"},
        {"recipient": "john@example.co"},
        {"organization": "or-", "recipient": "1jane@example.co"},
        {"salt": bytes(SALT_BYTES)},
        {"issued_at": NOW + timedelta(microseconds=1)},
    ],
)
def test_a_row_with_any_other_field_derives_another_code(change: dict[str, Any]) -> None:
    """R-05: a value copied to another row is useless there."""
    row = row_of(7)
    for name, value in change.items():
        setattr(row, name, value)
    assert derive_code(row) != derive_code(row_of(7))


@pytest.mark.parametrize("change", [{"expires_at": NOW}, {"guesses": 3}, {"asked_at": NOW}, {"account_id": "us-1"}])
def test_fields_that_change_later_do_not_change_the_code(change: dict[str, Any]) -> None:
    row = row_of(7)
    for name, value in change.items():
        setattr(row, name, value)
    assert derive_code(row) == derive_code(row_of(7))


def test_another_key_derives_another_code(configure: Any) -> None:
    before = derive_code(row_of(7))
    configure(KEYS=new_rings(now=NOW))
    assert derive_code(row_of(7)) != before


def test_a_row_derives_its_code_with_the_key_that_it_names(configure: Any) -> None:
    """R-118: the ring can be rotated while codes are open."""
    rings = new_rings(now=NOW)
    configure(KEYS=rings)
    row = row_of(7)
    code = derive_code(row)
    turned = rotate_ring(rings, ring=Ring.CODES, now=NOW + SECOND)
    configure(KEYS=turned)
    assert derive_code(row) == code
    assert derive_code(row_of(7)) != code
    configure(KEYS={**turned, "codes": turned["codes"][:1]})
    with pytest.raises(CodeRefused):
        derive_code(row)


def test_a_closed_row_has_no_code() -> None:
    row = row_of(7)
    row.salt = None
    with pytest.raises(CodeRefused):
        derive_code(row)


@pytest.mark.django_db
def test_no_field_of_the_row_contains_the_code() -> None:
    row = ask()
    code = derive_code(row)
    assert row.salt is not None
    assert len(row.salt) == SALT_BYTES
    text = repr(OneTimeCode.objects.values().get()) + repr(row) + str(row)
    assert code not in text
    assert code.replace("-", "") not in text


@pytest.mark.django_db
def test_a_salt_copied_to_another_row_does_not_make_its_code_valid() -> None:
    john = Recipient(organization="or-1", username="john@example.co")
    mine, theirs = ask(), ask(john)
    code = derive_code(mine)
    OneTimeCode.objects.filter(pk=theirs.pk).update(salt=mine.salt, issued_at=mine.issued_at)
    assert not present(code, john)
    assert present(code)


# How long they live, and when there is a new one


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("purpose", "lifetime"), [(CodePurpose.LOGIN, 10 * MINUTE), (CodePurpose.REGISTRATION, 24 * HOUR)]
)
@pytest.mark.parametrize(("moment", "good"), [(-SECOND, True), (timedelta(0), False), (SECOND, False)])
def test_a_code_expires_on_time(purpose: CodePurpose, lifetime: timedelta, moment: timedelta, *, good: bool) -> None:
    row = ask(purpose=purpose)
    assert row.expires_at == NOW + lifetime == NOW + code_lifetime(purpose)
    assert present(derive_code(row), now=row.expires_at + moment, purpose=purpose) is good
    row.refresh_from_db()
    assert row.guesses == good


@pytest.mark.django_db
@pytest.mark.parametrize("after", [SECOND, 59 * SECOND, MINUTE, 8 * MINUTE - SECOND])
def test_requesting_again_keeps_the_same_code(after: timedelta) -> None:
    first = ask()
    present("1", now=NOW)
    again = ask(now=NOW + after)
    assert again.pk == first.pk
    assert (derive_code(again), again.expires_at, again.issued_at) == (derive_code(first), first.expires_at, NOW)
    assert again.guesses == 1
    assert again.asked_at == (NOW + after if after >= MINUTE else NOW)
    assert OneTimeCode.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("after", "how"),
    [
        (8 * MINUTE, CodeClosed.SUPERSEDED),
        (10 * MINUTE - SECOND, CodeClosed.SUPERSEDED),
        (10 * MINUTE, CodeClosed.EXPIRED),
    ],
)
def test_a_code_that_expires_soon_is_replaced(after: timedelta, how: CodeClosed) -> None:
    first = ask()
    code = derive_code(first)
    second = ask(now=NOW + after)
    first.refresh_from_db()
    assert second.pk != first.pk
    assert (first.closed_as, first.closed_at, first.salt) == (how, NOW + after, None)
    assert (second.guesses, second.expires_at) == (0, NOW + after + LIFETIME)
    assert not present(code, now=NOW + after)
    assert present(derive_code(second), now=NOW + after)


@pytest.mark.django_db
def test_a_code_without_guesses_left_is_replaced() -> None:
    first = ask()
    for _ in range(10):
        assert not present("1")
    assert not present(derive_code(first))
    second = ask(now=NOW + SECOND)
    assert second.pk != first.pk
    assert OneTimeCode.objects.get(pk=first.pk).closed_as == CodeClosed.SUPERSEDED
    assert present(derive_code(second))


@pytest.mark.django_db
def test_a_consumed_code_is_replaced() -> None:
    first = ask()
    assert present(derive_code(first))
    assert OneTimeCode.objects.get().closed_as == CodeClosed.CONSUMED
    assert ask().pk != first.pk


@pytest.mark.django_db
def test_each_purpose_organization_and_username_has_its_own_code() -> None:
    others = [
        Recipient(organization="or-2", username="jane@example.co"),
        Recipient(organization="or-1", username="john@example.co"),
    ]
    rows = [ask(), *[ask(each) for each in others], ask(purpose=CodePurpose.REGISTRATION)]
    assert len({row.pk for row in rows}) == 4


@pytest.mark.django_db
def test_the_database_allows_one_open_row() -> None:
    row = ask()
    row.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save(force_insert=True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"closed_at": NOW},
        {"closed_as": CodeClosed.REVOKED},
        {"salt": None},
        {"closed_at": NOW, "closed_as": CodeClosed.REVOKED},
        {"closed_at": NOW, "closed_as": "", "salt": None},
        {"closed_at": NOW, "closed_as": "lost", "salt": None},
    ],
)
def test_the_database_refuses_a_half_closed_row(change: dict[str, Any]) -> None:
    ask()
    with pytest.raises(IntegrityError), transaction.atomic():
        OneTimeCode.objects.update(**change)


@pytest.mark.django_db
def test_the_row_stores_where_the_request_came_from() -> None:
    requester = Requester(address="2001:db8::1", agent="Lynx", locale="de")
    pk = issue_code(JANE, purpose=CodePurpose.LOGIN, requester=requester, now=NOW)
    row = OneTimeCode.objects.get(pk=pk)
    assert (row.address, row.agent, row.locale) == ("2001:db8::1", "Lynx", "")
    assert (row.delivery, row.tries, row.account, row.handled_at, row.next_try_at) == (
        DeliveryState.QUEUED,
        0,
        None,
        None,
        NOW,
    )


# Presenting


@pytest.mark.django_db
def test_a_code_is_accepted_once() -> None:
    code = derive_code(ask())
    assert present(code)
    assert not present(code)
    row = OneTimeCode.objects.get()
    assert (row.guesses, row.closed_as, row.closed_at, row.salt) == (1, CodeClosed.CONSUMED, NOW, None)


@pytest.mark.django_db
def test_every_guess_is_counted_until_there_are_none_left() -> None:
    row = ask()
    for guesses in [*range(1, 11), 10, 10]:
        assert not present("1")
        row.refresh_from_db()
        assert row.guesses == guesses
    assert not present(derive_code(row))


@pytest.mark.django_db
def test_the_last_guess_may_be_right() -> None:
    code = derive_code(ask())
    for _ in range(9):
        present("1")
    assert present(code)


@pytest.mark.django_db
def test_a_code_that_was_never_requested_is_refused() -> None:
    assert not present("0000-0000-0000-0000")
    assert not OneTimeCode.objects.exists()


def in_other_digits(first: str) -> Any:
    return lambda code: code.translate({ord(digit): ord(first) + int(digit) for digit in DIGITS})


RIGHT = {
    "as it is": lambda code: code,
    "without dashes": lambda code: code.replace("-", ""),
    "with spaces": lambda code: code.replace("-", " "),
    "with no-break spaces": lambda code: code.replace("-", "\u00a0"),
    "with hyphens": lambda code: code.replace("-", "\u2010"),
    "with full-width dashes": lambda code: code.replace("-", "\uff0d"),
    "with dashes all over": "-".join,
    "space around": lambda code: f" \t{code}\r\n",
    "full-width": in_other_digits("\uff10"),
    "bold": in_other_digits("\U0001d7ce"),
    "superscripts": lambda code: code.translate(str.maketrans(DIGITS, "⁰¹²³⁴⁵⁶⁷⁸⁹")),
    "Arabic digits": in_other_digits("\u0660"),
    "Persian digits": in_other_digits("\u06f0"),
    "Devanagari digits": in_other_digits("\u0966"),
    "with en dashes": lambda code: code.replace("-", "\u2013"),
    "with em dashes": lambda code: code.replace("-", "\u2014"),
    "with figure dashes": lambda code: code.replace("-", "\u2012"),
    "with minus signs": lambda code: code.replace("-", "\u2212"),
    "after a number sign": lambda code: f"#{code}",
    "before a full stop": lambda code: f"{code}.",
    "in quotation marks": lambda code: f"\u201c{code}\u201d",
    "from right-to-left text": lambda code: f"\u2066{code}\u2069\u200f",
    "O for 0": lambda code: code.replace("0", "O").replace("1", "I"),
    "o for 0": lambda code: code.replace("0", "o").replace("1", "l"),
}
WRONG = {
    "nothing": lambda code: "",
    "one more": lambda code: code + "0",
    "one less": lambda code: code[:-1],
    "twice": lambda code: code * 2,
    "backwards": lambda code: code[::-1] if code != code[::-1] else "",
    "a point": lambda code: f"{code}.0",
    "an exponent": lambda code: f"{code}e0",
    "NUL": lambda code: f"{code}\0",
    "half a surrogate pair": lambda code: f"{code}\ud800",
    "another code": lambda code: "0" * 16 if code.replace("-", "") != "0" * 16 else "1" * 16,
}


@pytest.mark.django_db
@pytest.mark.parametrize("write", RIGHT.values(), ids=RIGHT)
def test_a_code_is_accepted_in_any_spelling(write: Any) -> None:
    assert present(write(derive_code(ask())))
    assert OneTimeCode.objects.get().guesses == 1


@pytest.mark.django_db
@pytest.mark.parametrize("write", WRONG.values(), ids=WRONG)
def test_anything_else_counts_as_a_wrong_guess(write: Any) -> None:
    row = ask()
    assert not present(write(derive_code(row)))
    row.refresh_from_db()
    assert row.guesses == 1
    assert present(derive_code(row))


@pytest.mark.django_db
def test_base32_codes_ignore_case(configure: Any) -> None:
    configure(CODE_FORMAT="base32-16")
    assert present(derive_code(ask()).lower())
    assert login_settings().code_format == "base32-16"


@pytest.mark.django_db
@pytest.mark.parametrize("purpose", MAILED)
@pytest.mark.parametrize("other", MAILED)
def test_a_code_is_refused_for_another_purpose(purpose: CodePurpose, other: CodePurpose) -> None:
    """R-09."""
    code = derive_code(ask(purpose=purpose))
    ask(purpose=other)
    assert present(code, purpose=other) is (purpose == other)


GUESSES = st.lists(st.sampled_from(["right", "wrong", "ask", "wait"]), max_size=30)


@pytest.mark.django_db
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=GUESSES)
def test_in_any_order_a_code_is_accepted_at_most_once(steps: list[str]) -> None:
    """R-03."""
    OneTimeCode.objects.all().delete()
    now = NOW
    row = ask()
    code, first, wrong, accepted = derive_code(row), row.pk, 0, 0
    for step in steps:
        if step == "wait":
            now += 30 * SECOND
        elif step == "ask":
            ask(now=now)
        elif step == "wrong":
            assert not present("1", now=now)
            wrong += 1
        else:
            open_still = OneTimeCode.objects.open().filter(pk=first).exists()
            good = present(code, now=now)
            assert good == (open_still and wrong < 10 and now < NOW + LIFETIME)
            accepted += good
    assert accepted <= 1
    assert all(row.guesses <= 10 for row in OneTimeCode.objects.all())
    assert OneTimeCode.objects.open().count() <= 1


@pytest.mark.django_db
@pytest.mark.parametrize("purpose", [CodePurpose.REGISTRATION, CodePurpose.RECOVERY])
def test_guessing_ends_no_code_of_eighty_bits(purpose: CodePurpose) -> None:
    """An invitation is valid for a day, and nobody who holds one has a known device (R-04)."""
    row = ask(purpose=purpose)
    for _ in range(30):
        assert not present("1", purpose=purpose)
    assert ask(purpose=purpose).pk == row.pk
    OneTimeCode.objects.update(guesses=999_999)
    assert present(derive_code(row), purpose=purpose)
    spent = ask(purpose=purpose)
    OneTimeCode.objects.open().update(guesses=1_000_000)
    assert not present(derive_code(spent), purpose=purpose)


# Known devices

DEVICE = Requester(address="192.0.2.2", agent="tests", locale="de", device="known")


def read(row: OneTimeCode) -> OneTimeCode:
    return OneTimeCode.objects.get(pk=row.pk)


@pytest.mark.django_db
def test_a_known_device_has_its_own_code() -> None:
    strangers, own = ask(), ask(requester=DEVICE)
    assert (strangers.caller, own.caller) == (Caller.STRANGER, Caller.DEVICE)
    assert (ask().pk, ask(requester=DEVICE).pk) == (strangers.pk, own.pk)
    assert (strangers.locale, own.locale) == ("", "de")


@pytest.mark.django_db
@pytest.mark.parametrize("purpose", MAILED)
def test_strangers_cannot_end_the_code_of_a_known_device(purpose: CodePurpose) -> None:
    own = ask(requester=DEVICE, purpose=purpose)
    for second in range(3):
        ask(now=NOW + second * SECOND, purpose=purpose)
        for _ in range(11):
            assert not present("1", purpose=purpose)
    now = NOW + 9 * MINUTE
    ask(now=now, purpose=purpose)
    assert read(own).guesses == read(own).device_guesses == 0
    assert present(derive_code(own), device="known", now=now, purpose=purpose)


@pytest.mark.django_db
def test_a_stranger_cannot_present_the_code_of_a_known_device() -> None:
    own = ask(requester=DEVICE)
    assert not present(derive_code(own))
    strangers = ask()
    assert not present(derive_code(own))
    assert (read(strangers).guesses, read(own).guesses, read(own).device_guesses) == (1, 0, 0)
    assert present(derive_code(own), device="known")


@pytest.mark.django_db
@pytest.mark.parametrize("has_own", [True, False])
def test_a_known_device_may_present_the_code_that_another_client_requested(*, has_own: bool) -> None:
    """A code that was requested on a phone works on the laptop, even if strangers have used up their guesses."""
    own = ask(requester=DEVICE) if has_own else None
    strangers = ask()
    for _ in range(10):
        assert not present("1")
    code = derive_code(strangers)
    assert present(code, device="known")
    assert not present(code, device="known")
    assert (read(strangers).closed_as, read(strangers).salt, read(strangers).guesses) == (CodeClosed.CONSUMED, None, 10)
    assert read(own or strangers).device_guesses == (2 if has_own else 1)
    assert own is None or present(derive_code(own), device="known")


@pytest.mark.django_db
def test_every_guess_of_a_known_device_is_counted_once() -> None:
    """Nothing is compared that isn't counted: its own code counts the guesses at both (R-04)."""
    own, strangers = ask(requester=DEVICE), ask()
    for _ in range(10):
        assert not present("1", device="known")
    assert (read(own).device_guesses, read(own).guesses) == (10, 0)
    assert (read(strangers).device_guesses, read(strangers).guesses) == (0, 0)
    for row in (own, strangers):
        assert not present(derive_code(row), device="known")
    assert present(derive_code(strangers))
    again = ask(requester=DEVICE)
    assert again.pk != own.pk
    assert read(own).closed_as == CodeClosed.SUPERSEDED
    assert present(derive_code(again), device="known")


@pytest.mark.django_db
def test_an_expired_code_of_its_own_counts_no_guesses() -> None:
    ask(requester=DEVICE)
    now = NOW + LIFETIME
    strangers = ask(now=now)
    assert not present("1", device="known", now=now)
    assert read(strangers).device_guesses == 1
    assert present(derive_code(strangers), device="known", now=now)


@pytest.mark.django_db
def test_an_expired_code_of_another_client_is_refused_while_its_own_is_open() -> None:
    strangers = ask()
    code, now = derive_code(strangers), NOW + LIFETIME
    own = ask(requester=DEVICE, now=now - MINUTE)
    assert not present(code, device="known", now=now)
    assert read(own).device_guesses == 1


# Codes that are shown to their owner (D-5)


def show(account: Account, *, now: datetime = NOW) -> str:
    return show_credential_code(account, expires_at=now + MINUTE, requester=SOMEWHERE, now=now)


@pytest.mark.django_db
def test_a_shown_code_names_its_row_and_is_accepted_once() -> None:
    account = make_person().account
    show(make_person(make_organization(), "lee@example.co").account)
    code = show(account)
    row = OneTimeCode.objects.get(account=account)
    assert (row.delivery, row.handled_at, row.expires_at) == (DeliveryState.SHOWN, NOW, NOW + MINUTE)
    assert code == "-".join([row.selector[:4], row.selector[4:], derive_code(row)])
    presented, owner = present_credential_code(code.lower(), now=NOW)
    assert owner == account
    assert (presented.recipient, presented.purpose, presented.presented_at) == (
        account.recipient,
        CodePurpose.CREDENTIAL,
        NOW,
    )
    with pytest.raises(CodeRefused):
        present_credential_code(code, now=NOW)


@pytest.mark.django_db
def test_a_wrong_guess_of_a_shown_code_is_counted() -> None:
    account = make_person().account
    code = show(account)
    with pytest.raises(CodeRefused):
        present_credential_code(code[:-1] + ("0" if code[-1] != "0" else "1"), now=NOW)
    assert OneTimeCode.objects.get().guesses == 1
    assert present_credential_code(code, now=NOW)[1] == account


@pytest.mark.django_db
def test_a_shown_code_expires_on_time() -> None:
    code = show(make_person().account)
    with pytest.raises(CodeRefused):
        present_credential_code(code, now=NOW + MINUTE)
    assert present_credential_code(code, now=NOW + MINUTE - SECOND)


@pytest.mark.django_db
def test_a_shown_code_supersedes_the_earlier_one() -> None:
    account = make_person().account
    first, second = show(account), show(account)
    assert OneTimeCode.objects.get(closed_at__isnull=False).closed_as == CodeClosed.SUPERSEDED
    with pytest.raises(CodeRefused):
        present_credential_code(first, now=NOW)
    assert present_credential_code(second, now=NOW)


@pytest.mark.django_db
def test_an_emailed_code_is_not_accepted_as_a_shown_one() -> None:
    account = make_person().account
    row = ask(account.recipient)
    with pytest.raises(CodeRefused):
        present_credential_code(derive_code(row), now=NOW)
    assert present(derive_code(row), account.recipient)
