"""Purging beside traffic, twice at once, over a hundred thousand old rows, and with a clock that jumps (R-119)."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import connection

from dfns_login.errors import CodeRefused
from dfns_login.models import CodePurpose, OneTimeCode
from dfns_login.proofs import issue_code, present_code
from dfns_login.purge import close_expired_codes, purge
from dfns_login.usernames import Recipient
from tests.concurrency.conftest import SOAK
from tests.support.factories import SOMEWHERE, issue
from tests.support.parallel_requests import Crew
from tests.support.race_calls import Figure, codes_of

OLD_ROWS = 1_000_000 if SOAK else 100_000
EXPIRED_ROWS = OLD_ROWS // 5
PURGED_WITHIN_SECONDS = OLD_ROWS / 1000
LOGIN = CodePurpose.LOGIN
TRAFFIC = 2
OLD_CODES = """
INSERT INTO dfns_login_onetimecode (
    organization, recipient, purpose, selector, key_id, issued_at, asked_at, expires_at, next_try_at,
    guesses, device_guesses, caller, delivery, tries, last_error, address, agent, locale, closed_at, closed_as, salt
)
SELECT
    'or-old', 'old-' || n, 'login', '', 'k', at, at, at, at, 0, 0, 'stranger', 'queued', 0, '', '', '', '',
    CASE WHEN open THEN NULL ELSE at END,
    CASE WHEN open THEN '' ELSE 'expired' END,
    CASE WHEN open THEN '\\x00'::bytea END
FROM (SELECT n, now() - %s * interval '1 minute' AS at, %s AS open FROM generate_series(1, %s) AS n) AS old
"""
"""Rows of names that nobody has, which ended so many minutes ago; open as a sweep finds them, or closed by it."""


@pytest.fixture(autouse=True)
def no_rows(database_url: str) -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE dfns_login_onetimecode, dfns_login_spenttoken")


@pytest.fixture(scope="module")
def few(database_url: str) -> Iterator[Crew]:
    with Crew(TRAFFIC + 2) as crew:
        yield crew


def make_old_codes(*, minutes: int, open_: bool, number: int = OLD_ROWS) -> None:
    with connection.cursor() as cursor:
        cursor.execute(OLD_CODES, [minutes, open_, number])


def somebody(number: int) -> Recipient:
    return Recipient(organization="or-1", username=f"somebody-{number}@example.co")


def signing_in(number: int, *, until: Callable[[], bool]) -> list[float]:
    """Ask for codes and present them, wrongly and rightly, for as long as the others purge. Seconds that each took."""
    took: list[float] = []
    while not until() or not took:
        started = time.monotonic()
        code = issue(somebody(number))
        with pytest.raises(CodeRefused):
            present_code(somebody(number), "0", purpose=LOGIN, now=datetime.now(UTC))
        assert [row.guesses for row in codes_of(somebody(number)) if row.closed_at is None] == [1]
        present_code(somebody(number), code, purpose=LOGIN, now=datetime.now(UTC))
        took.append(time.monotonic() - started)
    return took


def work_beside_traffic(crew: Crew, work: Callable[[], int]) -> tuple[list[int], list[float]]:
    """Do the work twice at once while others sign in. Returns what each did, and how long each sign-in took."""
    done: list[int] = []

    def working() -> list[float]:
        done.append(work())
        return []

    signing: list[Callable[[], list[float]]] = [
        partial(signing_in, number, until=lambda: len(done) == 2) for number in range(TRAFFIC)
    ]
    took = crew.at_once([working, working, *signing])
    return done, [seconds for each in took for seconds in each]


def test_a_hundred_thousand_old_rows_go_while_people_sign_in(few: Crew, record_property: Figure) -> None:
    make_old_codes(minutes=61, open_=False)
    started = time.monotonic()
    done, took = work_beside_traffic(few, lambda: purge(now=datetime.now(UTC))["codes"])
    record_property("seconds", time.monotonic() - started)
    record_property("slowest_sign_in", max(took))
    assert time.monotonic() - started < PURGED_WITHIN_SECONDS
    assert sum(done) == OLD_ROWS
    assert not OneTimeCode.objects.filter(organization="or-old").exists()
    assert max(took) < 5
    assert OneTimeCode.objects.filter(organization="or-1").count() == len(took)


def test_expired_rows_are_closed_while_people_sign_in(few: Crew, record_property: Figure) -> None:
    make_old_codes(minutes=1, open_=True, number=EXPIRED_ROWS)
    started = time.monotonic()
    done, took = work_beside_traffic(few, lambda: close_expired_codes(now=datetime.now(UTC)))
    record_property("seconds", time.monotonic() - started)
    record_property("slowest_sign_in", max(took))
    assert time.monotonic() - started < PURGED_WITHIN_SECONDS
    assert sum(done) == EXPIRED_ROWS
    old = OneTimeCode.objects.filter(organization="or-old")
    assert old.filter(closed_as="expired", salt=None, delivery="expired unsent").count() == EXPIRED_ROWS
    assert max(took) < 5


def test_a_clock_that_jumps_touches_no_open_row_and_gives_no_guess_back(database_url: str) -> None:
    now = datetime.now(UTC)
    code = issue(somebody(1), now=now)
    with pytest.raises(CodeRefused):
        present_code(somebody(1), "0", purpose=LOGIN, now=now)
    before = OneTimeCode.objects.values().get()
    for jump in (timedelta(days=3650), -timedelta(days=3650)):
        purge(now=now + jump)
        assert OneTimeCode.objects.values().get() == before
    close_expired_codes(now=now - timedelta(days=3650))
    assert OneTimeCode.objects.values().get() == before
    issue_code(somebody(1), purpose=LOGIN, requester=SOMEWHERE, now=now + timedelta(minutes=5))
    assert [row.guesses for row in codes_of(somebody(1))] == [1]
    present_code(somebody(1), code, purpose=LOGIN, now=now)


def test_a_row_that_a_sweep_has_closed_is_kept_for_its_hour(database_url: str) -> None:
    now = datetime.now(UTC)
    make_old_codes(minutes=1, open_=True, number=3)
    close_expired_codes(now=now)
    purge(now=now + timedelta(minutes=59))
    assert OneTimeCode.objects.count() == 3
    purge(now=now + timedelta(minutes=60))
    assert OneTimeCode.objects.count() == 0
