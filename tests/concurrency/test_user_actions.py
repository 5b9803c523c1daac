"""Sixty at once with one user action, one signed challenge, one recovery: each is good once (R-81, R-85)."""

import json
from typing import Any

from django.contrib.auth.models import Permission

from dfns_login.models import Account, AccountState, AuditEvent, AuditKind, CodePurpose, Credential, CredentialKind
from tests.support.authenticators import Kind, SoftwareKey, base64url, compact_json
from tests.support.factories import Person, issue, make_organization, make_person
from tests.support.fido2_authenticator import Passkey
from tests.support.parallel_requests import PARALLEL, Answer, Call, send, send_at_once
from tests.support.race_calls import successes

ROUNDS = 3
NOT_AUTHORIZED = (401, "Not Authorized.")
SPENT_CHALLENGE = (400, "Challenge token is not valid.")
SPENT_ACTION = (400, "user action has already been used")


def good(answer: Answer) -> Any:
    assert answer.status == 200, answer
    return answer.body


def sign_in(web: str, person: Person) -> str:
    opened = good(send(web, Call(path="/auth/login/init", body=person.names)))
    return str(good(send(web, Call(path="/auth/login", body=answered(opened, person.key))))["token"])


def answered(opened: dict[str, Any], key: SoftwareKey) -> dict[str, Any]:
    return {"challengeIdentifier": opened["challengeIdentifier"], "firstFactor": key.factor(opened["challenge"])}


def signing(web: str, person: Person, token: str, *, method: str, path: str, body: Any) -> Call:
    """What gives the user action for this request, signed and ready."""
    asked = {"userActionPayload": json.dumps(body), "userActionHttpMethod": method, "userActionHttpPath": path}
    opened = good(send(web, Call(path="/auth/action/init", body=asked, bearer=token)))
    return Call(path="/auth/action", body=answered(opened, person.key), bearer=token)


def test_of_sixty_requests_with_one_user_action_one_is_served(web: str) -> None:
    person = make_person(None, "jane@example.co", SoftwareKey.make())
    token = sign_in(web, person)
    for number in range(2, ROUNDS + 2):
        opened = good(send(web, Call(path="/auth/credentials/init", body={"kind": "Key"}, bearer=token)))
        body = {
            "challengeIdentifier": opened["challengeIdentifier"],
            "credentialName": "New",
            **SoftwareKey.make().credential(opened["challenge"]),
        }
        action = good(send(web, signing(web, person, token, method="POST", path="/auth/credentials", body=body)))
        add = Call(path="/auth/credentials", body=body, bearer=token, user_action=action["userAction"])
        assert successes(send_at_once(web, [add] * PARALLEL), refusal=SPENT_ACTION) == 1
        assert person.account.credentials.count() == number


def test_of_sixty_answers_to_one_challenge_one_gets_a_user_action(web: str) -> None:
    person = make_person(None, "jane@example.co", SoftwareKey.make())
    token = sign_in(web, person)
    for _ in range(ROUNDS):
        sign = signing(web, person, token, method="POST", path="/things", body={})
        assert successes(send_at_once(web, [sign] * PARALLEL), refusal=SPENT_CHALLENGE) == 1
    assert AuditEvent.objects.filter(kind=AuditKind.ACTION_SIGNED, account=person.account).count() == ROUNDS


def test_one_answer_of_a_passkey_that_comes_sixty_times_is_no_copy_of_it(web: str) -> None:
    """Its count is kept once, and its owner is told of nothing."""
    person = make_person(None, "jane@example.co", SoftwareKey.make())
    account = person.account
    account.credentials.update(kind=CredentialKind.FIDO2, backup_eligible=True)
    passkey = Passkey(key=person.key, account_id=account.pk, origin=web, rp_id="localhost")
    for count in range(1, ROUNDS + 1):
        opened = good(send(web, Call(path="/auth/login/init", body=person.names)))
        body = {
            "challengeIdentifier": opened["challengeIdentifier"],
            "firstFactor": passkey.factor(opened["challenge"], sign_count=count),
        }
        answers = send_at_once(web, [Call(path="/auth/login", body=body)] * PARALLEL)
        assert successes(answers, refusal=SPENT_CHALLENGE) == 1
        assert Credential.objects.get(account=account).sign_count == count
    assert not AuditEvent.objects.filter(kind=AuditKind.CREDENTIAL_SUSPECTED, account=account).exists()


def test_of_sixty_recoveries_with_one_key_one_recovers(web: str) -> None:
    """With one token, and with two tokens for one account."""
    for number in range(ROUNDS):
        keys = (SoftwareKey.make(), SoftwareKey.make(kind=Kind.RECOVERY_KEY))
        person = make_person(None, f"jane-{number}@example.co", *keys)
        both = [recovery(web, person) for _ in range(2)]
        answers = send_at_once(web, both * (PARALLEL // 2))
        assert successes(answers, refusal=NOT_AUTHORIZED) == 1
        assert person.account.credentials.usable().count() == 1


def test_of_two_operators_who_deactivate_each_other_at_once_one_does(web: str) -> None:
    """R-122. The other one is signed out by then."""
    for number in range(ROUNDS):
        organization = make_organization()
        operators = [
            make_person(organization, f"{name}-{number}@example.co", SoftwareKey.make()) for name in ("jane", "kim")
        ]
        calls = []
        for operator, other in (operators, operators[::-1]):
            user: Any = operator.account.user
            user.user_permissions.set(Permission.objects.filter(codename="change_account"))
            token, path = sign_in(web, operator), f"/auth/users/{other.account.pk}/deactivate"
            action = good(send(web, signing(web, operator, token, method="PUT", path=path, body={})))
            calls.append(Call(path=path, body={}, bearer=token, user_action=action["userAction"], method="PUT"))
        assert successes(send_at_once(web, calls), refusal=NOT_AUTHORIZED) == 1
        assert Account.objects.filter(organization=organization, state=AccountState.REGISTERED).count() == 1


def recovery(web: str, person: Person) -> Call:
    key = person.keys[1]
    code = issue(person.account.recipient, purpose=CodePurpose.RECOVERY)
    asked = {**person.names, "verificationCode": code, "credentialId": key.credential_id}
    opened = good(send(web, Call(path="/auth/recover/user/init", body=asked)))
    new = {"firstFactorCredential": SoftwareKey.make().credential(opened["challenge"])}
    assertion = key.answer(base64url(compact_json(new).encode()))
    body = {"recovery": {"kind": "RecoveryKey", "credentialAssertion": assertion}, "newCredentials": new}
    return Call(path="/auth/recover/user", body=body, bearer=opened["temporaryAuthenticationToken"])
