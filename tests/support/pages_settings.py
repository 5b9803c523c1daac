"""Settings for `tests/pages`: the project's own with a short cooldown for codes."""

from datetime import timedelta

from dfns_login.settings import DEFAULT_RATES
from tests.support.live_settings import *  # noqa: F403
from tests.support.live_settings import DFNS_LOGIN, PLENTY

CODE_COOLDOWN = timedelta(seconds=2)

DFNS_LOGIN = {
    **DFNS_LOGIN,
    "RELYING_PARTY_NAME": "Example",
    "CODE_COOLDOWN": CODE_COOLDOWN,
    "RATES": dict.fromkeys(DEFAULT_RATES, PLENTY),
}
