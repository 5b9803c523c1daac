"""`/healthz`, `/readyz` and `/metrics`: bounded, and nothing but a status for those without the token (R-138)."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dfns_login.errors import NotAuthorized
from dfns_login.monitoring.probes import PARTS, WAIT_SECONDS, Probe
from tests.support.factories import make_person
from tests.support.scarce_threads import no_more_threads
from tests.support.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "a-password-that-nobody-may-read"
REDIS = "django.core.cache.backends.redis.RedisCache"


@pytest.fixture
def silence() -> Iterator[int]:
    """Port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


def cache_at(settings, port: int) -> None:
    location = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": location}}


def parts(headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    answer = Client().get("/readyz", headers=headers)
    return answer.status_code, answer.json()["parts"]


# What everybody may know


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_reaches_a_process_directly(settings, path: str):
    """With any `Host`, without https, and without a session."""
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().get(path, headers={"Host": "10.1.2.3:8000"})
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies
    assert Client().get("/login/", headers={"Host": "10.1.2.3:8000"}).status_code == 400  # the control


def test_strangers_learn_a_status_and_nothing_else(settings, monitored, silence):
    assert Client().get("/healthz").content == b'{"status": "ok"}'
    assert Client().get("/readyz").content == b'{"status": "ready"}'
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "CACHE_OUTAGE": "refuse"}
    cache_at(settings, silence)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.content) == (503, b'{"status": "unavailable"}')


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_runs_no_statement_in_the_thread_of_the_request(path: str):
    with CaptureQueriesContext(connection) as statements:
        Client().get(path)
    assert len(statements) == 0


@pytest.mark.parametrize("path", ["/healthz/", "/readyz/x", "/Healthz", "/shop/healthz"])
def test_only_these_paths_are_answered(path: str):
    assert Client().get(path).status_code == 404


def test_only_reading_is_answered():
    assert Client().head("/healthz").status_code == 200
    assert Client().post("/healthz").status_code == 404


# What only those with the token may know


def test_the_token_shows_which_part_is_down(settings, monitored, celery):
    assert parts(monitored) == (200, {"database": "up", "cache": "up", "broker": "up"})
    celery.broker_url = f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0"
    PARTS["broker"].forget()
    assert parts(monitored) == (200, {"database": "up", "cache": "up", "broker": "down"})
    cache_at(settings, free_port())
    PARTS["cache"].forget()
    assert parts(monitored) == (200, {"database": "up", "cache": "down", "broker": "down"})
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "CACHE_OUTAGE": "refuse"}
    assert parts(monitored) == (503, {"database": "up", "cache": "down", "broker": "down"})


WRONG = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer 0123456789abcdef0123456789abcdeF",
    "Basic 0123456789abcdef0123456789abcdef",
    "é",
]


@pytest.mark.parametrize("sent", WRONG)
def test_any_other_token_tells_nothing(monitored, sent: str):
    assert "parts" not in Client().get("/readyz", headers={"Authorization": sent}).json()
    answer = Client().get("/metrics", headers={"Authorization": sent})
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer["WWW-Authenticate"] == "Bearer"
    assert Client().get("/metrics", headers=monitored).status_code == 200  # the control


@pytest.mark.parametrize("sent", ["", "Bearer ", "Bearer x"])
def test_without_a_token_in_the_settings_nobody_may(sent: str):
    assert "parts" not in Client().get("/readyz", headers={"Authorization": sent}).json()
    assert Client().get("/metrics", headers={"Authorization": sent}).status_code == 404


def test_without_the_extra_there_are_no_metrics(monitored, monkeypatch):
    monkeypatch.setattr("dfns_login.monitoring.endpoints.find_spec", lambda _name: None)
    assert Client().get("/metrics", headers=monitored).status_code == 404


# Bounded


def test_a_service_that_hangs_is_down_within_a_second_and_keeps_one_thread(monitored, celery, silence):
    celery.broker_url = f"redis://:{PASSWORD}@127.0.0.1:{silence}/0"
    hanging = threading.Event()
    looked: list[int] = []

    def look() -> bool:
        looked.append(1)
        return hanging.wait()

    probe = Probe(look)
    try:
        assert probe.result() is None
        probe.forget()
        assert [probe.result() for _ in range(20)] == [None] * 20
        assert len(looked) == 1
    finally:
        hanging.set()
    assert parts(monitored)[1]["broker"] == "down"


def test_a_result_is_used_again():
    looked: list[int] = []
    probe = Probe(lambda: looked.append(1) or True)
    assert [probe.result() for _ in range(5)] == [True] * 5
    assert len(looked) == 1
    probe.forget()
    assert probe.result()
    assert len(looked) == 2


def test_many_who_ask_at_once_make_it_look_once():
    looked: list[int] = []

    def look() -> bool:
        looked.append(1)
        time.sleep(WAIT_SECONDS / 10)
        return True

    probe = Probe(look)
    found: list[Any] = []
    askers = [threading.Thread(target=lambda: found.append(probe.result())) for _ in range(10)]
    for each in askers:
        each.start()
    for each in askers:
        each.join()
    assert (found, looked) == ([True] * 10, [1])


def test_a_probe_that_fails_says_so_and_recovers():
    answers: list[Any] = [NotAuthorized(PASSWORD), True]

    def look() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    probe = Probe(look)
    assert probe.result() is None
    probe.forget()
    assert probe.result()


def test_a_process_that_may_start_no_more_threads_is_not_ready_until_it_may():
    probe = Probe(lambda: True)
    with no_more_threads():
        assert [probe.result(), probe.result()] == [None, None]
    assert probe.result()
    probe.forget()
    with no_more_threads():
        assert probe.result() is None  # and not the last result


def test_no_answer_contains_a_secret_or_a_person(settings, monitored, silence):
    jane = make_person()
    cache_at(settings, silence)
    answers = [Client().get(path, headers=monitored).content.decode() for path in ("/healthz", "/readyz", "/metrics")]
    secrets = [
        PASSWORD,
        monitored["Authorization"][7:],
        jane.account.email,
        jane.account.pk,
        jane.account.organization_id,
    ]
    for text in answers:
        assert [each for each in secrets if each in text] == []
        assert "127.0.0.1" not in text


def test_the_probe_of_the_cache_stores_nothing():
    cache.clear()
    assert PARTS["cache"].result()
    assert cache.get("dfns_login:probe") is None
