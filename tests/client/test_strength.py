"""Which passwords are turned away, and which are called strong."""

from typing import Any

import pytest

from tests.support.client_runners import Client

EMAIL = "jane.dowland@example.co"


def estimated(client: Client, password: str) -> dict[str, Any]:
    (found,) = client.do("strengths", passwords=[password], userInputs=[EMAIL])
    return dict(found)


@pytest.mark.parametrize(
    "password",
    ["", "xK9!vQz", "éèàùçßø", "password", "Password1", "12345678", "qwertyuiop", "aaaaaaaaaaaa"],
)
def test_what_is_short_or_guessed_at_once_is_too_weak(in_node: Client, password: str) -> None:
    """R-27."""
    assert estimated(in_node, password)["tooWeak"]


@pytest.mark.parametrize("password", [EMAIL, EMAIL.upper(), "janedowland", "dowland1"])
def test_what_everybody_knows_of_the_person_is_no_strong_password(in_node: Client, password: str) -> None:
    assert estimated(in_node, password)["score"] < 2


def test_the_address_itself_is_too_weak(in_node: Client) -> None:
    assert estimated(in_node, EMAIL)["tooWeak"]


@pytest.mark.parametrize("password", ["correct horse battery staple", "k4Rq-81zM.wT", "пять белых облаков над морем"])
def test_a_good_one_is_strong(in_node: Client, password: str) -> None:
    found = estimated(in_node, password)
    assert (found["score"], found["tooWeak"]) == (4, False)


def test_length_is_counted_in_characters_as_they_are_seen_by_the_key(in_node: Client) -> None:
    assert not estimated(in_node, "a" * 14)["long"]
    assert estimated(in_node, "🦊" * 15)["long"]
    assert estimated(in_node, "e\u0301" * 7)["tooWeak"]


def test_hundreds_of_characters_take_no_long_time(in_node: Client) -> None:
    assert estimated(in_node, "correct horse battery staple " * 100)["score"] >= 3
