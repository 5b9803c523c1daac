"""Sixty requests at once for one code, on two web processes over PostgreSQL (R-03, R-04, R-08, R-121)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from dfns_login.models import CodeClosed, CodePurpose, OneTimeCode, StandInCode
from dfns_login.usernames import Recipient
from tests.support.authenticators import Kind, SoftwareKey, opaque_envelope
from tests.support.factories import Person, issue, make_organization, make_person
from tests.support.live_web import live_web
from tests.support.parallel_requests import PARALLEL, Call, send_at_once
from tests.support.race_calls import CAP, Figure, asking, codes_of, presenting, successes, wrong_codes
from tests.support.served_by import ATOMIC_REQUESTS
from tests.support.servers import Valkey

INVALID_CODE = (403, "Invalid code")


@pytest.fixture
def jane(database_url: str) -> Person:
    return make_person()


@pytest.fixture
def nobody(database_url: str) -> Recipient:
    return Recipient(organization=make_organization().pk, username="nobody@example.co")


@pytest.fixture(scope="module")
def atomic_web(database_url: str, own_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two web processes of a project that wraps every request in a transaction."""
    folder = tmp_path_factory.mktemp("atomic")
    with live_web(folder, database_url=database_url, redis_url=own_valkey.url, ATOMIC_REQUESTS=True) as url:
        yield url


def test_of_sixty_presentations_of_the_right_code_one_succeeds(
    web: str, jane: Person, rounds: int, record_property: Figure
) -> None:
    won, processes = [], set()
    for _ in range(rounds):
        answers = send_at_once(web, [presenting(jane, issue(jane.account.recipient))] * PARALLEL)
        won.append(successes(answers, refusal=INVALID_CODE))
        processes |= {answer.served_by for answer in answers}
        assert sum("passwordProtectedKey" in str(answer.body) for answer in answers) == 1
    record_property("successes", won)
    assert won == [1] * rounds
    assert len(processes) == 2


def test_of_sixty_wrong_guesses_as_many_are_evaluated_as_the_cap_allows(web: str, jane: Person) -> None:
    for _ in range(5):
        code = issue(jane.account.recipient)
        assert not successes(
            send_at_once(web, [presenting(jane, wrong) for wrong in wrong_codes(PARALLEL)]), refusal=INVALID_CODE
        )
        row = codes_of(jane.account.recipient)[-1]
        assert (row.guesses, row.closed_at) == (CAP, None)
        assert not successes(send_at_once(web, [presenting(jane, code)]), refusal=INVALID_CODE)


def test_a_right_guess_among_wrong_ones_wins_at_most_once_and_only_within_the_cap(
    web: str, jane: Person, record_property: Figure
) -> None:
    won = []
    for place in range(0, PARALLEL, 6):
        code = issue(jane.account.recipient)
        calls = [presenting(jane, wrong) for wrong in wrong_codes(PARALLEL)]
        calls[place] = presenting(jane, code)
        won.append(successes(send_at_once(web, calls), refusal=INVALID_CODE))
        row = codes_of(jane.account.recipient)[-1]
        assert (row.closed_as == CodeClosed.CONSUMED) == (won[-1] == 1)
        assert row.guesses <= CAP
        assert row.guesses == CAP or won[-1]
    record_property("successes", won)
    assert set(won) <= {0, 1}


def test_the_last_guess_that_is_left_is_taken_by_one_of_sixty(web: str, jane: Person) -> None:
    for left in (1, 0):
        code = issue(jane.account.recipient)
        OneTimeCode.objects.open().of(jane.account.recipient, purpose=CodePurpose.LOGIN).update(guesses=CAP - left)
        assert successes(send_at_once(web, [presenting(jane, code)] * PARALLEL), refusal=INVALID_CODE) == left


