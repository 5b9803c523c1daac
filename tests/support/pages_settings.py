"""Settings for `tests/pages`: the project's own with a short cooldown for codes."""

from datetime import timedelta

from tests.support.live_settings import *  # noqa: F403
from tests.support.live_settings import DFNS_LOGIN, PLENTY

CODE_COOLDOWN = timedelta(seconds=2)

DFNS_LOGIN = {
    **DFNS_LOGIN,
    "CODE_COOLDOWN": CODE_COOLDOWN,
    "RATES": {**DFNS_LOGIN["RATES"], "code_per_user": PLENTY, "init_per_user": PLENTY, "email_per_mailbox": PLENTY},
}
