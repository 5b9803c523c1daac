"""Replies do not reveal whether an account exists: same reply, same work (R-30, R-31, R-34, R-36)."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from dfns_login.models import Account, AccountState, CodePurpose, OneTimeCode
from dfns_login.verification.public_keys import KeyAlgorithm
from tests.support.api_client import (
    NOT_AUTHORIZED,
    ask_code,
    ask_registration_code,
    complete_login,
    open_login,
    open_registration,
    post,
    sign_in,
    told,
)
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.factories import issue, make_account, make_credential, make_organization, make_person
from tests.support.signed_in import SignedIn

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]

Names = dict[str, str]
Ask = Callable[[Client, Names], HttpResponse]

ASKING: dict[str, Ask] = {
    "login/code": ask_code,
    "login/init": open_login,
    "login/init with a code": lambda client, names: open_login(client, names, loginCode="0000-0000-0000-0000"),
    "registration/code": ask_registration_code,
    "registration/init": lambda client, names: open_registration(client, names, "0000-0000-0000-0000"),
    "recover/user/code": lambda client, names: post(client, "/auth/recover/user/code", names),
    "recover/user/init": lambda client, names: post(
        client,
        "/auth/recover/user/init",
        {**names, "verificationCode": "0000-0000-0000-0000", "credentialId": "AAAA"},
    ),
}
of_each_question = pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING.keys())


@pytest.fixture
def everybody() -> dict[str, Names]:
    """Names of equal length, in every possible state."""
    here = make_organization()
    closed = make_organization()
    accounts = {
        "known without a key": make_account(here, "ann@example.co"),
        "known with a key": make_person(here, "bob@example.co", SoftwareKey.make()).account,
        "known with a password-protected key": make_person(here, "cat@example.co").account,
        "known with a recovery key": make_person(
            here, "jim@example.co", SoftwareKey.make(), SoftwareKey.make(kind=Kind.RECOVERY_KEY)
        ).account,
        "deactivated": make_account(here, "dan@example.co", state=AccountState.DEACTIVATED),
        "deactivated, with a key": make_person(here, "eve@example.co").account,
        "invited": make_account(here, "fay@example.co", state=AccountState.INVITED),
        "of a deactivated organization": make_person(closed, "gil@example.co").account,
    }
    Account.objects.deactivate(account=accounts["deactivated, with a key"])
    closed.active = False
    closed.save()
    known = {who: {"username": each.username, "orgId": each.organization_id} for who, each in accounts.items()}
    return {
        "unknown": {"username": "hal@example.co", "orgId": here.pk},
        "of an unknown organization": {"username": "ida@example.co", "orgId": f"or-{here.pk[:2:-1]}"},
        **known,
    }


def ask_every_code(client: Client, names: Names) -> None:
    ask_code(client, names)
    ask_registration_code(client, names)
    post(client, "/auth/recover/user/code", names)


def shape(value: Any) -> Any:
    """Return the structure of a value, with the lengths of its texts."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return len(value) if isinstance(value, str) else value


def without_lists(response: HttpResponse) -> dict[str, Any]:
    """Return the body without the lists of credentials, for which R-31 applies instead."""
    body: dict[str, Any] = json.loads(response.content)
    if "allowCredentials" in body:
        body["allowCredentials"] = sorted(body["allowCredentials"])
    return body


@of_each_question
def test_every_name_gets_the_same_reply(client: Client, everybody: dict[str, Names], ask: Ask) -> None:
    """R-30. The second time, every name has open codes."""
    for _ in range(2):
        seen = set()
        for names in everybody.values():
            response = ask(client, names)
            headers = dict(response.headers)
            assert len(headers.pop("X-Request-ID")) == 32  # random
            if b"allowCredentials" in response.content:
                del headers["Content-Length"]
            seen.add((response.status_code, json.dumps(headers), json.dumps(shape(without_lists(response)))))
            assert not response.cookies
        assert len(seen) == 1
        for names in everybody.values():
            ask_every_code(client, names)


