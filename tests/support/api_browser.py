"""A browser for the API: it keeps cookies and sends the CSRF token, which only our own pages can read."""

import json
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.utils.crypto import get_random_string

from tests.support.api_client import call, login_body, open_login
from tests.support.factories import Person, issue


class Browser(Client):
    """A test client that enforces CSRF checks. `csrf` is the token of the open page."""

    def __init__(self) -> None:
        super().__init__(enforce_csrf_checks=True, raise_request_exception=False)
        self.cookies[settings.CSRF_COOKIE_NAME] = get_random_string(32)

    @property
    def csrf(self) -> str:
        return str(self.cookies[settings.CSRF_COOKIE_NAME].value)

    @property
    def session_key(self) -> str:
        return str(self.cookies[settings.SESSION_COOKIE_NAME].value)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """Send a request as a script of our pages does."""
        return call(self, method, path, body, **{"x_csrftoken": self.csrf, **headers})

    def complete(self, person: Person, challenge: dict[str, Any], **more: Any) -> HttpResponse:
        return self.send("POST", "/login/complete", {**login_body(challenge, person.key), **more})

    def sign_in(self, person: Person, **more: Any) -> HttpResponse:
        """Sign in with a code, as the page does."""
        challenge = open_login(self, person.names, loginCode=issue(person.account.recipient)).json()
        return self.complete(person, challenge, **more)

    def signed(self, person: Person, method: str, path: str, body: Any) -> HttpResponse:
        """Send the request with a user action for it."""
        asked = {"userActionPayload": json.dumps(body), "userActionHttpMethod": method, "userActionHttpPath": path}
        challenge = self.send("POST", "/auth/action/init", asked).json()
        action = self.send("POST", "/auth/action", login_body(challenge, person.key)).json()["userAction"]
        return self.send(method, path, body, x_dfns_useraction=action)

    def is_signed_in(self) -> bool:
        """Return whether the API accepts the browser's session."""
        return self.send("GET", "/auth/credentials").status_code == 200
