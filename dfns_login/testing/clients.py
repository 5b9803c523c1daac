"""Django test clients that are signed in, and user actions for their requests."""

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from dfns_login.api.shapes import factor_answer
from dfns_login.browsers import named_session, open_browser_session
from dfns_login.ceremonies.user_actions import ActionAnswer, complete_action, open_action
from dfns_login.models import Organization, Session
from dfns_login.proofs import ActionRequest, announced_path
from dfns_login.testing.people import REQUESTER, Person, person_for, sign_in

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as TestResponse


class ApiClient(Client):
    """A test client that sends the token of a session. person: who is signed in."""

    def __init__(self, *, person: Person, session: Session, token: str) -> None:
        super().__init__(headers={"Authorization": f"Bearer {token}"})
        self.person, self.login_session, self.token = person, session, token

    def signed(self, method: str, path: str, body: object = None) -> "TestResponse":
        """Send a JSON request with a user action for it."""
        action = sign_action(self, method, path, body)
        data = "" if body is None else json.dumps(body)
        headers = {"X-DFNS-USERACTION": action}
        return self.generic(method, path, data, content_type="application/json", headers=headers)


def api_client_for(user: AbstractBaseUser, *, organization: Organization | None = None) -> ApiClient:
    """Sign the user in, and return a client that sends the session's token. See `person_for`."""
    person = person_for(user, organization=organization)
    signed_in = sign_in(person)
    return ApiClient(person=person, session=signed_in.session, token=signed_in.token)


def login_as(client: Client, user: AbstractBaseUser, *, organization: Organization | None = None) -> Session:
    """Sign the user in on this test client, as the sign-in page does. See `person_for`.

    Unlike `client.force_login`, this opens a `Session`, so that `session_of` and `BrowserSessionAuthentication` work.
    """
    session = sign_in(person_for(user, organization=organization)).session
    request = HttpRequest()
    request.session = client.session
    request.META |= {"SERVER_NAME": "testserver", "SERVER_PORT": "80", "REMOTE_ADDR": REQUESTER.address}
    open_browser_session(request, session)
    client.cookies[settings.SESSION_COOKIE_NAME] = request.session.session_key or ""
    return session


def sign_action(client: Client, method: str, path: str, body: object = None) -> str:
    """Sign one request of a signed-in client. Return the value of its `X-DFNS-USERACTION` header.

    body: the JSON value that the request sends; None for an empty body.
    Raises: LookupError, if the client is not signed in by `login_as` or `api_client_for`.
    """
    session = client.login_session if isinstance(client, ApiClient) else _browser_session(client)
    person = person_for(_user_of(session), organization=session.account.organization)
    now = timezone.now()
    request = ActionRequest(method=method.upper(), path=announced_path(path), payload="" if body is None else body)
    opened = open_action(session, request, requester=REQUESTER, now=now).opened
    factor = factor_answer(person.key.factor(opened.challenge))
    answer = ActionAnswer(challenge_identifier=opened.identifier, first_factor=factor)
    return complete_action(answer, session=session, requester=REQUESTER, now=now)


def _browser_session(client: Client) -> Session:
    request = HttpRequest()
    request.session = client.session
    related = Session.objects.select_related("account__organization", "account__user", "credential")
    session = related.filter(pk=named_session(request) or 0).first()
    if session is None:
        raise LookupError("This client is not signed in. Use `login_as` or `api_client_for`.")
    return session


def _user_of(session: Session) -> Any:  # noqa: ANN401  AUTH_USER_MODEL is the project's choice
    return session.account.user
