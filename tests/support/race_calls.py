"""What the races send, and what they count in the answers."""

from collections.abc import Callable, Sequence

from dfns_login.models import CodePurpose, OneTimeCode
from dfns_login.usernames import Recipient
from tests.support.factories import Person
from tests.support.parallel_requests import Answer, Call

Figure = Callable[[str, object], None]
"""What `record_property` is. `--junitxml=FILE -o junit_family=xunit1` keeps the figures that a run has seen."""

CAP = 10
"""Guesses that one code takes, by default."""


def asking(names: dict[str, str]) -> Call:
    return Call(path="/auth/login/code", body=names)


def presenting(person: Person, code: str) -> Call:
    return Call(path="/auth/login/init", body={**person.names, "loginCode": code})


def wrong_codes(number: int) -> list[str]:
    return [f"0000-0000-0000-{guess:04}" for guess in range(number)]


def successes(answers: Sequence[Answer], *, refusal: tuple[int, str]) -> int:
    """How many succeeded, where all others were refused in one way."""
    refused = [(answer.status, answer.message) for answer in answers if answer.status != 200]
    assert set(refused) <= {refusal}
    return len(answers) - len(refused)


def codes_of(recipient: Recipient) -> list[OneTimeCode]:
    """Rows of the recipient's login codes, the oldest first."""
    return list(OneTimeCode.objects.of(recipient, purpose=CodePurpose.LOGIN).order_by("pk"))
