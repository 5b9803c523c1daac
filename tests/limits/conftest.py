"""A clock that stands still, and rates that are soon used up."""

from typing import Any

import pytest

from tests.support.clock import StillClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    clock = StillClock()
    monkeypatch.setattr("django_ratelimit.core.time", clock)
    return clock


@pytest.fixture
def rates(settings: Any) -> None:
    """Few enough that a short history uses them up."""
    settings.DFNS_LOGIN = {
        **settings.DFNS_LOGIN,
        "RATES": {
            "code_per_address": ("3/30s", "5/h"),
            "code_per_network": ("4/m",),
            "code_per_user": ("2/s", "6/2h"),
            "code_per_organization": ("5/m", "9/d"),
        },
    }
