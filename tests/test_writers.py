"""What somebody who writes to the database, the cache or the broker can do, and cannot (docs/security.md; R-127)."""

import os
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.cache.backends.redis import RedisCache
from django.db import connection
from django.test import Client
from django.utils import timezone

from dfns_login import tasks
from dfns_login.doctor import Level, examine
from dfns_login.errors import CodeRefused
from dfns_login.key_rings import new_rings
from dfns_login.limits.tallies import tallies
from dfns_login.models import OneTimeCode, Session
from dfns_login.proofs.codes import derive_code
from dfns_login.proofs.key_release import undecryptable_keys
from dfns_login.verification.encoding import encode_base64url
from tests.support.admin_records import page_of
from tests.support.api_client import call, complete_login, open_login, sign_in
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.factories import Person, issue, make_organization, make_person
from tests.support.timed_requests import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture
def jane() -> Person:
    keys = (SoftwareKey.make(), SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY))
    return make_person(None, "jane@example.co", *keys)


def write(sql: str, *parameters: object) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


# The database


def test_a_database_writer_signs_in_with_a_key_of_their_own(client: Client, jane: Person) -> None:
    mine = SoftwareKey.make()
    spki = memoryview(mine.spki)
    changed = "UPDATE dfns_login_credential SET public_key = %s, algorithm = 'P-256' WHERE canonical_credential_id = %s"
    assert write(changed, spki, jane.key.credential_id) == 1
    opened = open_login(client, jane.names).json()
    forged = replace(mine, credential_id=jane.key.credential_id)
    assert complete_login(client, opened, forged).status_code == 200


def test_a_database_writer_can_revive_a_session(client: Client, jane: Person) -> None:
    token = sign_in(client, jane)
    assert call(client, "PUT", "/auth/logout", {}, bearer=token).status_code == 200
    assert call(client, "GET", "/auth/credentials", bearer=token).status_code == 401
    write("UPDATE dfns_login_session SET revoked_at = NULL")
    assert call(client, "GET", "/auth/credentials", bearer=token).status_code == 200


def test_a_database_writer_makes_no_token(client: Client, jane: Person, settings: Any) -> None:
    """The session may be inserted, but its token needs the ring."""
    ours = django_settings.DFNS_LOGIN
    settings.DFNS_LOGIN = {**ours, "KEYS": new_rings(now=timezone.now())}
    token = sign_in(client, jane)
    settings.DFNS_LOGIN = ours
    assert Session.objects.filter(revoked_at__isnull=True).exists()
    assert call(client, "GET", "/auth/credentials", bearer=token).status_code == 401


def test_a_database_writer_derives_no_code(jane: Person, settings: Any) -> None:
    issue(jane.account.recipient)
    row = OneTimeCode.objects.open().get()
    code = derive_code(row)
    settings.DFNS_LOGIN = {**django_settings.DFNS_LOGIN, "KEYS": new_rings(now=timezone.now())}
    with pytest.raises(CodeRefused):  # no key of that id
        derive_code(row)
    (ring,) = settings.DFNS_LOGIN["KEYS"]["codes"]
    row.key_id = ring["kid"]
    assert derive_code(row) != code


def test_a_database_writer_decrypts_and_moves_no_encrypted_key(jane: Person, settings: Any) -> None:
    key = SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY)
    theirs = make_person(make_organization("Other"), "kim@example.co", key).account.credentials.get()
    mine = jane.account.credentials.get(kind="PasswordProtectedKey")
    assert undecryptable_keys(sample=10) == []
    moved = "UPDATE dfns_login_credential SET encrypted_key_at_rest = %s WHERE id = %s"
    assert write(moved, theirs.encrypted_key_at_rest, mine.pk) == 1
    assert undecryptable_keys(sample=10) == [mine.pk]
    settings.DFNS_LOGIN = {**django_settings.DFNS_LOGIN, "KEYS": new_rings(now=timezone.now())}
    assert set(undecryptable_keys(sample=10)) == {mine.pk, theirs.pk}


# The cache


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(django_settings.REDIS_URL) as found:
        yield found


def poison(server: redis.Redis, value: bytes) -> int:
    keys = [key for key in server.scan_iter() if server.type(key) == b"string"]
    for key in keys:
        server.set(key, value, ex=600)
    return len(keys)


