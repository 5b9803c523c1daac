"""What a project's own REST framework views use: authentication by our sessions, and signed user actions."""

from dfns_login.api.authentication import BrowserSessionAuthentication, SessionTokenAuthentication
from dfns_login.api.signed_requests import HasUserAction, user_action_required

__all__ = ["BrowserSessionAuthentication", "HasUserAction", "SessionTokenAuthentication", "user_action_required"]
