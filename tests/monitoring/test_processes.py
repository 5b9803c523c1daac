"""Metrics of several processes of one host, as gunicorn and Celery start them (R-138)."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.monitoring.conftest import TOKEN
from tests.support.servers import Site, Valkey

pytestmark = pytest.mark.live
REQUESTS = 12


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    shared = tmp_path / "metrics"
    shared.mkdir()
    environment = {
        "MONITORING_TOKEN": TOKEN,
        "PROMETHEUS_MULTIPROC_DIR": str(shared),
        "DJANGO_SETTINGS_MODULE": "tests.support.live_settings",
    }
    with (
        Valkey() as valkey,
        Site(
            tmp_path, database_url=f"sqlite:///{tmp_path}/db", redis_url=valkey.url, environment=environment
        ) as started,
    ):
        yield started


def scrape(site: Site) -> dict[str, float]:
    answer = httpx.get(f"{site.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    assert answer.status_code == 200, answer.text
    return {
        f"{sample.name.removeprefix('dfns_login_')} {' '.join(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def eventually(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (value := found()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return value


def test_every_process_answers_with_the_counts_of_all(site: Site):
    """Two gunicorn processes count requests, a Celery worker counts emails, and each scrape has them all."""
    for number in range(REQUESTS):
        body = {"username": f"nobody-{number}@example.co", "orgId": "or-1"}
        asked = httpx.post(f"{site.url}/auth/login/code", json=body, headers={"Connection": "close"}, timeout=30)
        assert asked.status_code == 200
    assert eventually(lambda: scrape(site).get("emails_total login no recipient") == REQUESTS)
    scrapes = [scrape(site) for _ in range(10)]
    assert [each["codes_requested_total login"] for each in scrapes] == [REQUESTS] * 10
    assert [each["emails_total login no recipient"] for each in scrapes] == [REQUESTS] * 10
    writers = {each.name for each in (site.folder / "metrics").glob("counter_*.db")}
    assert len(writers) >= 2, "one process did everything"
    services = {name: value for name, value in scrapes[0].items() if name.startswith("up ")}
    assert services == {"up database": 1, "up cache": 1, "up broker": 1}
    assert scrapes[0]["queue_due login"] == 0
    site.web.stop()
    site.web.start()
    assert scrape(site)["codes_requested_total login"] == REQUESTS  # of processes that have ended
