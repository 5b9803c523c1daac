"""Live projects that lose what they lean on. Each module has servers of its own, to kill as it likes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dfns_login.models import OneTimeCode
from tests.concurrency.conftest import SOAK, database_url, migrated, own_valkey
from tests.support.live_web import settings_environment
from tests.support.servers import Site, Valkey
from tests.support.smtp_sink import SmtpSink

__all__ = ["database_url", "migrated", "own_valkey"]
"""Fixtures of the races, which are wanted here too."""

collect_ignore = [] if SOAK else ["test_hosts.py", "test_kills.py", "test_stranger.py"]
"""These take minutes, or need root: `make soak` runs them."""

StartSite = Callable[..., Site]


@pytest.fixture(scope="module")
def smtp_sink() -> Iterator[SmtpSink]:
    with SmtpSink() as sink:
        yield sink


@pytest.fixture(scope="module")
def start_site(
    database_url: str, own_valkey: Valkey, smtp_sink: SmtpSink, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartSite]:
    """Start the whole project, with these settings of `tests/support/race_settings.py`."""
    with ExitStack() as stack:

        def start(**wanted: Any) -> Site:
            environment = settings_environment(**wanted) | {"EMAIL_URL": smtp_sink.url}
            folder = tmp_path_factory.mktemp("site")
            site = Site(folder, database_url=database_url, redis_url=own_valkey.url, environment=environment)
            return stack.enter_context(site)

        yield start


@pytest.fixture(autouse=True)
def clean_scene(database_url: str, smtp_sink: SmtpSink) -> Iterator[None]:
    """No test finds codes, mails or moods of another one."""
    yield
    OneTimeCode.objects.all().delete()
    smtp_sink.behave()
    smtp_sink.mails.clear()
