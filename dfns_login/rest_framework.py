"""Authentication and permission classes for the project's own REST framework views, and a `handler400`."""

from dfns_login.api.authentication import BrowserSessionAuthentication, SessionTokenAuthentication
from dfns_login.api.bad_request import bad_request
from dfns_login.api.signed_requests import HasUserAction, user_action_required

__all__ = [
    "BrowserSessionAuthentication",
    "HasUserAction",
    "SessionTokenAuthentication",
    "bad_request",
    "user_action_required",
]
