from dfns_login.browsers.destinations import LONGEST, after_sign_in, own_path, sign_in_again
from dfns_login.browsers.devices import known_device, remember_device
from dfns_login.browsers.django_sessions import (
    drop_ended_session,
    forget_browser_session,
    named_session,
    open_browser_session,
    renew_browser_session,
    resolve_browser_session,
)

__all__ = [
    "LONGEST",
    "after_sign_in",
    "drop_ended_session",
    "forget_browser_session",
    "known_device",
    "named_session",
    "open_browser_session",
    "own_path",
    "remember_device",
    "renew_browser_session",
    "resolve_browser_session",
    "sign_in_again",
]
