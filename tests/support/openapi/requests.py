"""For each operation, a request that is accepted. The tests send it, as it is or with one change."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import Permission
from django.http import HttpResponse

from dfns_login.models import Account, AccountState, CodePurpose, Session
from tests.support.api_client import post
from tests.support.authenticators import Fault, Kind, Members, SoftwareKey, base64url, compact_json, opaque_envelope
from tests.support.factories import Person, issue, make_account, make_credential, make_person
from tests.support.openapi.contract import ContractClient
from tests.support.signed_in import SignedIn, signed_in


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A request. bearer, action: empty if it has no such token."""

    method: str
    path: str
    data: bytes = b""
    bearer: str = ""
    action: str = ""
    content_type: str = "application/json"


class Actors:
    """An operator with all permissions and three kinds of keys, and an invited person."""

    def __init__(self, client: ContractClient) -> None:
        self.client = client
        keys = [SoftwareKey.make(kind=kind) for kind in (Kind.PASSWORD_PROTECTED_KEY, Kind.RECOVERY_KEY, Kind.KEY)]
        self.person: Person = make_person(None, "jane@example.co", *keys)
        self.organization = self.person.account.organization
        self.user: Any = self.person.account.user
        self.user.user_permissions.add(*Permission.objects.filter(content_type__app_label="dfns_login"))
        self.operator: SignedIn = signed_in(self.client, self.person)
        self.invited: Account = make_account(self.organization, "lee@example.co", state=AccountState.INVITED)

    @property
    def session(self) -> Session:
        """The operator's first session."""
        return Session.objects.filter(account=self.person.account).earliest("pk")

    def uuid(self, key: SoftwareKey) -> str:
        return str(self.person.account.credentials.get(credential_id=key.credential_id).pk)

    def ask(self, method: str, path: str, body: Any = None, *, bearer: str = "") -> ApiRequest:
        return ApiRequest(
            method=method, path=path, data=b"" if body is None else json.dumps(body).encode(), bearer=bearer
        )

    def as_operator(self, method: str, path: str, body: Any = None) -> ApiRequest:
        return self.ask(method, path, body, bearer=self.operator.token)

    def sign(self, request: ApiRequest) -> ApiRequest:
        """Return the request with a user action for it."""
        action = self.operator.user_action(request.method, request.path, request.data.decode())
        return replace(request, action=action)

    def signed(self, method: str, path: str, body: Any = None) -> ApiRequest:
        return self.sign(self.as_operator(method, path, body))

    def send(self, request: ApiRequest) -> HttpResponse:
        headers = {"HTTP_AUTHORIZATION": f"Bearer {request.bearer}"} if request.bearer else {}
        headers |= {"HTTP_X_DFNS_USERACTION": request.action} if request.action else {}
        return self.client.generic(request.method, request.path, request.data, request.content_type, **headers)

    def given(self, path: str, body: Any, *, bearer: str = "") -> Any:
        """Send a request that must be accepted, and return the reply."""
        answer = post(self.client, path, body, bearer=bearer)
        assert answer.status_code == 200, answer.content
        return json.loads(answer.content)


def names(account: Account) -> dict[str, str]:
    return {"username": account.username, "orgId": account.organization_id}


def login_challenge(actors: Actors) -> Any:
    return actors.given(
        "/auth/login/init", {**actors.person.names, "loginCode": issue(actors.person.account.recipient)}
    )


def answered(key: SoftwareKey, challenge: Any, *, fault: Fault | None = None) -> Members:
    return {
        "challengeIdentifier": challenge["challengeIdentifier"],
        "firstFactor": key.factor(challenge["challenge"], fault=fault),
    }


def activity(actors: Actors) -> ApiRequest:
    signed_in(actors.client, actors.person)  # a second act, so that there is a second page
    return actors.as_operator("GET", "/auth/activity?limit=1")


def login(actors: Actors, fault: Fault | None = None) -> ApiRequest:
    return actors.ask("POST", "/auth/login", answered(actors.person.key, login_challenge(actors), fault=fault))


