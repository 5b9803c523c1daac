from dfns_login.browsers.destinations import LONGEST, after_sign_in, own_path, sign_in_again, sign_in_page
from dfns_login.browsers.devices import known_device, remember_device
from dfns_login.browsers.django_sessions import (
    drop_ended_session,
    forget_browser_session,
    named_session,
    open_browser_session,
    renew_browser_session,
    resolve_browser_session,
)
from dfns_login.browsers.ended_sessions import Ended, forget_ended, note_session, was_turned_away, why_ended
from dfns_login.browsers.remembered_organizations import (
    forget_organizations,
    remember_organization,
    remembered_organizations,
)

__all__ = [
    "LONGEST",
    "Ended",
    "after_sign_in",
    "drop_ended_session",
    "forget_browser_session",
    "forget_ended",
    "forget_organizations",
    "known_device",
    "named_session",
    "note_session",
    "open_browser_session",
    "own_path",
    "remember_device",
    "remember_organization",
    "remembered_organizations",
    "renew_browser_session",
    "resolve_browser_session",
    "sign_in_again",
    "sign_in_page",
    "was_turned_away",
    "why_ended",
]
