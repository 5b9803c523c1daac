"""Which passwords are rejected, and which count as strong (R-196)."""

from typing import Any

import pytest

from tests.support.client_runners import Client

EMAIL = "jane.dowland@example.co"


def estimated(client: Client, password: str, *, lists: str = "all") -> dict[str, Any]:
    (found,) = client.do("strengths", passwords=[password], userInputs=[EMAIL], lists=lists)
    return dict(found)


@pytest.mark.parametrize(
    "password",
    ["", "xK9!vQz", "éèàùçßø", "password", "Password1", "12345678", "qwertyuiop", "aaaaaaaaaaaa"],
)
def test_short_and_common_passwords_are_too_weak(in_node: Client, password: str) -> None:
    """R-27, R-196. The most common ones also while the long lists load."""
    assert estimated(in_node, password)["tooWeak"]
    assert estimated(in_node, password, lists="few")["tooWeak"]


def test_a_rarer_password_is_known_once_all_words_are_there(in_node: Client) -> None:
    """R-196."""
    assert not estimated(in_node, "quicksilver", lists="few")["tooWeak"]
    assert estimated(in_node, "quicksilver")["tooWeak"]


@pytest.mark.parametrize("password", [EMAIL, EMAIL.upper(), "janedowland", "dowland1"])
def test_the_persons_own_data_is_not_a_strong_password(in_node: Client, password: str) -> None:
    assert estimated(in_node, password)["score"] < 2


def test_the_address_itself_is_too_weak(in_node: Client) -> None:
    assert estimated(in_node, EMAIL)["tooWeak"]


@pytest.mark.parametrize("password", ["correct horse battery staple", "k4Rq-81zM.wT", "пять белых облаков над морем"])
def test_a_good_password_is_strong(in_node: Client, password: str) -> None:
    found = estimated(in_node, password)
    assert (found["score"], found["tooWeak"]) == (4, False)


def test_length_is_counted_in_normalized_characters(in_node: Client) -> None:
    assert not estimated(in_node, "a" * 14)["long"]
    assert estimated(in_node, "🦊" * 15)["long"]
    assert estimated(in_node, "e\u0301" * 7)["tooWeak"]


def test_long_passwords_are_estimated_quickly(in_node: Client) -> None:
    assert estimated(in_node, "correct horse battery staple " * 100)["score"] >= 3
