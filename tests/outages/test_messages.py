"""Messages that no worker of ours understands: they are dropped, and the worker goes on (R-127)."""

import base64
import json
from typing import Any

import pytest

from tests.outages.conftest import StartSite
from tests.support.servers import Site, Valkey
from tests.support.timed_requests import wait_until

QUEUE = "celery"


def envelope(given: bytes, **changes: Any) -> bytes:
    """A message as kombu puts it into Redis."""
    properties = {
        "delivery_info": {"exchange": "", "routing_key": QUEUE},
        "delivery_tag": "tag",
        "body_encoding": "base64",
        "correlation_id": "id",
    }
    message = {
        "body": base64.b64encode(given).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "dfns_login.sweep", "id": "id"},
        "properties": properties,
    }
    return json.dumps(message | changes).encode()


SWEEP = b'[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'

MESSAGES = {
    "no JSON": b"garbage",
    "no text": b"\xff\xfe\x00",
    "nothing": b"",
    "a list": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "an empty object": b"{}",
    "deep": b"[" * 100_000,
    "a large number": b"9" * 5000,
    "no properties": envelope(SWEEP, properties={}),
    "properties of another type": envelope(SWEEP, properties=[]),
    "headers of another type": envelope(SWEEP, headers=7),
    "no base64": envelope(SWEEP, body="?"),
    "a body that is no JSON": envelope(b"garbage"),
    "a body that is no list": envelope(b"{}"),
    "pickle": envelope(b"cos\nsystem\n", **{"content-type": "application/x-python-serialize"}),
    "another encoding": envelope(SWEEP, **{"content-encoding": "nope"}),
    "an unknown task": envelope(SWEEP, headers={"lang": "py", "task": "os.system", "id": "id"}),
}


@pytest.fixture(scope="module")
def site(start_site: StartSite) -> Site:
    return start_site(SWEEP_SECONDS=1.0)


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_no_message_ends_the_worker(site: Site, own_valkey: Valkey, message: bytes) -> None:
    with own_valkey.client() as client:
        client.lpush(QUEUE, message)
        swept = site.worker.log.count("Task dfns_login.sweep")
        wait_until(lambda: not site.worker.running or site.worker.log.count("Task dfns_login.sweep") >= swept + 2)
        assert site.worker.running, site.worker.log[-3000:]
        assert client.llen(QUEUE) <= 2