def test_of_thirty_recoveries_with_the_right_kit_among_wrong_ones_one_gets_the_key(
    web: str, database_url: str, record_property: Figure
) -> None:
    """R-230."""
    kit, another = (
        replace(SoftwareKey.make(kind=Kind.RECOVERY_KEY), encrypted_private_key=opaque_envelope()) for _ in range(2)
    )
    person = make_person(make_organization(), "kit@example.co", SoftwareKey.make(), kit)
    won = []
    for _ in range(5):
        code = issue(person.account.recipient, purpose=CodePurpose.RECOVERY)
        calls = [
            Call(
                path="/auth/recover/user/init",
                body={**person.names, "verificationCode": code, "credentialId": key.credential_id},
            )
            for key in (kit, another) * (PARALLEL // 2)
        ]
        answers = send_at_once(web, calls)
        with_key = ["allowedRecoveryCredentials" in answer.body for answer in answers]
        won.append(sum(with_key))
        assert not any(with_key[1::2])
        refused = {(answer.status, answer.message) for answer in answers if answer.status != 200}
        assert refused <= {INVALID_CODE, (401, "Credential cannot be used as a recovery factor.")}
    record_property("successes", won)
    assert won == [1] * 5


def test_a_transaction_for_each_request_changes_nothing(atomic_web: str, jane: Person) -> None:
    for _ in range(3):
        answers = send_at_once(atomic_web, [presenting(jane, issue(jane.account.recipient))] * PARALLEL)
        assert successes(answers, refusal=INVALID_CODE) == 1
        issue(jane.account.recipient)
        answers = send_at_once(atomic_web, [presenting(jane, wrong) for wrong in wrong_codes(PARALLEL)])
        assert {answer.headers[ATOMIC_REQUESTS] for answer in answers} == {"True"}
        assert not successes(answers, refusal=INVALID_CODE)
        assert codes_of(jane.account.recipient)[-1].guesses == CAP


@pytest.mark.parametrize("who", ["known", "unknown"])
@pytest.mark.parametrize("before", [None, CodeClosed.EXPIRED, CodeClosed.SUPERSEDED, "spent"])
def test_sixty_requests_for_a_code_leave_one_open_row(
    web: str, jane: Person, nobody: Recipient, who: str, before: str | None
) -> None:
    recipient = jane.account.recipient if who == "known" else nobody
    for _ in range(2):
        outworn = set_scene(recipient, before=before)
        call = asking({"username": recipient.username, "orgId": recipient.organization})
        answers = send_at_once(web, [call] * PARALLEL)
        assert {(answer.status, str(answer.body)) for answer in answers} == {(200, "{'message': 'success'}")}
        rows = codes_of(recipient)
        assert len([row for row in rows if row.closed_at is None]) == 1
        assert len(rows) == 1 + len(outworn)
        assert [(row.closed_as, row.salt) for row in rows[:-1]] == outworn
        assert rows[-1].expires_at > datetime.now(UTC) + timedelta(minutes=9)
        OneTimeCode.objects.all().delete()


def set_scene(recipient: Recipient, *, before: str | None) -> list[tuple[str, None]]:
    """Leave an open row that is outworn, or none. Returns what will have become of it."""
    now = datetime.now(UTC)
    match before:
        case None:
            return []
        case CodeClosed.EXPIRED:
            issue(recipient, now=now - timedelta(minutes=11))
        case CodeClosed.SUPERSEDED:
            issue(recipient, now=now - timedelta(minutes=9))
        case _:
            issue(recipient)
            OneTimeCode.objects.all().update(guesses=CAP)
            return [(CodeClosed.SUPERSEDED, None)]
    return [(before, None)]


def test_an_emailed_code_works_while_a_stranger_requests_more(web: str, jane: Person) -> None:
    for place in range(0, PARALLEL, 12):
        calls: list[Call] = [asking(jane.names)] * PARALLEL
        calls[place] = presenting(jane, issue(jane.account.recipient))
        assert {answer.status for answer in send_at_once(web, calls)} == {200}
        assert len([row for row in codes_of(jane.account.recipient) if row.closed_at is None]) <= 1


def commit_waits_for_the_disk(act: Callable[[], object]) -> bool:
    """Return whether PostgreSQL gave the transaction an id, because it wrote something."""
    with transaction.atomic(), connection.cursor() as cursor:
        act()
        cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
        return bool(cursor.fetchone()[0])


@pytest.mark.usefixtures("jane")
def test_a_stand_in_is_checked_like_a_code() -> None:
    """R-126: to check the constraints takes as long as to write the row."""
    with connection.cursor() as cursor:
        checks = []
        for model in (OneTimeCode, StandInCode):
            checked = "FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass"
            cursor.execute(f"SELECT pg_get_constraintdef(oid) {checked}", [model._meta.db_table])
            checks.append(sorted(cursor.fetchall()))
    assert checks[0] == checks[1]


def test_a_guess_waits_for_the_disk_whatever_it_finds(jane: Person) -> None:
    """R-126: an open code does not show in the time of a wrong guess."""
    issue(jane.account.recipient)
    (code,) = codes_of(jane.account.recipient)

    def guess(row: OneTimeCode, *, cap: int = CAP) -> bool:
        return OneTimeCode.objects.record_guess(code=row, matched=False, cap=cap, now=code.issued_at)

    for row, cap in ((code, CAP), (code, 0), (OneTimeCode(), CAP)):
        assert commit_waits_for_the_disk(lambda row=row, cap=cap: guess(row, cap=cap))
    assert [row.guesses for row in codes_of(jane.account.recipient)] == [1]
    assert StandInCode.rows.filter(pk=0).exists()
    assert not commit_waits_for_the_disk(lambda: OneTimeCode.objects.filter(pk=0).update(guesses=1))  # control
