"""The project's settings for live servers, with changes from the environment variable `TEST_SETTINGS`.

It holds a JSON object with `DFNS_LOGIN` (settings of the app, durations in seconds), `ATOMIC_REQUESTS`,
`SWEEP_SECONDS`, `NO_TIMEOUTS`, which leaves out the timeouts of cache and broker, and `CLOCK_AHEAD_SECONDS`. Rates that
a test does not name are out of reach, so that no rate decides a race.
"""

import dataclasses
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from dfns_login.settings import BEAT_SCHEDULE, DEFAULT_RATES, LoginSettings
from project.settings import *  # noqa: F403
from project.settings import CACHES, DATABASES, DFNS_LOGIN, MIDDLEWARE


def app_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Convert JSON values to those of `LoginSettings`."""
    durations = {each.name.upper() for each in dataclasses.fields(LoginSettings) if each.type is timedelta}
    values = {name: timedelta(seconds=value) if name in durations else value for name, value in given.items()}
    return values | {"RATES": dict.fromkeys(DEFAULT_RATES, ("1000000/h",)) | given.get("RATES", {})}


_wanted: dict[str, Any] = json.loads(os.environ.get("TEST_SETTINGS", "{}"))
_sweep = BEAT_SCHEDULE["dfns_login.sweep"]

DFNS_LOGIN = {**DFNS_LOGIN, **app_settings(_wanted.get("DFNS_LOGIN", {}))}
DATABASES = {"default": {**DATABASES["default"], "ATOMIC_REQUESTS": _wanted.get("ATOMIC_REQUESTS", False)}}
CELERY_BEAT_SCHEDULE = {
    **BEAT_SCHEDULE,
    "dfns_login.sweep": {**_sweep, "schedule": _wanted.get("SWEEP_SECONDS", _sweep["schedule"])},
}
if _wanted.get("NO_TIMEOUTS"):
    CACHES = {"default": {**CACHES["default"], "OPTIONS": {}}}
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {}
    CELERY_BROKER_CONNECTION_TIMEOUT = 60
if _ahead := _wanted.get("CLOCK_AHEAD_SECONDS"):
    timezone.now = lambda: datetime.now(UTC) + timedelta(seconds=_ahead)
ROOT_URLCONF = "tests.support.views_with_sessions"
MIDDLEWARE = ["tests.support.served_by.served_by", *MIDDLEWARE]
