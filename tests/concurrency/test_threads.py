"""The same races between threads of one process, on both databases, and beside each what would lose it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F
from pytest_django.plugin import DjangoDbBlocker

from dfns_login.delivery.lease import LEASE
from dfns_login.errors import CodeRefused
from dfns_login.models import Caller, CodeClosed, CodePurpose, DeliveryState, OneTimeCode, SpentToken
from dfns_login.proofs import derive_code, issue_code, present_code
from dfns_login.proofs.challenges import new_jti, spend_jti
from dfns_login.requester import Requester
from dfns_login.usernames import Recipient
from tests.support.databases import MigratedDatabases, migrate, working_on
from tests.support.factories import SOMEWHERE, issue
from tests.support.parallel_requests import PARALLEL, Crew
from tests.support.race_calls import CAP, Figure, codes_of, wrong_codes
from tests.support.timed_requests import wait_until

LOGIN = CodePurpose.LOGIN
SQLITE_PARALLEL = 20
on_postgres = pytest.mark.parametrize("arena", ["postgres"], indirect=True)
"""Controls lose for certain only where threads run side by side."""
DEVICE = Requester(address="192.0.2.2", device="known")
SOMEBODY = Recipient(organization="or-1", username="somebody@example.co")


@dataclass(frozen=True, slots=True)
class Arena:
    """Threads on a database, and how often they race: fewer on SQLite, where each writer waits for the other."""

    crew: Crew
    rounds: int


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def arena(
    request: pytest.FixtureRequest,
    migrated: MigratedDatabases,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
    rounds: int,
) -> Iterator[Arena]:
    is_postgres = request.param == "postgres"
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        if is_postgres:
            url = migrated.new()
        else:
            migrate(url := f"sqlite:///{tmp_path_factory.mktemp('races') / 'db.sqlite3'}")
        stack.enter_context(working_on(url))
        crew = stack.enter_context(Crew(PARALLEL if is_postgres else SQLITE_PARALLEL))
        yield Arena(crew, rounds if is_postgres else rounds // 4)


@pytest.fixture(autouse=True)
def no_codes(arena: Arena) -> None:
    OneTimeCode.objects.all().delete()


def presented(code: str, *, device: str = "") -> bool:
    try:
        present_code(SOMEBODY, code, purpose=LOGIN, device=device, now=datetime.now(UTC))
    except CodeRefused:
        return False
    return True


def presented_naively(code: str) -> bool:
    """Check, then update."""
    row = OneTimeCode.objects.open().of(SOMEBODY, purpose=LOGIN).first()
    if row is None or derive_code(row) != code:
        return False
    row.closed_at, row.closed_as, row.salt = datetime.now(UTC), CodeClosed.CONSUMED, None
    row.save()
    return True


def successes_by_round(arena: Arena, present: Callable[[str], bool]) -> list[int]:
    return [sum(arena.crew.at_once([partial(present, issue(SOMEBODY))] * arena.crew.size)) for _ in range(arena.rounds)]


def test_a_code_is_presented_once(arena: Arena) -> None:
    assert successes_by_round(arena, presented) == [1] * arena.rounds


@on_postgres
def test_control_check_then_update_accepts_a_code_several_times(arena: Arena, record_property: Figure) -> None:
    won = successes_by_round(arena, presented_naively)
    record_property("won", won)
    assert max(won) > 1, won


# A known device has a code of its own, and may present the strangers' (R-125)

presented_by_device = partial(presented, device="known")


def presented_by_device_naively(code: str) -> bool:
    """Count on its own row, then consume the other without asking whether it is still open."""
    own = OneTimeCode.objects.open().of(SOMEBODY, purpose=LOGIN).get(caller=Caller.DEVICE)
    strangers = OneTimeCode.objects.of(SOMEBODY, purpose=LOGIN).get(caller=Caller.STRANGER)
    right = strangers.closed_at is None and derive_code(strangers) == code
    counted = OneTimeCode.objects.record_guess(
        code=own, matched=False, cap=CAP, now=datetime.now(UTC), caller=Caller.DEVICE
    )
    consumed = {"closed_at": datetime.now(UTC), "closed_as": CodeClosed.CONSUMED, "salt": None}
    return right and counted and OneTimeCode.objects.filter(pk=strangers.pk).update(**consumed) == 1


def crossings_by_round(arena: Arena, present: Callable[[str], bool]) -> list[int]:
    won = []
    for _ in range(arena.rounds):
        OneTimeCode.objects.all().delete()
        issue(SOMEBODY, requester=DEVICE)
        won.append(sum(arena.crew.at_once([partial(present, issue(SOMEBODY))] * arena.crew.size)))
    return won


def test_a_known_device_presents_the_strangers_code_once(arena: Arena) -> None:
    assert crossings_by_round(arena, presented_by_device) == [1] * arena.rounds
    assert {row.device_guesses for row in codes_of(SOMEBODY) if row.caller == Caller.DEVICE} <= set(range(1, CAP + 1))


def revoke() -> None:
    account: Any = SimpleNamespace(organization_id=SOMEBODY.organization, username=SOMEBODY.username)
    OneTimeCode.objects.revoke_of_account(account=account, now=datetime.now(UTC))


def revoke_in_another_order() -> None:
    """As one UPDATE of both rows may: PostgreSQL promises no order."""
    for caller in (Caller.STRANGER, Caller.DEVICE):
        codes = OneTimeCode.objects.of(SOMEBODY, purpose=LOGIN).filter(caller=caller)
        codes.close(how=CodeClosed.REVOKED, now=datetime.now(UTC))


def in_a_transaction(act: Callable[[], None]) -> None:
    try:
        with transaction.atomic():
            act()
    finally:
        connection.close()


def is_waiting_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid())")
        return bool(cursor.fetchone()[0])


@on_postgres
@pytest.mark.parametrize(
    ("act", "deadlock"), [(revoke, False), (revoke_in_another_order, True)], ids=["ordered", "control"]
)
def test_revoking_waits_for_a_known_device_that_presents_the_strangers_code(
    arena: Arena, act: Callable[[], None], deadlock: bool
) -> None:
    issue(SOMEBODY)
    issue(SOMEBODY, requester=DEVICE)
    strangers, own = codes_of(SOMEBODY)
    outcome: list[object] = []
    with ThreadPoolExecutor(1) as threads:
        try:
            with transaction.atomic():
                now = datetime.now(UTC)
                OneTimeCode.objects.record_guess(code=own, matched=False, cap=CAP, now=now, caller=Caller.DEVICE)
                revoking = threads.submit(in_a_transaction, act)
                wait_until(is_waiting_for_a_lock)
                outcome.append(OneTimeCode.objects.consume(code=strangers, now=now))
        except OperationalError as error:
            outcome.append(type(error))
        outcome.append(type(revoking.exception()))
    assert (OperationalError in outcome) is deadlock
    assert deadlock or (outcome, OneTimeCode.objects.open().count()) == ([True, type(None)], 0)


@on_postgres
def test_control_count_then_consume_accepts_the_strangers_code_several_times(
    arena: Arena, record_property: Figure
) -> None:
    won = crossings_by_round(arena, presented_by_device_naively)
    record_property("won", won)
    assert max(won) > 1, won


def wins_among_strangers(arena: Arena, present: Callable[[str], bool], *, requester: Requester) -> list[bool]:
    """Present the right code once while everybody else guesses."""
    won = []
    for _ in range(arena.rounds):
        OneTimeCode.objects.all().delete()
        issue(SOMEBODY)
        code = issue(SOMEBODY, requester=requester)
        wrong = [partial(presented, each) for each in wrong_codes(arena.crew.size - 1)]
        won.append(arena.crew.at_once([*wrong, partial(present, code)])[-1])
    return won


def test_strangers_who_guess_never_stop_a_known_device(arena: Arena) -> None:
    assert all(wins_among_strangers(arena, presented_by_device, requester=DEVICE))


@on_postgres
def test_control_strangers_who_guess_stop_a_stranger(arena: Arena, record_property: Figure) -> None:
    won = wins_among_strangers(arena, presented, requester=SOMEWHERE)
    record_property("won", won)
    assert not all(won), won


def evaluated(code: str) -> bool:
    """Whether the guess was counted, for only then does anything depend on the comparison."""
    row = OneTimeCode.objects.open().of(SOMEBODY, purpose=LOGIN).get()
    matched = derive_code(row) == code
    return OneTimeCode.objects.record_guess(code=row, matched=matched, cap=CAP, now=datetime.now(UTC))


def evaluated_naively(code: str) -> bool:
    """Check the cap, compare, then count."""
    row = OneTimeCode.objects.open().of(SOMEBODY, purpose=LOGIN).get()
    if row.guesses >= CAP:
        return False
    assert derive_code(row) != code
    OneTimeCode.objects.filter(pk=row.pk).update(guesses=F("guesses") + 1)
    return True


def evaluated_by_round(arena: Arena, evaluate: Callable[[str], bool]) -> list[int]:
    counts = []
    for _ in range(arena.rounds):
        issue(SOMEBODY)
        counts.append(sum(arena.crew.at_once([partial(evaluate, wrong) for wrong in wrong_codes(arena.crew.size)])))
    return counts


def test_no_more_guesses_are_evaluated_than_the_cap_allows(arena: Arena) -> None:
    assert evaluated_by_round(arena, evaluated) == [CAP] * arena.rounds
    assert {row.guesses for row in codes_of(SOMEBODY)} == {CAP}


@on_postgres
def test_control_check_then_count_evaluates_more_than_the_cap(arena: Arena, record_property: Figure) -> None:
    counts = evaluated_by_round(arena, evaluated_naively)
    record_property("counts", counts)
    assert max(counts) > CAP, counts


@on_postgres
def test_control_a_count_inside_the_transaction_of_its_refusal_is_lost(arena: Arena) -> None:
    issue(SOMEBODY)
    for wrong in wrong_codes(20):
        with pytest.raises(CodeRefused), transaction.atomic():
            present_code(SOMEBODY, wrong, purpose=LOGIN, now=datetime.now(UTC))
    assert [row.guesses for row in codes_of(SOMEBODY)] == [0]


def test_a_code_is_leased_by_one_worker(arena: Arena) -> None:
    for _ in range(arena.rounds):
        now = datetime.now(UTC)
        pk = issue_code(SOMEBODY, purpose=LOGIN, requester=SOMEWHERE, now=now)
        take = partial(OneTimeCode.objects.due(now=now).take, limit=1, until=now + LEASE)
        assert sorted(arena.crew.at_once([take] * arena.crew.size), reverse=True)[:2] == [[pk], []]
        OneTimeCode.objects.all().delete()


@on_postgres
def test_control_look_then_lease_mails_a_code_several_times(arena: Arena, record_property: Figure) -> None:
    def take_naively() -> bool:
        row = OneTimeCode.objects.get()
        if row.delivery == DeliveryState.SENDING:
            return False
        OneTimeCode.objects.filter(pk=row.pk).update(delivery=DeliveryState.SENDING)
        return True

    taken = []
    for _ in range(arena.rounds):
        issue(SOMEBODY)
        taken.append(sum(arena.crew.at_once([take_naively] * arena.crew.size)))
        OneTimeCode.objects.all().delete()
    record_property("taken", taken)
    assert max(taken) > 1, taken


@pytest.mark.parametrize("requester", [SOMEWHERE, DEVICE], ids=["strangers", "devices"])
def test_asking_for_a_code_leaves_one_open_row(arena: Arena, requester: Requester) -> None:
    for _ in range(arena.rounds):
        ask = partial(issue_code, SOMEBODY, purpose=LOGIN, requester=requester, now=datetime.now(UTC))
        assert len(set(arena.crew.at_once([ask] * arena.crew.size))) == 1
        assert len([row for row in codes_of(SOMEBODY) if row.closed_at is None]) == 1
        OneTimeCode.objects.all().update(
            guesses=CAP, device_guesses=CAP
        )  # so that each round closes one, and opens one
    assert len(codes_of(SOMEBODY)) == arena.rounds


@on_postgres
def test_control_supersede_then_insert_leaves_several_open_rows(arena: Arena, record_property: Figure) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE scratch (recipient text NOT NULL, closed boolean NOT NULL)")

    def ask_naively() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE scratch SET closed = TRUE WHERE recipient = 'somebody' AND NOT closed")
            cursor.execute("INSERT INTO scratch (recipient, closed) VALUES ('somebody', FALSE)")

    left = []
    for _ in range(arena.rounds):
        arena.crew.at_once([ask_naively] * arena.crew.size)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM scratch WHERE NOT closed")
            left.append(cursor.fetchone()[0])
            cursor.execute("DELETE FROM scratch")
    record_property("left", left)
    assert max(left) > 1, left


def test_a_token_is_spent_once(arena: Arena) -> None:
    for _ in range(arena.rounds):
        spend = partial(spend_jti, new_jti(), expires_at=datetime.now(UTC))
        assert sum(arena.crew.at_once([spend] * arena.crew.size)) == 1


@on_postgres
def test_control_look_then_save_spends_a_token_several_times(arena: Arena, record_property: Figure) -> None:
    def spend_naively(jti: str) -> bool:
        if SpentToken.objects.filter(pk=jti).exists():
            return False
        SpentToken.objects.update_or_create(pk=jti, defaults={"expires_at": datetime.now(UTC)})
        return True

    won = [sum(arena.crew.at_once([partial(spend_naively, new_jti())] * arena.crew.size)) for _ in range(arena.rounds)]
    record_property("won", won)
    assert max(won) > 1, won