def test_nothing_from_the_cache_is_unpickled(client: Client, jane: Person, server: redis.Redis, tmp_path: Path) -> None:
    """With a control that explodes."""
    folder = tmp_path / "exploded"
    tasks.sweep()
    open_login(client, jane.names)
    assert poison(server, pickle.dumps(Bomb(folder))) > 2
    answers = [
        call(client, "POST", "/auth/login/code", jane.names),
        open_login(client, jane.names),
        call(client, "POST", "/auth/login", {"challengeIdentifier": "x"}),
    ]
    assert all(answer.status_code < 500 or answer.status_code == 503 for answer in answers), answers
    assert "cache" in {each.name for each in examine(clock=timezone.now) if each.level == Level.ERROR}
    tasks.sweep()
    assert not folder.exists()
    cache.set("control", 1)
    poison(server, pickle.dumps(Bomb(folder)))
    cache.get("control")
    assert folder.exists()


@pytest.mark.parametrize("backend", [f"{RedisCache.__module__}.RedisCache", "tests.checks.test_checks.CacheOfItsOwn"])
def test_the_admin_unpickles_nothing_from_the_cache(
    client: Client, jane: Person, server: redis.Redis, tmp_path: Path, settings: Any, backend: str
) -> None:
    """It shows how often requests were refused, and which limits are used up."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "BACKEND": backend}}
    folder = tmp_path / "exploded"
    tallies.reset()
    issue(jane.account.recipient)
    assert open_login(client, jane.names, loginCode="0000-0000-0000-0000").status_code == 403
    wait_until(lambda: [*server.scan_iter("*refused*")])
    operator = Client()
    operator.force_login(get_user_model().objects.create(username="root", is_staff=True, is_superuser=True))
    for address in ("/admin/dfns_login/", page_of("account", jane.account.pk)):
        assert "doesn&#x27;t count" not in operator.get(address).content.decode(), address
        assert poison(server, pickle.dumps(Bomb(folder))) > 2
        assert "doesn&#x27;t count" in operator.get(address).content.decode(), address
        assert not folder.exists()
        poison(server, b"1")


def test_a_cache_writer_locks_out_and_lets_guess_but_signs_nobody_in(
    client: Client, jane: Person, server: redis.Redis
) -> None:
    """The database counts guesses, whatever the cache says."""
    issue(jane.account.recipient)
    for _ in range(10):
        server.flushall()
        assert open_login(client, jane.names, loginCode="0000-0000-0000-0000").status_code == 403
    row = OneTimeCode.objects.open().get()
    assert row.guesses == 10
    open_login(client, jane.names)
    poison(server, b"1000000")
    assert open_login(client, jane.names).status_code == 429


def test_the_cache_holds_no_name_and_no_code(client: Client, jane: Person, server: redis.Redis) -> None:
    server.flushall()
    code = issue(jane.account.recipient)
    call(client, "POST", "/auth/login/code", jane.names)
    open_login(client, jane.names, loginCode=code)
    held = b"".join(key + (server.get(key) or b"") for key in server.scan_iter() if server.type(key) == b"string")
    assert held
    for secret in ("jane", jane.account.pk, code, code.replace("-", ""), encode_base64url(b"jane")):
        assert secret.encode() not in held


# The broker. Messages of any kind are in tests/outages/test_messages.py.


@pytest.mark.parametrize("task", [tasks.deliver, tasks.sweep, tasks.purge_expired, tasks.chain], ids=lambda t: t.name)
def test_a_broker_writer_chooses_neither_recipient_nor_code(task: Any) -> None:
    """Tasks take no argument: the rows say what is due."""
    with pytest.raises(TypeError):
        task.apply(args=["jane@example.co"], throw=True)


def test_a_broker_writer_starts_what_would_start_anyway(jane: Person, mailoutbox: list[Any]) -> None:
    issue(jane.account.recipient)
    for _ in range(5):
        tasks.deliver()
        tasks.sweep()
        tasks.chain()
    assert len(mailoutbox) == 1


def test_only_json_is_accepted() -> None:
    assert set(current_app.conf.accept_content) == {"json"}
