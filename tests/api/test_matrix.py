"""Every kind of token, challenge and code at every endpoint that takes one: only the diagonal works.

Each cell starts from the request that is accepted and puts in one thing of another kind; the accepted one is sent
at the end, so that what was refused was refused for that alone.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dfns_login.models import Account, AccountState, CodePurpose, Credential, Organization
from dfns_login.proofs.challenges import Ceremony, open_challenge
from dfns_login.proofs.codes import show_credential_code
from dfns_login.verification.encoding import EncodingError, decode_base64url
from tests.support.api_client import (
    CHALLENGE_NOT_VALID,
    INVALID_CODE,
    NOT_AUTHORIZED,
    call,
    open_login,
    open_registration,
    post,
    sign_in,
    told,
)
from tests.support.authenticators import Kind, Members, SoftwareKey, base64url, compact_json
from tests.support.clock import SECOND
from tests.support.factories import SOMEWHERE, Person, issue, make_account, make_organization, make_person
from tests.support.fido2_authenticator import Passkey
from tests.support.signed_in import SignedIn

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]

UNSIGNED = (403, "user action signature is missing or invalid")
NOT_FOUND = (404, "Not found.")
GARBAGE = ("", "x", "a.b.c", "é", "null", "eyJhbGciOiJub25lIn0.e30.")
SWITCH = "/auth/credentials/activate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """An organization with a registered person and an invited one, and the challenges they open."""

    client: Client
    organization: Organization
    person: Person
    invited: Account
    token: str

    @classmethod
    def make(cls, client: Client, address: str = "example.co") -> "Scene":
        organization = make_organization()
        keys = (SoftwareKey.make(), SoftwareKey.make(kind=Kind.RECOVERY_KEY))
        person = make_person(organization, f"jane@{address}", *keys)
        invited = make_account(organization, f"lee@{address}", state=AccountState.INVITED)
        token = sign_in(client, person)
        return cls(client=client, organization=organization, person=person, invited=invited, token=token)

    @property
    def session(self) -> SignedIn:
        return SignedIn(client=self.client, person=self.person, token=self.token)

    @property
    def recovery_key(self) -> SoftwareKey:
        return self.person.keys[1]

    @property
    def invited_names(self) -> dict[str, str]:
        return {"username": self.invited.username, "orgId": self.organization.pk}

    # Codes, challenges and tokens

    def code(self, purpose: CodePurpose, *, of: Account | None = None) -> str:
        account = of or (self.invited if purpose == CodePurpose.REGISTRATION else self.person.account)
        if purpose == CodePurpose.CREDENTIAL:
            now = timezone.now()
            soon = now + 50 * SECOND
            return show_credential_code(account, expires_at=soon, requester=SOMEWHERE, now=now)
        return issue(account.recipient, purpose=purpose)

    def registration(self) -> Members:
        return opened(open_registration(self.client, self.invited_names, self.code(CodePurpose.REGISTRATION)))

    def recovery(self) -> Members:
        return opened(recover_init(self, self.code(CodePurpose.RECOVERY)))

    def login(self) -> Members:
        return opened(open_login(self.client, self.person.names))

    def action(self) -> Members:
        return self.session.open_action("POST", "/auth/credentials")

    def user_action(self) -> str:
        return self.session.user_action("PUT", SWITCH, json.dumps(self.switch))

    @property
    def switch(self) -> Members:
        return {"credentialUuid": Credential.objects.get(credential_id=self.person.key.credential_id).pk}

    def credential(self) -> Members:
        return opened(self.session.call("POST", "/auth/credentials/init", {"kind": "Key"}))

    def credential_by_code(self) -> Members:
        return opened(credential_init(self, self.code(CodePurpose.CREDENTIAL)))


def opened(answer: Any) -> Members:
    assert answer.status_code == 200, answer.content
    body: Members = answer.json()
    return body


def recover_init(scene: Scene, code: str) -> Any:
    body = {**scene.person.names, "verificationCode": code, "credentialId": scene.recovery_key.credential_id}
    return post(scene.client, "/auth/recover/user/init", body)


def credential_init(scene: Scene, code: str) -> Any:
    return post(scene.client, "/auth/credentials/code/init", {"code": code, "credentialKind": "Key"})


def recovery_body(scene: Scene, challenge: str) -> Members:
    new = {"firstFactorCredential": SoftwareKey.make().credential(challenge)}
    assertion = scene.recovery_key.answer(base64url(compact_json(new).encode()))
    return {"recovery": {"kind": "RecoveryKey", "credentialAssertion": assertion}, "newCredentials": new}


@pytest.fixture
def scene(client: Client) -> Scene:
    return Scene.make(client)


# Bearer tokens, R-71


TOKENS: dict[str, Callable[[Scene], str]] = {
    "login": lambda scene: sign_in(scene.client, scene.person),
    "registration": lambda scene: str(scene.registration()["temporaryAuthenticationToken"]),
    "recovery": lambda scene: str(scene.recovery()["temporaryAuthenticationToken"]),
    "user action": lambda scene: scene.user_action(),
    "challenge of a login": lambda scene: str(scene.login()["challengeIdentifier"]),
    "challenge of a credential": lambda scene: str(scene.credential()["temporaryAuthenticationToken"]),
    "challenge of a credential by code": lambda scene: str(scene.credential_by_code()["temporaryAuthenticationToken"]),
    "login code": lambda scene: scene.code(CodePurpose.LOGIN),
    **{f"garbage {each!r}": lambda scene, each=each: each for each in GARBAGE},
}
of_each_token = pytest.mark.parametrize("kind", TOKENS)

Send = Callable[[str], Any]


def registering(scene: Scene) -> Send:
    challenge = scene.registration()["challenge"]

    def send(bearer: str) -> Any:
        own = json.loads(claims(bearer)).get("challenge", challenge)
        body = {"firstFactorCredential": SoftwareKey.make().credential(own)}
        return post(scene.client, "/auth/registration", body, bearer=bearer)

    return send


def recovering(scene: Scene) -> Send:
    challenge = scene.recovery()["challenge"]

    def send(bearer: str) -> Any:
        own = json.loads(claims(bearer)).get("challenge", challenge)
        return post(scene.client, "/auth/recover/user", recovery_body(scene, own), bearer=bearer)

    return send


def claims(token: str) -> str:
    """Return the claims of a token, so that the body can answer the challenge in it."""
    try:
        return decode_base64url(token.split(".")[1]).decode()
    except (EncodingError, IndexError, UnicodeError):
        return "{}"


BEARERS: dict[str, tuple[str, Callable[[Scene], Send]]] = {
    "GET credentials": (
        "login",
        lambda scene: lambda bearer: call(scene.client, "GET", "/auth/credentials", bearer=bearer),
    ),
    "GET sessions": ("login", lambda scene: lambda bearer: call(scene.client, "GET", "/auth/sessions", bearer=bearer)),
    "GET activity": ("login", lambda scene: lambda bearer: call(scene.client, "GET", "/auth/activity", bearer=bearer)),
    "POST credentials/init": (
        "login",
        lambda scene: lambda bearer: post(scene.client, "/auth/credentials/init", {"kind": "Key"}, bearer=bearer),
    ),
    "POST action/init": (
        "login",
        lambda scene: (
            lambda bearer: post(
                scene.client,
                "/auth/action/init",
                {"userActionPayload": "", "userActionHttpMethod": "PUT", "userActionHttpPath": "/x"},
                bearer=bearer,
            )
        ),
    ),
    "PUT logout": ("login", lambda scene: lambda bearer: call(scene.client, "PUT", "/auth/logout", {}, bearer=bearer)),
    "POST registration": ("registration", registering),
    "POST recover/user": ("recovery", recovering),
}


@of_each_token
@pytest.mark.parametrize("endpoint", BEARERS)
def test_a_bearer_token_works_only_at_its_own_endpoints(scene: Scene, endpoint: str, kind: str) -> None:
    """R-71."""
    belongs, prepare = BEARERS[endpoint]
    send = prepare(scene)
    answer = send(TOKENS[kind](scene))
    if kind == belongs:
        assert answer.status_code == 200, answer.content
    else:
        assert told(answer) == NOT_AUTHORIZED
        assert send(TOKENS[belongs](scene)).status_code == 200


@of_each_token
def test_only_a_user_action_is_accepted_as_a_user_action(scene: Scene, kind: str) -> None:
    """R-71, R-84."""
    answer = scene.session.call("PUT", SWITCH, scene.switch, x_dfns_useraction=TOKENS[kind](scene))
    if kind == "user action":
        assert answer.status_code == 200, answer.content
    else:
        assert told(answer) == UNSIGNED
        fresh = scene.user_action()
        assert scene.session.call("PUT", SWITCH, scene.switch, x_dfns_useraction=fresh).status_code == 200


# Challenges, R-52 and R-86


def of_ceremony(ceremony: Ceremony, *, bound: str = "") -> Callable[[Scene], Members]:
    """Return a challenge that we sealed for this ceremony and the same account."""

    def make(scene: Scene) -> Members:
        account = scene.person.account
        made = open_challenge(
            ceremony,
            organization=account.organization_id,
            account_id=account.pk,
            generation=account.generation,
            bound=bound,
            now=timezone.now(),
        )
        return {"challenge": made.challenge, "challengeIdentifier": made.identifier}

    return make


CHALLENGES: dict[str, Callable[[Scene], Members]] = {
    "login": Scene.login,
    "action": Scene.action,
    "credential": Scene.credential,
    "credential by code": Scene.credential_by_code,
    **{f"sealed for {each.value}": of_ceremony(each) for each in (Ceremony.REGISTRATION, Ceremony.RECOVERY)},
    "sealed for credential, bound to nothing": of_ceremony(Ceremony.CREDENTIAL),
    "sealed for action, bound to nothing": of_ceremony(Ceremony.ACTION),
    "registration": lambda scene: with_token(scene.registration()),
    "recovery": lambda scene: with_token(scene.recovery()),
    "a user action": lambda scene: {"challenge": "x", "challengeIdentifier": scene.user_action()},
    "a login token": lambda scene: {"challenge": "x", "challengeIdentifier": sign_in(scene.client, scene.person)},
}


def with_token(body: Members) -> Members:
    return {**body, "challengeIdentifier": body["temporaryAuthenticationToken"]}


def sign(scene: Scene, challenge: Members) -> Members:
    return {
        "challengeIdentifier": challenge["challengeIdentifier"],
        "firstFactor": scene.person.key.factor(challenge["challenge"]),
    }


def create(challenge: Members) -> Members:
    credential = SoftwareKey.make().credential(challenge["challenge"])
    return {"challengeIdentifier": challenge["challengeIdentifier"], "credentialName": "Mine", **credential}


ANSWERS: dict[str, tuple[str, Callable[[Scene, Members], Any]]] = {
    "POST login": ("login", lambda scene, each: post(scene.client, "/auth/login", sign(scene, each))),
    "POST login/complete": ("login", lambda scene, each: post(scene.client, "/login/complete", sign(scene, each))),
    "POST action": ("action", lambda scene, each: scene.session.call("POST", "/auth/action", sign(scene, each))),
    "POST credentials": (
        "credential",
        lambda scene, each: scene.session.signed("POST", "/auth/credentials", create(each)),
    ),
    "POST credentials/code/verify": (
        "credential by code",
        lambda scene, each: post(scene.client, "/auth/credentials/code/verify", create(each)),
    ),
}
LOGINS = {"POST login", "POST login/complete"}


@pytest.mark.parametrize("kind", CHALLENGES)
@pytest.mark.parametrize("endpoint", ANSWERS)
def test_a_challenge_works_only_in_its_own_ceremony(scene: Scene, endpoint: str, kind: str) -> None:
    """R-86: signed as the endpoint requires, by the account it was opened for."""
    belongs, answer = ANSWERS[endpoint]
    if kind == belongs:
        assert answer(scene, CHALLENGES[kind](scene)).status_code == 200
    else:
        assert told(answer(scene, CHALLENGES[kind](scene))) == CHALLENGE_NOT_VALID
        assert answer(scene, CHALLENGES[belongs](scene)).status_code == 200


@pytest.mark.parametrize("kind", CHALLENGES)
@pytest.mark.parametrize("endpoint", ANSWERS)
def test_signing_another_challenge_is_refused(scene: Scene, endpoint: str, kind: str) -> None:
    """R-86: the identifier is right, but the signed text is that of another challenge."""
    belongs, answer = ANSWERS[endpoint]
    right = CHALLENGES[belongs](scene)
    mixed = {**right, "challenge": CHALLENGES[kind](scene)["challenge"]}
    refused = answer(scene, mixed)
    if endpoint in {*LOGINS, "POST action"}:
        assert told(refused) == NOT_AUTHORIZED
    else:
        assert told(refused) == (400, "The credential is not valid.")
    assert answer(scene, right).status_code == 200


@pytest.mark.parametrize("kind", CHALLENGES)
def test_registration_and_recovery_require_the_challenge_of_their_token(scene: Scene, kind: str) -> None:
    """R-86: a temporary token contains its challenge."""
    text = CHALLENGES[kind](scene)["challenge"]
    registration, recovery = scene.registration(), scene.recovery()
    bearer = {"bearer": registration["temporaryAuthenticationToken"]}
    refused = post(
        scene.client, "/auth/registration", {"firstFactorCredential": SoftwareKey.make().credential(text)}, **bearer
    )
    assert told(refused) == (400, "The credential is not valid.")
    body = {"firstFactorCredential": SoftwareKey.make().credential(registration["challenge"])}
    assert post(scene.client, "/auth/registration", body, **bearer).status_code == 200
    bearer = {"bearer": recovery["temporaryAuthenticationToken"]}
    refused = post(scene.client, "/auth/recover/user", recovery_body(scene, text), **bearer)
    assert told(refused) == (400, "The credential is not valid.")
    body = recovery_body(scene, recovery["challenge"])
    assert post(scene.client, "/auth/recover/user", body, **bearer).status_code == 200


# Codes, R-09


Present = Callable[[Scene, str], Any]
DOORS: dict[CodePurpose, Present] = {
    CodePurpose.LOGIN: lambda scene, code: open_login(scene.client, scene.person.names, loginCode=code),
    CodePurpose.REGISTRATION: lambda scene, code: open_registration(scene.client, scene.invited_names, code),
    CodePurpose.RECOVERY: recover_init,
    CodePurpose.CREDENTIAL: credential_init,
}


@pytest.mark.parametrize("purpose", CodePurpose)
@pytest.mark.parametrize("door", CodePurpose)
def test_a_code_works_only_for_its_purpose(scene: Scene, door: CodePurpose, purpose: CodePurpose) -> None:
    """R-09: codes of one account, at endpoints that know the account."""
    owner = scene.invited if door == CodePurpose.REGISTRATION else scene.person.account
    answer = DOORS[door](scene, scene.code(purpose, of=owner))
    if purpose == door:
        assert answer.status_code == 200, answer.content
    else:
        assert told(answer) == INVALID_CODE
        assert DOORS[door](scene, scene.code(door, of=owner)).status_code == 200


@pytest.mark.parametrize("door", CodePurpose)
@pytest.mark.parametrize("kind", [each for each in TOKENS if each != "login code"])
def test_a_token_is_not_accepted_as_a_code(scene: Scene, door: CodePurpose, kind: str) -> None:
    text = TOKENS[kind](scene)
    answer = DOORS[door](scene, text)
    assert answer.status_code == (400 if not text or len(text) > 64 else 403)


# Two organizations with the same addresses


@pytest.fixture
def there(client: Client) -> Scene:
    """The same names in another organization."""
    return Scene.make(client)


def test_the_organizations_share_only_names(scene: Scene, there: Scene) -> None:
    assert scene.person.account.username == there.person.account.username
    assert scene.invited.username == there.invited.username
    assert scene.organization != there.organization


@pytest.mark.parametrize("door", [each for each in CodePurpose if each != CodePurpose.CREDENTIAL])
def test_a_code_does_not_work_in_another_organization(scene: Scene, there: Scene, door: CodePurpose) -> None:
    """R-09, R-87."""
    assert told(DOORS[door](there, scene.code(door))) == INVALID_CODE
    there.code(door)
    assert told(DOORS[door](there, scene.code(door))) == INVALID_CODE
    assert DOORS[door](scene, scene.code(door)).status_code == 200


def test_a_shown_code_always_opens_its_own_account(scene: Scene, there: Scene) -> None:
    """The code names its row, and the row its organization."""
    made = scene.credential_by_code()
    assert made["user"]["id"] == scene.person.account.pk
    assert post(scene.client, "/auth/credentials/code/verify", create(made)).status_code == 200
    assert there.person.account.credentials.count() == 2


@pytest.mark.parametrize("endpoint", ANSWERS)
def test_a_challenge_does_not_work_in_another_organization(scene: Scene, there: Scene, endpoint: str) -> None:
    """R-52, R-87: opened in one organization, answered in the other."""
    belongs, answer = ANSWERS[endpoint]
    opened_here = CHALLENGES[belongs](scene)
    crossed = answer(there, opened_here)
    if endpoint == "POST credentials/code/verify":
        made = Credential.objects.get(pk=crossed.json()["credentialUuid"])  # the request names no organization
        assert made.account == scene.person.account
        return
    assert told(crossed) == (NOT_AUTHORIZED if endpoint in LOGINS else CHALLENGE_NOT_VALID)
    assert answer(scene, opened_here).status_code == 200


def test_a_temporary_token_does_not_work_in_another_organization(scene: Scene, there: Scene) -> None:
    """R-87: the token names the account, and only its recovery key can sign."""
    mine, theirs = scene.recovery(), there.recovery()
    bearer = mine["temporaryAuthenticationToken"]
    for body in (
        recovery_body(there, mine["challenge"]),
        recovery_body(there, theirs["challenge"]),
    ):
        assert told(post(scene.client, "/auth/recover/user", body, bearer=bearer)) == NOT_AUTHORIZED
    done = post(scene.client, "/auth/recover/user", recovery_body(scene, mine["challenge"]), bearer=bearer)
    assert done.json()["user"]["orgId"] == scene.organization.pk
    assert there.person.account.credentials.usable().count() == 2
    token = scene.registration()
    body = {"firstFactorCredential": SoftwareKey.make().credential(token["challenge"])}
    done = post(scene.client, "/auth/registration", body, bearer=token["temporaryAuthenticationToken"])
    assert done.json()["user"]["orgId"] == scene.organization.pk
    there.invited.refresh_from_db()
    assert there.invited.state == AccountState.INVITED


def test_a_user_action_does_not_work_in_another_organization(scene: Scene, there: Scene) -> None:
    action = there.user_action()
    assert told(scene.session.call("PUT", SWITCH, there.switch, x_dfns_useraction=action)) == UNSIGNED
    assert told(scene.session.signed("PUT", SWITCH, there.switch)) == NOT_FOUND
    assert there.session.call("PUT", SWITCH, there.switch, x_dfns_useraction=action).status_code == 200


def test_a_credential_does_not_work_in_another_organization(scene: Scene, there: Scene) -> None:
    """R-55, R-87: with a username and, for passkeys, without. It is not listed there either."""
    shown = there.login()
    assert scene.person.key.credential_id not in json.dumps(shown)
    answer = {
        "challengeIdentifier": shown["challengeIdentifier"],
        "firstFactor": scene.person.key.factor(shown["challenge"]),
    }
    assert told(post(scene.client, "/auth/login", answer)) == NOT_AUTHORIZED
    Credential.objects.filter(credential_id=scene.person.key.credential_id).update(kind="Fido2", backup_eligible=True)
    for account in (scene.person.account, there.person.account):
        passkey = Passkey(
            key=scene.person.key, account_id=account.pk, origin="http://localhost:8000", rp_id="localhost"
        )
        challenge = opened(open_login(scene.client, {"orgId": there.organization.pk}))
        answer = {
            "challengeIdentifier": challenge["challengeIdentifier"],
            "firstFactor": passkey.factor(challenge["challenge"]),
        }
        assert told(post(scene.client, "/auth/login", answer)) == NOT_AUTHORIZED
    listed = there.session.call("GET", "/auth/credentials").json()
    mine = set(scene.person.account.credentials.values_list("pk", flat=True))
    assert {each["credentialUuid"] for each in listed["items"]}.isdisjoint(mine)
