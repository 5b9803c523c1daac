"""Requests of the races, and counts of their answers."""

from collections.abc import Callable, Sequence

from dfns_login.models import CodePurpose, OneTimeCode
from dfns_login.usernames import Recipient
from tests.support.factories import Person
from tests.support.parallel_requests import Answer, Call

Figure = Callable[[str, object], None]
"""The type of `record_property`. `--junitxml=FILE -o junit_family=xunit1` writes the figures to a file."""

CAP = 10
"""Default number of guesses per code."""


def asking(names: dict[str, str]) -> Call:
    return Call(path="/auth/login/code", body=names)


def presenting(person: Person, code: str) -> Call:
    return Call(path="/auth/login/init", body={**person.names, "loginCode": code})


def wrong_codes(number: int) -> list[str]:
    return [f"0000-0000-0000-{guess:04}" for guess in range(number)]


def successes(answers: Sequence[Answer], *, refusal: tuple[int, str]) -> int:
    """Count the successes, and assert that all others got this refusal."""
    refused = [(answer.status, answer.message) for answer in answers if answer.status != 200]
    assert set(refused) <= {refusal}
    return len(answers) - len(refused)


def codes_of(recipient: Recipient) -> list[OneTimeCode]:
    """Return the recipient's login codes, oldest first."""
    return list(OneTimeCode.objects.of(recipient, purpose=CodePurpose.LOGIN).order_by("pk"))