SAVEPOINT = re.compile(r'"s\d+_x\d+"')


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Record the SQL statements, without their parameters."""
    texts: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        texts.append(SAVEPOINT.sub('"savepoint"', sql))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield texts


@of_each_question
def test_every_name_costs_the_same_queries(client: Client, everybody: dict[str, Names], ask: Ask) -> None:
    """R-34: the same statements, whether or not the account exists and has an open code."""
    for _ in range(2):
        seen = set()
        for names in everybody.values():
            with recorded() as texts:
                ask(client, names)
            seen.add(tuple(texts))
        assert len(seen) == 1
        for names in everybody.values():
            ask_every_code(client, names)


def test_replacing_a_stale_code_costs_every_name_the_same(client: Client, everybody: dict[str, Names]) -> None:
    """R-34: a stale code is closed and replaced with the same statements, whether or not the account exists."""
    for names in everybody.values():
        ask_every_code(client, names)
    OneTimeCode.objects.update(expires_at=timezone.now())
    seen = set()
    for names in everybody.values():
        with recorded() as texts:
            ask_every_code(client, names)
        seen.add(tuple(texts))
    assert [len(texts) for texts in seen] == [6]


@pytest.mark.parametrize("guess", ["login/init with a code", "registration/init", "recover/user/init"])
def test_a_wrong_guess_costs_the_same_whatever_code_is_open(
    client: Client, everybody: dict[str, Names], guess: str
) -> None:
    """R-126: no code, an open one, one without guesses left, an expired one: the same statements and the same reply."""
    states: list[Callable[[], object]] = [
        lambda: None,
        lambda: [ask_every_code(client, names) for names in everybody.values()],
        lambda: OneTimeCode.objects.update(guesses=100),
        lambda: OneTimeCode.objects.update(guesses=0, expires_at=timezone.now()),
    ]
    seen = set()
    for reach in states:
        reach()
        for names in everybody.values():
            with recorded() as texts:
                refused = ASKING[guess](client, names)
            seen.add((tuple(texts), refused.status_code, refused.content))
    assert len(seen) == 1


def test_neither_a_listed_id_nor_a_decoy_can_be_registered(client: Client, settings: Any) -> None:
    """R-126: the same reply and the same statements.."""
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "DECOY_CREDENTIALS": {"key": 1}}
    person = make_person(None, "spy@example.co", SoftwareKey.make())
    spy = SignedIn(client=client, person=person, token=sign_in(client, person))
    somebody = make_person(spy.person.account.organization, "bob@example.co", SoftwareKey.make())
    seen = set()
    for names in (somebody.names, {**somebody.names, "username": "nobody@example.co"}):
        (listed,) = open_login(client, names).json()["allowCredentials"]["key"]
        opened = spy.call("POST", "/auth/credentials/init", {"kind": "Key"}).json()
        key = replace(SoftwareKey.make(), credential_id=listed["id"])
        body = {"challengeIdentifier": opened["challengeIdentifier"], "credentialName": "Mine"}
        with recorded() as texts:
            refused = spy.signed("POST", "/auth/credentials", body | key.credential(opened["challenge"]))
        assert told(refused) == (400, "The credential id is taken.")
        seen.add((tuple(texts), refused.content))
    assert len(seen) == 1


def test_every_name_gets_the_same_rows(client: Client, everybody: dict[str, Names]) -> None:
    for names in everybody.values():
        ask_every_code(client, names)
    rows = OneTimeCode.objects.values(
        "delivery", "guesses", "tries", "account", "closed_at", "address", "agent", "locale", "key_id", "purpose"
    )
    assert rows.count() == 3 * len(everybody)
    assert rows.distinct().count() == 3


def test_completing_a_login_of_an_unknown_name_is_refused_alike(client: Client, everybody: dict[str, Names]) -> None:
    """R-36."""
    key = SoftwareKey.make()
    refusals = set()
    for names in everybody.values():
        with recorded() as texts:
            refused = complete_login(client, open_login(client, names).json(), key)
        assert told(refused) == NOT_AUTHORIZED
        refusals.add((tuple(texts), refused.content))
    assert len(refusals) == 1


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_a_refused_signature_costs_the_same_for_a_listed_key_and_a_decoy(
    client: Client, settings: Any, algorithm: KeyAlgorithm
) -> None:
    """R-126: only the public key is read before the signature is verified, since an invented id has no account."""
    weights = {"DECOY_CREDENTIALS": {"key": 1}, "DECOY_ALGORITHMS": {algorithm.value: 1}}
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, **weights}
    person = make_person(None, "bob@example.co", SoftwareKey.make(algorithm))
    refusals = set()
    for names in (person.names, {**person.names, "username": "nobody@example.co"}):
        opened = open_login(client, names).json()
        (listed,) = opened["allowCredentials"]["key"]
        with recorded() as texts:
            refused = complete_login(client, opened, replace(SoftwareKey.make(algorithm), credential_id=listed["id"]))
        assert told(refused) == NOT_AUTHORIZED
        refusals.add((tuple(texts), refused.content))
    (((statement,), _),) = refusals
    assert "dfns_login_account" not in statement


def test_the_decoys_of_an_unknown_name_do_not_change(client: Client, everybody: dict[str, Names]) -> None:
    """R-31: not between calls, not with an open or wrong code, not with another spelling of the name."""
    for number in range(20):
        names = {"username": f"somebody{number}@example.co", "orgId": everybody["unknown"]["orgId"]}
        shown = open_login(client, names).json()["allowCredentials"]
        ask_code(client, names)
        open_login(client, names, loginCode="1")
        loud = {**names, "username": names["username"].upper()}
        assert open_login(client, names).json()["allowCredentials"] == shown
        assert open_login(client, loud).json()["allowCredentials"] == shown
        assert "passwordProtectedKey" not in shown


def test_deactivated_accounts_look_unknown(client: Client) -> None:
    person = make_person(make_organization(), "kim@example.co", SoftwareKey.make())
    Account.objects.deactivate(account=person.account)
    shown = open_login(client, person.names).json()["allowCredentials"]
    assert person.key.credential_id not in json.dumps(shown)
    assert open_login(client, person.names).json()["allowCredentials"] == shown


def test_a_right_code_of_a_deactivated_account_looks_wrong(client: Client) -> None:
    """The account is deactivated while its code is open."""
    person = make_person()
    code = issue(person.account.recipient)
    make_credential(person.account, SoftwareKey.make())
    Account.objects.deactivate(account=person.account)
    wrong = open_login(client, person.names, loginCode="1")
    right = open_login(client, person.names, loginCode=code)
    assert (wrong.status_code, wrong.content) == (right.status_code, right.content)
    assert OneTimeCode.objects.get(purpose=CodePurpose.LOGIN).closed_at is not None
