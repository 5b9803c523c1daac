"""For each operation a request that is accepted, ready to be sent, or to be changed in one thing and sent."""

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
class Asked:
    """A request. bearer, action: its tokens, where it has them."""

    method: str
    path: str
    data: bytes = b""
    bearer: str = ""
    action: str = ""
    content_type: str = "application/json"


class Scene:
    """An operator who may do everything, with three keys of three kinds; and somebody who is invited."""

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
        """The operator's, which is the first."""
        return Session.objects.filter(account=self.person.account).earliest("pk")

    def uuid(self, key: SoftwareKey) -> str:
        return str(self.person.account.credentials.get(credential_id=key.credential_id).pk)

    def ask(self, method: str, path: str, body: Any = None, *, bearer: str = "") -> Asked:
        return Asked(method=method, path=path, data=b"" if body is None else json.dumps(body).encode(), bearer=bearer)

    def as_operator(self, method: str, path: str, body: Any = None) -> Asked:
        return self.ask(method, path, body, bearer=self.operator.token)

    def sign(self, asked: Asked) -> Asked:
        """The request with a user action for it."""
        action = self.operator.user_action(asked.method, asked.path, asked.data.decode())
        return replace(asked, action=action)

    def signed(self, method: str, path: str, body: Any = None) -> Asked:
        return self.sign(self.as_operator(method, path, body))

    def send(self, asked: Asked) -> HttpResponse:
        headers = {"HTTP_AUTHORIZATION": f"Bearer {asked.bearer}"} if asked.bearer else {}
        headers |= {"HTTP_X_DFNS_USERACTION": asked.action} if asked.action else {}
        return self.client.generic(asked.method, asked.path, asked.data, asked.content_type, **headers)

    def given(self, path: str, body: Any, *, bearer: str = "") -> Any:
        """What an accepted request is answered."""
        answer = post(self.client, path, body, bearer=bearer)
        assert answer.status_code == 200, answer.content
        return json.loads(answer.content)


def names(account: Account) -> dict[str, str]:
    return {"username": account.username, "orgId": account.organization_id}


def login_challenge(scene: Scene) -> Any:
    return scene.given("/auth/login/init", {**scene.person.names, "loginCode": issue(scene.person.account.recipient)})


def answered(key: SoftwareKey, challenge: Any, *, fault: Fault | None = None) -> Members:
    return {
        "challengeIdentifier": challenge["challengeIdentifier"],
        "firstFactor": key.factor(challenge["challenge"], fault=fault),
    }


def login(scene: Scene, fault: Fault | None = None) -> Asked:
    return scene.ask("POST", "/auth/login", answered(scene.person.key, login_challenge(scene), fault=fault))


def browser_login(scene: Scene, fault: Fault | None = None) -> Asked:
    body = {**answered(scene.person.key, login_challenge(scene), fault=fault), "next": "/wallets/"}
    return scene.ask("POST", "/login/complete", body)


def registration_init(scene: Scene) -> Members:
    code = issue(scene.invited.recipient, purpose=CodePurpose.REGISTRATION)
    return {**names(scene.invited), "registrationCode": code}


def register(scene: Scene, key: SoftwareKey, fault: Fault | None = None) -> Asked:
    opened = scene.given("/auth/registration/init", registration_init(scene))
    body = {"firstFactorCredential": key.credential(opened["challenge"], fault=fault)}
    return scene.ask("POST", "/auth/registration", body, bearer=opened["temporaryAuthenticationToken"])


def creation(opened: Any, key: SoftwareKey, fault: Fault | None = None) -> Members:
    credential = key.credential(opened["challenge"], fault=fault)
    return {"challengeIdentifier": opened["challengeIdentifier"], "credentialName": "Second", **credential}


def create_credential(scene: Scene, key: SoftwareKey, fault: Fault | None = None) -> Asked:
    opened = scene.given("/auth/credentials/init", {"kind": key.kind}, bearer=scene.operator.token)
    return scene.signed("POST", "/auth/credentials", creation(opened, key, fault))


def rename(scene: Scene, uuid: str) -> Asked:
    body = {"credentialUuid": uuid, "credentialName": "Laptop"}
    return scene.signed("PUT", "/auth/credentials/rename", body)


def replace_key(scene: Scene, uuid: str, envelope: str | None = None) -> Asked:
    body = {"credentialUuid": uuid, "encryptedPrivateKey": envelope or opaque_envelope()}
    return scene.signed("PUT", "/auth/credentials/key", body)


def end_session(scene: Scene, session: str) -> Asked:
    return scene.as_operator("PUT", "/auth/sessions/end", {"sessionId": session})


def credential_code(scene: Scene) -> Asked:
    return scene.signed("POST", "/auth/credentials/code", {"expiration": int(time.time()) + 50})


def code_init(scene: Scene) -> Members:
    return {"code": json.loads(scene.send(credential_code(scene)).content)["code"], "credentialKind": "Key"}


def create_credential_with_code(scene: Scene, key: SoftwareKey, fault: Fault | None = None) -> Asked:
    opened = scene.given("/auth/credentials/code/init", code_init(scene))
    return scene.ask("POST", "/auth/credentials/code/verify", creation(opened, key, fault))


