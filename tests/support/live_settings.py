"""Settings for `tests/live`: the project's own with short times, higher rates and more logs."""

from datetime import timedelta

from dfns_login.settings import DEFAULT_RATES
from project.settings import *  # noqa: F403
from project.settings import DFNS_LOGIN, LOGGING

CODE_COOLDOWN = timedelta(seconds=4)
PLENTY = ("100000/m", "100000/h")

DFNS_LOGIN = {
    **DFNS_LOGIN,
    "CODE_COOLDOWN": CODE_COOLDOWN,
    # Every request comes from this machine. The rates per username stay, and the first is soon used up.
    "RATES": {name: PLENTY for name in DEFAULT_RATES if not name.endswith(("_user", "_mailbox"))}
    | {"init_per_user": ("30/m", *DEFAULT_RATES["init_per_user"][1:])},
}
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français"), ("ar", "العربية")]

LOGGING = {
    **LOGGING,
    "root": {"handlers": ["stderr"], "level": "DEBUG"},
    "loggers": {"django": {"handlers": [], "level": "DEBUG", "propagate": True}},
}
