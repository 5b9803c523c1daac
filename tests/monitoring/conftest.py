"""Probes that look again in each test."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app

from dfns_login.monitoring.probes import PARTS, QUEUES

TOKEN = "0123456789abcdef0123456789abcdef"


def forget_results() -> None:
    """Once no thread looks any more: a probe whose last look hangs does not start another."""
    for probe in (*PARTS.values(), QUEUES):
        if (thread := probe._thread) is not None:  # noqa: SLF001
            thread.join(30)
        probe.forget()


@pytest.fixture(autouse=True)
def fresh_probes() -> Iterator[None]:
    forget_results()
    yield
    forget_results()


@pytest.fixture
def monitored(settings) -> dict[str, str]:
    """The project has a token. Returns the header of those who know it."""
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "MONITORING_TOKEN": TOKEN}
    return {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def celery() -> Iterator[Any]:
    held = current_app.conf.broker_url
    yield current_app.conf
    current_app.conf.broker_url = held