def browser_login(actors: Actors, fault: Fault | None = None) -> ApiRequest:
    body = {**answered(actors.person.key, login_challenge(actors), fault=fault), "next": "/wallets/"}
    return actors.ask("POST", "/login/complete", body)


def registration_init(actors: Actors) -> Members:
    code = issue(actors.invited.recipient, purpose=CodePurpose.REGISTRATION)
    return {**names(actors.invited), "registrationCode": code}


def register(actors: Actors, key: SoftwareKey, fault: Fault | None = None) -> ApiRequest:
    opened = actors.given("/auth/registration/init", registration_init(actors))
    body = {"firstFactorCredential": key.credential(opened["challenge"], fault=fault)}
    return actors.ask("POST", "/auth/registration", body, bearer=opened["temporaryAuthenticationToken"])


def creation(opened: Any, key: SoftwareKey, fault: Fault | None = None) -> Members:
    credential = key.credential(opened["challenge"], fault=fault)
    return {"challengeIdentifier": opened["challengeIdentifier"], "credentialName": "Second", **credential}


def create_credential(actors: Actors, key: SoftwareKey, fault: Fault | None = None) -> ApiRequest:
    opened = actors.given("/auth/credentials/init", {"kind": key.kind}, bearer=actors.operator.token)
    return actors.signed("POST", "/auth/credentials", creation(opened, key, fault))


def rename(actors: Actors, uuid: str) -> ApiRequest:
    body = {"credentialUuid": uuid, "credentialName": "Laptop"}
    return actors.signed("PUT", "/auth/credentials/rename", body)


def replace_key(actors: Actors, uuid: str, envelope: str | None = None) -> ApiRequest:
    body = {"credentialUuid": uuid, "encryptedPrivateKey": envelope or opaque_envelope()}
    return actors.signed("PUT", "/auth/credentials/key", body)


def end_session(actors: Actors, session: str) -> ApiRequest:
    return actors.as_operator("PUT", "/auth/sessions/end", {"sessionId": session})


def credential_code(actors: Actors) -> ApiRequest:
    return actors.signed("POST", "/auth/credentials/code", {"expiration": int(time.time()) + 50})


def code_init(actors: Actors) -> Members:
    return {"code": json.loads(actors.send(credential_code(actors)).content)["code"], "credentialKind": "Key"}


def create_credential_with_code(actors: Actors, key: SoftwareKey, fault: Fault | None = None) -> ApiRequest:
    opened = actors.given("/auth/credentials/code/init", code_init(actors))
    return actors.ask("POST", "/auth/credentials/code/verify", creation(opened, key, fault))


def action(actors: Actors) -> ApiRequest:
    challenge = actors.operator.open_action("DELETE", "/wallets/1")
    return actors.as_operator("POST", "/auth/action", answered(actors.operator.key, challenge))


def recovery_init(actors: Actors, key: SoftwareKey | None = None) -> Members:
    code = issue(actors.person.account.recipient, purpose=CodePurpose.RECOVERY)
    credential_id = (key or actors.person.keys[1]).credential_id
    return {**actors.person.names, "verificationCode": code, "credentialId": credential_id}


def recover(actors: Actors, key: SoftwareKey, fault: Fault | None = None) -> ApiRequest:
    opened = actors.given("/auth/recover/user/init", recovery_init(actors))
    new = {"firstFactorCredential": key.credential(opened["challenge"], fault=fault)}
    assertion = actors.person.keys[1].answer(base64url(compact_json(new).encode()))
    body = {"recovery": {"kind": "RecoveryKey", "credentialAssertion": assertion}, "newCredentials": new}
    return actors.ask("POST", "/auth/recover/user", body, bearer=opened["temporaryAuthenticationToken"])


def new_key() -> SoftwareKey:
    return SoftwareKey.make(kind=Kind.KEY)


def taken_key(actors: Actors) -> SoftwareKey:
    """Return a key whose credential id is taken in the organization."""
    key = new_key()
    make_credential(make_account(actors.organization, "kim@example.co"), key)
    return key


