"""Two hundred at once against a limit of ten (R-44), and what would let more of them through."""

from collections.abc import Iterator
from functools import partial

import pytest
from django.core.cache import cache

from tests.support.factories import make_person
from tests.support.live_web import live_web
from tests.support.parallel_requests import PARALLEL, Call, Crew, send_at_once
from tests.support.race_calls import Figure
from tests.support.servers import Valkey

LIMIT = 10
FLOOD = 200


@pytest.fixture(scope="module")
def limited_web(database_url: str, own_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two web processes that let ten requests through in a day."""
    rates = {"init_per_user": [f"{LIMIT}/d"], "code_per_user": [f"{LIMIT}/d"]}
    folder = tmp_path_factory.mktemp("limited")
    with live_web(folder, database_url=database_url, redis_url=own_valkey.url, DFNS_LOGIN={"RATES": rates}) as url:
        yield url


@pytest.mark.parametrize("path", ["/auth/login/init", "/auth/login/code"])
@pytest.mark.parametrize("who", ["known", "unknown"])
def test_of_two_hundred_requests_ten_pass(limited_web: str, path: str, who: str) -> None:
    person = make_person()
    names = person.names if who == "known" else person.names | {"username": "nobody@example.co"}
    answers = send_at_once(limited_web, [Call(path=path, body=names)] * FLOOD)
    passed = [answer for answer in answers if answer.status == 200]
    stopped = [answer for answer in answers if answer.status != 200]
    assert len(passed) == LIMIT
    assert {(answer.status, answer.message) for answer in stopped} == {(429, "Too many requests")}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 86_401 for answer in stopped)


def test_control_get_then_set_lets_more_through(crew: Crew, record_property: Figure) -> None:
    def pass_naively(key: str) -> bool:
        """Count as REST framework's throttles do: read, decide, write back."""
        used = cache.get(key, 0)
        if used >= LIMIT:
            return False
        cache.set(key, used + 1)
        return True

    passed = [sum(crew.at_once([partial(pass_naively, f"naive-{number}")] * PARALLEL)) for number in range(10)]
    record_property("passed", passed)
    assert max(passed) > LIMIT, passed
