"""A signed-in person who can sign requests."""

import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.test import Client

from tests.support.api_client import call, post, sign_in
from tests.support.authenticators import SoftwareKey
from tests.support.factories import Person, issue


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A person with a session token. Their first key signs."""

    client: Client
    person: Person
    token: str

    @property
    def key(self) -> SoftwareKey:
        return self.person.key

    def open_action(self, method: str, path: str, payload: str = "") -> dict[str, Any]:
        body = {"userActionPayload": payload, "userActionHttpMethod": method, "userActionHttpPath": path}
        answer = post(self.client, "/auth/action/init", body, bearer=self.token)
        assert answer.status_code == 200, answer.content
        challenge: dict[str, Any] = answer.json()
        return challenge

    def complete_action(self, challenge: dict[str, Any], **more: Any) -> HttpResponse:
        body = {
            "challengeIdentifier": challenge["challengeIdentifier"],
            "firstFactor": self.key.factor(challenge["challenge"]),
        }
        return post(self.client, "/auth/action", body | more, bearer=self.token)

    def user_action(self, method: str, path: str, payload: str = "") -> str:
        answer = self.complete_action(self.open_action(method, path, payload))
        assert answer.status_code == 200, answer.content
        action: str = answer.json()["userAction"]
        return action

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return call(self.client, method, path, body, bearer=self.token, **headers)

    def signed(self, method: str, path: str, body: Any = None) -> HttpResponse:
        """Send the request with a user action for it."""
        payload = "" if body is None else json.dumps(body)
        return self.call(method, path, body, x_dfns_useraction=self.user_action(method, path, payload))


def signed_in(client: Client, person: Person) -> SignedIn:
    code = issue(person.account.recipient)
    return SignedIn(client=client, person=person, token=sign_in(client, person, loginCode=code))
