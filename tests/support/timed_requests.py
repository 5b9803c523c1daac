"""Many timed requests for codes at the same time."""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from dfns_login.models import Account, OneTimeCode
from tests.support.factories import make_account, make_organization
from tests.support.parallel_requests import Answer, Call, send
from tests.support.race_calls import Figure, asking

BEARABLE_SECONDS = 10.0
"""Longest bearable time of an answer: three timeouts of a second, on a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedAnswer:
    username: str
    answer: Answer
    seconds: float


def timed(url: str, call: Call) -> TimedAnswer:
    started = time.monotonic()
    answer = send(url, call)
    return TimedAnswer(username=call.body["username"], answer=answer, seconds=time.monotonic() - started)


def send_all(
    url: str,
    calls: Iterable[Call],
    *,
    parallel: int = 16,
    meanwhile: Mapping[int, Callable[[], object]] | None = None,
) -> list[TimedAnswer]:
    """Send every request, `parallel` at a time. `meanwhile` maps a number of answers to what to do after them."""
    answers = []
    with ThreadPoolExecutor(parallel) as threads:
        for done in as_completed([threads.submit(timed, url, call) for call in calls]):
            answers.append(done.result())
            (meanwhile or {}).get(len(answers), lambda: None)()
    return answers


def names_of(account: Account) -> dict[str, str]:
    return {"username": account.username, "orgId": account.organization_id}


def make_accounts(number: int) -> list[Account]:
    """Make registered accounts of a new organization, with unique addresses."""
    organization = make_organization()
    return [make_account(organization, f"jane-{each}@{organization.pk}.example.co") for each in range(number)]


def strangers_to(account: Account, number: int) -> list[dict[str, str]]:
    """Return names that are unknown in the account's organization."""
    return [{"username": f"nobody-{each}@example.co", "orgId": account.organization_id} for each in range(number)]


def asking_all(known: Iterable[Account], unknown: Iterable[dict[str, str]] = ()) -> list[Call]:
    """Return requests for a code of everybody, with the unknown names among the others."""
    calls = [asking(names_of(account)) for account in known]
    for place, names in enumerate(unknown):
        calls.insert(place * 6 % (len(calls) + 1), asking(names))
    return calls


def seen_in(answers: Iterable[TimedAnswer], *, names: Iterable[str]) -> set[tuple[int, str, str]]:
    """Return the answers to these names: status, body, and headers without those that differ by process or request."""
    wanted, volatile = set(names), {"Date", "X-Request-ID", "X-Served-By"}
    return {
        (
            each.answer.status,
            str(each.answer.body),
            str([header for header in each.answer.headers.items() if header[0] not in volatile]),
        )
        for each in answers
        if each.username in wanted
    }


def assert_answered_alike(
    answers: list[TimedAnswer], *, known: list[Account], unknown: list[dict[str, str]], record_property: Figure
) -> None:
    """Assert that everybody got the same successful answer in bearable time."""
    seconds = sorted(answer.seconds for answer in answers)
    record_property("seconds", [round(each, 3) for each in (seconds[0], seconds[len(seconds) // 2], seconds[-1])])
    told = seen_in(answers, names=[account.username for account in known])
    assert [(status, body) for status, body, _headers in told] == [(200, "{'message': 'success'}")]
    assert seen_in(answers, names=[names["username"] for names in unknown]) == told
    assert seconds[-1] < BEARABLE_SECONDS


def open_row(account: Account) -> OneTimeCode:
    return OneTimeCode.objects.open().get(recipient=account.username, organization=account.organization_id)


def wait_until(holds: Callable[[], object], *, seconds: float = 30) -> None:
    """Wait until it holds, and fail after these seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.05)
