"""The canonical form of a username (R-43)."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfns_login.usernames import USERNAME_MAX_LENGTH, WRITTEN_MAX_LENGTH, Recipient, canonical_username


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("jane@example.co", "jane@example.co"),
        ("Jane@Example.CO", "jane@example.co"),
        ("  jane@example.co\u00a0", "jane@example.co"),
        ("\uff4aane@example.co", "jane@example.co"),
        ("\u017fam@example.co", "sam@example.co"),
        ("\u212aim@example.co", "kim@example.co"),
        ("stra\u00dfe@example.co", "strasse@example.co"),
        ("jose\u0301@example.co", "jos\u00e9@example.co"),
        ("\ufb01n@example.co", "fin@example.co"),
        ("jane@M\u00fcnchen.example", "jane@xn--mnchen-3ya.example"),
        ("jane@mu\u0308nchen.example", "jane@xn--mnchen-3ya.example"),
        ("jane@m\u00fcnchen\u3002example", "jane@xn--mnchen-3ya.example"),
        ("jane\uff20XN--MNCHEN-3YA.example", "jane@xn--mnchen-3ya.example"),
        ("ann@stra\u00dfe.example", "ann@xn--strae-oqa.example"),
        ("ann@strasse.example", "ann@strasse.example"),
        ("ann@\u03b2\u03cc\u03bb\u03bf\u03c2.example", "ann@xn--nxasmm1c.example"),
    ],
)
def test_spellings_of_one_name_are_equal(written: str, canonical: str) -> None:
    assert canonical_username(written) == canonical


@pytest.mark.parametrize(
    "written",
    [
        "m\u0131ke@example.co",
        "\u0130@example.co",
        "jane@example.co.",
        "j.ane@example.co",
        "jane+1@example.co",
        "j\u0430ne@example.co",
    ],
)
def test_names_that_only_look_alike_differ(written: str) -> None:
    assert canonical_username(written) not in {"mike@example.co", "i@example.co", "jane@example.co"}


@pytest.mark.parametrize(
    "written",
    [
        "ann@\u2764.example",
        "ann@m\u00fc_ller.example",
        "ann@-m\u00fcller.example",
        "ann@" + "\u00fc" * 70 + ".example",
        "a@\u00fc..b",
    ],
)
def test_a_domain_that_is_not_one_is_refused(written: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the message is the library's
        canonical_username(written)


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "\u3000",
        "a\0b",
        "a\nb",
        "a\x1b[31mb",
        "a\u202eb",
        "a\u200bb",
        "a\u00adb",
        "a\ue000b",
        "a\u2028b",
        "a\u2029b",
        "\ud800",
    ],
)
def test_characters_that_no_username_has_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"character|empty"):
        canonical_username(written)


def test_a_name_has_a_maximum_length() -> None:
    assert canonical_username("x" * USERNAME_MAX_LENGTH)
    with pytest.raises(ValueError, match="too long"):
        canonical_username("x" * (USERNAME_MAX_LENGTH + 1))
    with pytest.raises(ValueError, match="too long"):
        canonical_username("\ufdfa" * USERNAME_MAX_LENGTH)  # one character, eighteen when folded


def test_input_that_is_too_long_is_not_folded() -> None:
    """Ordering combining characters takes quadratic time."""
    marks = "\u0315" * 100_000 + "\u0300" * 100_000
    started = time.process_time()
    with pytest.raises(ValueError, match="too long"):
        canonical_username(marks)
    assert time.process_time() - started < 0.1
    assert len(canonical_username("e\u0301" * (WRITTEN_MAX_LENGTH // 2))) == USERNAME_MAX_LENGTH


def test_the_canonical_form_of_each_character_is_canonical() -> None:
    for number in range(0x20000):  # characters beyond have one spelling or are refused
        try:
            canonical = canonical_username(f"a{chr(number)}b")
        except ValueError:
            continue
        assert canonical_username(canonical) == canonical


@given(st.text(max_size=40))
def test_the_canonical_form_is_canonical(written: str) -> None:
    try:
        canonical = canonical_username(written)
    except ValueError:
        return
    assert canonical_username(canonical) == canonical
    assert unicodedata.is_normalized("NFKC", canonical)
    assert canonical == canonical.strip()


def test_a_recipient_does_not_show_its_name() -> None:
    assert repr(Recipient(organization="or-1", username="jane")) == "Recipient('or-1', …)"