def action_init(actors: Actors) -> Members:
    return {"userActionPayload": "", "userActionHttpMethod": "POST", "userActionHttpPath": "/wallets"}


ACCEPTED: dict[str, Callable[[Actors], ApiRequest]] = {
    "sendLoginCode": lambda actors: actors.ask("POST", "/auth/login/code", actors.person.names),
    "createLoginChallenge": lambda actors: actors.ask(
        "POST", "/auth/login/init", {**actors.person.names, "loginCode": issue(actors.person.account.recipient)}
    ),
    "login": login,
    "completeBrowserLogin": browser_login,
    "logout": lambda actors: actors.as_operator("PUT", "/auth/logout", {"allSessions": True}),
    "resendRegistrationCode": lambda actors: actors.ask("PUT", "/auth/registration/code", names(actors.invited)),
    "createRegistrationChallenge": lambda actors: actors.ask(
        "POST", "/auth/registration/init", registration_init(actors)
    ),
    "register": lambda actors: register(actors, new_key()),
    "listCredentials": lambda actors: actors.as_operator("GET", "/auth/credentials"),
    "createCredential": lambda actors: create_credential(actors, new_key()),
    "createCredentialChallenge": lambda actors: actors.as_operator("POST", "/auth/credentials/init", {"kind": "Key"}),
    "activateCredential": lambda actors: actors.signed(
        "PUT", "/auth/credentials/activate", {"credentialUuid": actors.uuid(actors.person.key)}
    ),
    "deactivateCredential": lambda actors: actors.signed(
        "PUT", "/auth/credentials/deactivate", {"credentialUuid": actors.uuid(actors.person.keys[2])}
    ),
    "renameCredential": lambda actors: rename(actors, actors.uuid(actors.person.key)),
    "replaceCredentialKey": lambda actors: replace_key(actors, actors.uuid(actors.person.key)),
    "createCredentialCode": credential_code,
    "createCredentialChallengeWithCode": lambda actors: actors.ask(
        "POST", "/auth/credentials/code/init", code_init(actors)
    ),
    "createCredentialWithCode": lambda actors: create_credential_with_code(actors, new_key()),
    "listSessions": lambda actors: actors.as_operator("GET", "/auth/sessions"),
    "endOtherSessions": lambda actors: actors.as_operator("PUT", "/auth/sessions/end-others"),
    "endSession": lambda actors: end_session(actors, str(actors.session.pk)),
    "listActivity": activity,
    "listEvents": lambda actors: actors.as_operator("GET", "/auth/events?limit=2"),
    "createUserActionChallenge": lambda actors: actors.as_operator("POST", "/auth/action/init", action_init(actors)),
    "createUserActionSignature": action,
    "sendRecoveryCode": lambda actors: actors.ask("POST", "/auth/recover/user/code", actors.person.names),
    "sendRecoveryCodeAsOlderClientsDo": lambda actors: actors.ask(
        "PUT", "/auth/recover/user/code", actors.person.names
    ),
    "createRecoveryChallenge": lambda actors: actors.ask("POST", "/auth/recover/user/init", recovery_init(actors)),
    "recover": lambda actors: recover(actors, new_key()),
    "listUsers": lambda actors: actors.as_operator("GET", "/auth/users?limit=1&kind=EndUser"),
    "createUser": lambda actors: actors.signed("POST", "/auth/users", {"email": "kim@example.co", "kind": "EndUser"}),
    "getUser": lambda actors: actors.as_operator("GET", f"/auth/users/{actors.invited.pk}"),
    "archiveUser": lambda actors: actors.signed("DELETE", f"/auth/users/{actors.invited.pk}"),
    "activateUser": lambda actors: actors.signed("PUT", f"/auth/users/{actors.invited.pk}/activate"),
    "deactivateUser": lambda actors: actors.signed("PUT", f"/auth/users/{actors.invited.pk}/deactivate"),
    "listTokenKeys": lambda actors: actors.ask("GET", "/.well-known/jwks.json"),
    "describe": lambda actors: actors.ask("GET", "/auth/openapi.json"),
}