def action(scene: Scene) -> Asked:
    challenge = scene.operator.open_action("DELETE", "/wallets/1")
    return scene.as_operator("POST", "/auth/action", answered(scene.operator.key, challenge))


def recovery_init(scene: Scene, key: SoftwareKey | None = None) -> Members:
    code = issue(scene.person.account.recipient, purpose=CodePurpose.RECOVERY)
    credential_id = (key or scene.person.keys[1]).credential_id
    return {**scene.person.names, "verificationCode": code, "credentialId": credential_id}


def recover(scene: Scene, key: SoftwareKey, fault: Fault | None = None) -> Asked:
    opened = scene.given("/auth/recover/user/init", recovery_init(scene))
    new = {"firstFactorCredential": key.credential(opened["challenge"], fault=fault)}
    assertion = scene.person.keys[1].answer(base64url(compact_json(new).encode()))
    body = {"recovery": {"kind": "RecoveryKey", "credentialAssertion": assertion}, "newCredentials": new}
    return scene.ask("POST", "/auth/recover/user", body, bearer=opened["temporaryAuthenticationToken"])


def new_key() -> SoftwareKey:
    return SoftwareKey.make(kind=Kind.KEY)


def taken_key(scene: Scene) -> SoftwareKey:
    """A key whose credential id the organization has."""
    key = new_key()
    make_credential(make_account(scene.organization, "kim@example.co"), key)
    return key


def action_init(scene: Scene) -> Members:
    return {"userActionPayload": "", "userActionHttpMethod": "POST", "userActionHttpPath": "/wallets"}


ACCEPTED: dict[str, Callable[[Scene], Asked]] = {
    "sendLoginCode": lambda scene: scene.ask("POST", "/auth/login/code", scene.person.names),
    "createLoginChallenge": lambda scene: scene.ask(
        "POST", "/auth/login/init", {**scene.person.names, "loginCode": issue(scene.person.account.recipient)}
    ),
    "login": login,
    "completeBrowserLogin": browser_login,
    "logout": lambda scene: scene.as_operator("PUT", "/auth/logout", {"allSessions": True}),
    "resendRegistrationCode": lambda scene: scene.ask("PUT", "/auth/registration/code", names(scene.invited)),
    "createRegistrationChallenge": lambda scene: scene.ask("POST", "/auth/registration/init", registration_init(scene)),
    "register": lambda scene: register(scene, new_key()),
    "listCredentials": lambda scene: scene.as_operator("GET", "/auth/credentials"),
    "createCredential": lambda scene: create_credential(scene, new_key()),
    "createCredentialChallenge": lambda scene: scene.as_operator("POST", "/auth/credentials/init", {"kind": "Key"}),
    "activateCredential": lambda scene: scene.signed(
        "PUT", "/auth/credentials/activate", {"credentialUuid": scene.uuid(scene.person.key)}
    ),
    "deactivateCredential": lambda scene: scene.signed(
        "PUT", "/auth/credentials/deactivate", {"credentialUuid": scene.uuid(scene.person.keys[2])}
    ),
    "renameCredential": lambda scene: rename(scene, scene.uuid(scene.person.key)),
    "replaceCredentialKey": lambda scene: replace_key(scene, scene.uuid(scene.person.key)),
    "createCredentialCode": credential_code,
    "createCredentialChallengeWithCode": lambda scene: scene.ask(
        "POST", "/auth/credentials/code/init", code_init(scene)
    ),
    "createCredentialWithCode": lambda scene: create_credential_with_code(scene, new_key()),
    "listSessions": lambda scene: scene.as_operator("GET", "/auth/sessions"),
    "endSession": lambda scene: end_session(scene, str(scene.session.pk)),
    "listActivity": lambda scene: scene.as_operator("GET", "/auth/activity?limit=5"),
    "createUserActionChallenge": lambda scene: scene.as_operator("POST", "/auth/action/init", action_init(scene)),
    "createUserActionSignature": action,
    "sendRecoveryCode": lambda scene: scene.ask("POST", "/auth/recover/user/code", scene.person.names),
    "sendRecoveryCodeAsOlderClientsDo": lambda scene: scene.ask("PUT", "/auth/recover/user/code", scene.person.names),
    "createRecoveryChallenge": lambda scene: scene.ask("POST", "/auth/recover/user/init", recovery_init(scene)),
    "recover": lambda scene: recover(scene, new_key()),
    "listUsers": lambda scene: scene.as_operator("GET", "/auth/users?limit=1&kind=EndUser"),
    "createUser": lambda scene: scene.signed("POST", "/auth/users", {"email": "kim@example.co", "kind": "EndUser"}),
    "getUser": lambda scene: scene.as_operator("GET", f"/auth/users/{scene.invited.pk}"),
    "archiveUser": lambda scene: scene.signed("DELETE", f"/auth/users/{scene.invited.pk}"),
    "activateUser": lambda scene: scene.signed("PUT", f"/auth/users/{scene.invited.pk}/activate"),
    "deactivateUser": lambda scene: scene.signed("PUT", f"/auth/users/{scene.invited.pk}/deactivate"),
    "listTokenKeys": lambda scene: scene.ask("GET", "/.well-known/jwks.json"),
    "describe": lambda scene: scene.ask("GET", "/auth/openapi.json"),
}
