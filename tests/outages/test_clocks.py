"""The clocks of the hosts are a minute apart (R-129)."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dfns_login.models import DeliveryState
from tests.support.factories import make_person
from tests.support.live_web import settings_environment
from tests.support.parallel_requests import Answer, Call, send
from tests.support.race_calls import asking, presenting
from tests.support.servers import Site, Valkey, Web, free_port
from tests.support.smtp_sink import SmtpSink
from tests.support.timed_requests import open_row, wait_until

MINUTE = 60


@pytest.fixture(scope="module")
def webs(
    database_url: str, own_valkey: Valkey, smtp_sink: SmtpSink, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Two web hosts. The second one's clock, and the worker's, are a minute ahead."""
    folder: Path = tmp_path_factory.mktemp("ahead")
    with ExitStack() as stack:
        ahead = settings_environment(SWEEP_SECONDS=1.0, CLOCK_AHEAD_SECONDS=MINUTE) | {"EMAIL_URL": smtp_sink.url}
        site = Site(folder, database_url=database_url, redis_url=own_valkey.url, environment=ahead)
        stack.enter_context(site)
        punctual = Web(
            tmp_path_factory.mktemp("punctual"),
            {**site.environment, **settings_environment()},
            port=(port := free_port()),
        )
        stack.enter_context(punctual)
        yield f"http://localhost:{port}", site.url


def good(answer: Answer) -> Any:
    assert answer.status == 200, answer
    return answer.body


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)], ids=["punctual first", "ahead first"])
def test_a_flow_crosses_hosts_whose_clocks_are_a_minute_apart(
    webs: tuple[str, str], smtp_sink: SmtpSink, order: slice
) -> None:
    """Each step is served by the other host."""
    first, second = webs[order]
    jane = make_person()
    good(send(first, asking(jane.names)))
    wait_until(lambda: open_row(jane.account).delivery == DeliveryState.SENT)
    (mail,) = smtp_sink.of(jane.account.email)
    opened = good(send(second, presenting(jane, mail.code)))
    factor = jane.key.factor(opened["challenge"])
    body = {"challengeIdentifier": opened["challengeIdentifier"], "firstFactor": factor}
    token = str(good(send(first, Call(path="/auth/login", body=body)))["token"])
    good(send(second, Call(path="/auth/logout", body={}, bearer=token, method="PUT")))
    assert send(first, Call(path="/auth/logout", body={}, bearer=token, method="PUT")).status == 401
