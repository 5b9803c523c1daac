"""The project's settings for benchmarks: requests are counted, but no rate is ever reached."""

from dfns_login.settings import DEFAULT_RATES
from project.settings import *  # noqa: F403
from project.settings import DATABASES, DFNS_LOGIN

UNREACHABLE = 900_000_000


def unreachable(windows: tuple[str, ...]) -> tuple[str, ...]:
    """Keep each window's length, and raise its number."""
    return tuple(f"{UNREACHABLE}/{window.partition('/')[2]}" for window in windows)


DFNS_LOGIN = {
    **DFNS_LOGIN,
    "RATES": {name: unreachable(windows) for name, windows in DEFAULT_RATES.items()},
    "KEY_ORIGINS": ("https://app.dfns.io", "https://app.example.test"),
}
DATABASES["default"] |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False}
ALLOWED_HOSTS = ["127.0.0.1", "app.example.test"]
