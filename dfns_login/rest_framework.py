"""Authentication and permission classes for the project's own REST framework views."""

from dfns_login.api.authentication import BrowserSessionAuthentication, SessionTokenAuthentication
from dfns_login.api.signed_requests import HasUserAction, user_action_required

__all__ = [
    "BrowserSessionAuthentication",
    "HasUserAction",
    "SessionTokenAuthentication",
    "user_action_required",
]
