"""Settings for test runs."""

import json
from functools import cache
from typing import Any

from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from dfns_login.key_rings import new_rings


def settings_for_tests(**changes: Any) -> override_settings:  # noqa: ANN401  the values of settings
    """Return `override_settings` that suit tests: no rates, and keys of this run if the project sets none.

    changes: members of `DFNS_LOGIN` to replace. Use it as a decorator or a context manager. Without rates means without
    any of django-ratelimit, which the project may use for its own views too.
    """
    given: dict[str, Any] = {**getattr(settings, "DFNS_LOGIN", {})}
    if not given.get("KEYS"):
        given["KEYS"] = _keys_of_this_run()
    return override_settings(DFNS_LOGIN={**given, **changes}, RATELIMIT_ENABLE=False)


@cache
def _keys_of_this_run() -> str:
    return json.dumps(new_rings(now=timezone.now()))
