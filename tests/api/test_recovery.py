"""Recovery over HTTP: it takes an emailed code and the recovery key, and voids everything older."""

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from dfns_login.ceremonies.operators import Operator, deactivate_account, reactivate_account
from dfns_login.models import (
    Account,
    AccountState,
    AuditEvent,
    AuditKind,
    CodePurpose,
    Credential,
    Notice,
    OneTimeCode,
    SecondFactor,
    Session,
)
from dfns_login.proofs import guess_cap
from tests.support.api_client import (
    CHALLENGE_NOT_VALID,
    INVALID_CODE,
    NOT_AUTHORIZED,
    complete_login,
    details,
    message,
    open_login,
    post,
    told,
)
from tests.support.authenticators import Fault, Kind, Members, SoftwareKey, base64url, compact_json, opaque_envelope
from tests.support.factories import (
    SOMEWHERE,
    Person,
    issue,
    make_account,
    make_credential,
    make_organization,
    make_person,
)
from tests.support.fido2_authenticator import Passkey
from tests.support.signed_in import SignedIn, signed_in

pytestmark = pytest.mark.django_db


def recovery_key() -> SoftwareKey:
    return SoftwareKey.make(kind=Kind.RECOVERY_KEY)


@pytest.fixture
def jane(client: Client) -> SignedIn:
    person = make_person(
        make_organization(), "jane@example.co", SoftwareKey.make(kind=Kind.PASSWORD_PROTECTED_KEY), recovery_key()
    )
    return signed_in(client, person)


def open_recovery(client: Client, jane: SignedIn, **changes: Any) -> Any:
    code = issue(jane.person.account.recipient, purpose=CodePurpose.RECOVERY)
    body = {**jane.person.names, "verificationCode": code, "credentialId": jane.person.keys[1].credential_id}
    return post(client, "/auth/recover/user/init", body | changes)


def recovery_body(opened: Members, *, by: SoftwareKey, new: SoftwareKey | Passkey, **more: Any) -> Members:
    return signed_body({"firstFactorCredential": new.credential(opened["challenge"]), **more}, by=by)


def signed_body(credentials: Members, *, by: SoftwareKey, text: str = "", fault: Fault | None = None) -> Members:
    """text: signed in place of the sent credentials."""
    signed = base64url((text or compact_json(credentials)).encode())
    return {
        "recovery": {"kind": "RecoveryKey", "credentialAssertion": by.answer(signed, fault=fault)},
        "newCredentials": credentials,
    }


def recover(client: Client, opened: Members, body: Members) -> Any:
    return post(client, "/auth/recover/user", body, bearer=opened["temporaryAuthenticationToken"])


def test_a_code_and_the_recovery_key_replace_everything(client: Client, jane: SignedIn) -> None:
    """R-80, R-81."""
    opened = open_recovery(client, jane)
    assert opened.status_code == 200, opened.content
    assert opened.json()["allowedRecoveryCredentials"] == [
        {"id": jane.person.keys[1].credential_id, "encryptedRecoveryKey": ""}
    ]
    before = open_login(client, jane.person.names, loginCode=issue(jane.person.account.recipient)).json()
    live_code = issue(jane.person.account.recipient)
    new = SoftwareKey.make(kind=Kind.KEY)
    done = recover(client, opened.json(), recovery_body(opened.json(), by=jane.person.keys[1], new=new))
    assert done.status_code == 200, done.content
    assert jane.call("GET", "/auth/credentials").status_code == 401
    assert complete_login(client, before, jane.key).status_code == 401
    assert open_login(client, jane.person.names, loginCode=live_code).status_code == 403
    assert open_recovery(client, jane).status_code == 401  # the recovery key has been used
    challenge = open_login(client, jane.person.names).json()
    assert complete_login(client, challenge, new).status_code == 200
    event = AuditEvent.objects.get(kind=AuditKind.RECOVERED)
    assert Notice.objects.filter(event=event).exists()


def test_an_older_challenge_does_not_work_for_the_new_key(client: Client, jane: SignedIn) -> None:
    before = open_login(client, jane.person.names).json()
    opened = open_recovery(client, jane).json()
    new = SoftwareKey.make(kind=Kind.KEY)
    assert recover(client, opened, recovery_body(opened, by=jane.person.keys[1], new=new)).status_code == 200
    assert complete_login(client, before, new).status_code == 401


def test_a_recovery_is_completed_once(client: Client, jane: SignedIn) -> None:
    """R-83."""
    opened = open_recovery(client, jane).json()
    body = recovery_body(opened, by=jane.person.keys[1], new=SoftwareKey.make(kind=Kind.KEY))
    assert recover(client, opened, body).status_code == 200
    assert recover(client, opened, body).status_code == 401


def test_recovery_requires_the_emailed_code(client: Client, jane: SignedIn) -> None:
    """R-80."""
    refused = open_recovery(client, jane, verificationCode="0000-0000-0000-0000")
    assert (refused.status_code, message(refused)) == (403, "Invalid code")


def test_recovery_requires_the_recovery_key(client: Client, jane: SignedIn) -> None:
    """R-80."""
    opened = open_recovery(client, jane).json()
    body = recovery_body(opened, by=recovery_key(), new=SoftwareKey.make(kind=Kind.KEY))
    assert recover(client, opened, body).status_code == 401


def test_the_recovery_key_must_sign_the_new_credentials(client: Client, jane: SignedIn) -> None:
    """R-80."""
    opened = open_recovery(client, jane).json()
    body = recovery_body(opened, by=jane.person.keys[1], new=SoftwareKey.make(kind=Kind.KEY))
    other = recovery_body(opened, by=jane.person.keys[1], new=SoftwareKey.make(kind=Kind.KEY))
    swapped = {"recovery": body["recovery"], "newCredentials": other["newCredentials"]}
    assert recover(client, opened, swapped).status_code == 401


def test_a_credential_that_is_not_a_recovery_key_is_refused(client: Client, jane: SignedIn) -> None:
    refused = open_recovery(client, jane, credentialId=jane.key.credential_id)
    assert (refused.status_code, message(refused)) == (401, "Credential cannot be used as a recovery factor.")


def test_a_credential_that_is_refused_does_not_use_up_the_code(client: Client, jane: SignedIn) -> None:
    """R-230: each refusal counts as a guess and is recorded, and nothing is released."""
    code = issue(jane.person.account.recipient, purpose=CodePurpose.RECOVERY)
    for other in (jane.key, recovery_key()):
        refused = open_recovery(client, jane, verificationCode=code, credentialId=other.credential_id)
        assert told(refused) == (401, "Credential cannot be used as a recovery factor.")
    assert OneTimeCode.objects.open().get(purpose=CodePurpose.RECOVERY).guesses == 2
    events = AuditEvent.objects.filter(account=jane.person.account, detail__purpose="recovery")
    assert [each.kind for each in events] == [AuditKind.CODE_PRESENTED] * 2
    assert not Notice.objects.filter(event__in=events).exists()
    assert open_recovery(client, jane, verificationCode=code).status_code == 200
    assert told(open_recovery(client, jane, verificationCode=code)) == INVALID_CODE


def test_a_code_without_guesses_left_does_not_tell_whether_it_is_right(client: Client, jane: SignedIn) -> None:
    """R-04, R-230: neither the right kit nor a wrong one."""
    code = issue(jane.person.account.recipient, purpose=CodePurpose.RECOVERY)
    OneTimeCode.objects.open().update(guesses=guess_cap(CodePurpose.RECOVERY))
    for key in (jane.key, jane.person.keys[1]):
        refused = open_recovery(client, jane, verificationCode=code, credentialId=key.credential_id)
        assert told(refused) == INVALID_CODE
    assert not AuditEvent.objects.filter(account=jane.person.account, detail__purpose="recovery").exists()


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_recovery_code_is_asked_for_by_both_methods(client: Client, jane: SignedIn, method: str) -> None:
    answer = client.generic(
        method, "/auth/recover/user/code", compact_json(jane.person.names), content_type="application/json"
    )
    assert answer.json() == {"message": "success"}


# Nothing older survives


def test_everything_older_is_void(client: Client, jane: SignedIn) -> None:
    """R-81: everything that the account had open, tried after the recovery."""
    account = jane.person.account
    make_credential(account, other_key := SoftwareKey.make())
    other = SignedIn(client=client, person=jane.person, token=sign_in_by(client, jane, other_key))
    shown = jane.signed("POST", "/auth/credentials/code", {"expiration": timezone.now().timestamp() + 50}).json()
    opened_by_code = post(client, "/auth/credentials/code/init", {"code": shown["code"], "credentialKind": "Key"})
    soon = timezone.now().timestamp() + 50
    second_code = jane.signed("POST", "/auth/credentials/code", {"expiration": soon}).json()["code"]
    login = open_login(client, jane.person.names, loginCode=issue(account.recipient)).json()
    discoverable = open_login(client, {"orgId": account.organization_id}).json()
    adding = jane.call("POST", "/auth/credentials/init", {"kind": "Key"}).json()
    signing = jane.open_action("PUT", "/auth/credentials/activate")
    action = jane.user_action("POST", "/auth/credentials/init")
    login_code = issue(account.recipient)
    another = open_recovery(client, jane).json()
    opened = open_recovery(client, jane).json()
    recovery_code = issue(account.recipient, purpose=CodePurpose.RECOVERY)

    new = SoftwareKey.make()
    assert recover(client, opened, recovery_body(opened, by=jane.person.keys[1], new=new)).status_code == 200

    for session in (jane, other):
        assert told(session.call("GET", "/auth/credentials")) == NOT_AUTHORIZED
        assert told(session.complete_action(signing)) == NOT_AUTHORIZED
        assert told(session.call("POST", "/auth/credentials/init", {}, x_dfns_useraction=action)) == NOT_AUTHORIZED
    for challenge in (login, discoverable):
        for key in (jane.key, other_key, new):
            assert told(complete_login(client, challenge, key)) == NOT_AUTHORIZED
    late = {"challengeIdentifier": adding["challengeIdentifier"], "credentialName": "Late"}
    revived = SignedIn(client=client, person=make_person_of(account, new), token=sign_in_by(client, jane, new))
    assert (
        told(revived.signed("POST", "/auth/credentials", late | SoftwareKey.make().credential(adding["challenge"])))
        == CHALLENGE_NOT_VALID
    )
    by_code = opened_by_code.json()
    late_by_code = {"challengeIdentifier": by_code["challengeIdentifier"], "credentialName": "Late"}
    late_by_code |= SoftwareKey.make().credential(by_code["challenge"])
    assert told(post(client, "/auth/credentials/code/verify", late_by_code)) == CHALLENGE_NOT_VALID
    refused = post(client, "/auth/credentials/code/init", {"code": second_code, "credentialKind": "Key"})
    assert told(refused) == INVALID_CODE
    assert told(open_login(client, jane.person.names, loginCode=login_code)) == INVALID_CODE
    assert told(open_recovery(client, jane, verificationCode=recovery_code)) == INVALID_CODE
    late_recovery = recovery_body(another, by=jane.person.keys[1], new=SoftwareKey.make())
    assert told(recover(client, another, late_recovery)) == NOT_AUTHORIZED
    fresh = open_login(client, jane.person.names, loginCode=issue(account.recipient)).json()
    for key in (jane.key, other_key):
        assert told(complete_login(client, fresh, key)) == NOT_AUTHORIZED
    assert [each.credential_id for each in account.credentials.usable()] == [new.credential_id]
    assert not Session.objects.filter(revoked_at__isnull=True).exclude(credential__active=True).exists()


def sign_in_by(client: Client, jane: SignedIn, key: SoftwareKey) -> str:
    token: str = complete_login(client, open_login(client, jane.person.names).json(), key).json()["token"]
    return token


def make_person_of(account: Account, key: SoftwareKey) -> Person:
    return Person(account=account, keys=(key,))


@pytest.mark.parametrize("which", [0, 1], ids=["the old key", "the recovery key"])
def test_a_replaced_credential_can_never_be_activated(client: Client, jane: SignedIn, which: int) -> None:
    """R-81: a recovery key works once, even if its owner activates it again."""
    account = jane.person.account
    opened, new = open_recovery(client, jane).json(), SoftwareKey.make()
    assert recover(client, opened, recovery_body(opened, by=jane.person.keys[1], new=new)).status_code == 200
    after = SignedIn(client=client, person=make_person_of(account, new), token=sign_in_by(client, jane, new))
    old = Credential.objects.get(credential_id=jane.person.keys[which].credential_id)
    assert told(after.signed("PUT", "/auth/credentials/activate", {"credentialUuid": old.pk})) == (404, "Not found.")
    mine = Credential.objects.get(credential_id=new.credential_id).pk
    assert after.signed("PUT", "/auth/credentials/activate", {"credentialUuid": mine}).status_code == 200
    assert account.credentials.usable().count() == 1


def test_credentials_added_after_a_recovery_can_be_switched(client: Client, jane: SignedIn) -> None:
    opened, new, more = open_recovery(client, jane).json(), SoftwareKey.make(), SoftwareKey.make()
    body = recovery_body(
        opened, by=jane.person.keys[1], new=new, secondFactorCredential=more.credential(opened["challenge"])
    )
    assert recover(client, opened, body).status_code == 200
    person = make_person_of(jane.person.account, new)
    after = SignedIn(client=client, person=person, token=sign_in_by(client, jane, new))
    uuid = {"credentialUuid": Credential.objects.get(credential_id=more.credential_id).pk}
    for how in ("deactivate", "activate"):
        assert after.signed("PUT", f"/auth/credentials/{how}", uuid).status_code == 200
    assert sign_in_by(client, jane, more)


def test_a_recovery_can_register_the_next_recovery_key(client: Client, jane: SignedIn) -> None:
    opened, next_key = open_recovery(client, jane).json(), recovery_key()
    body = recovery_body(
        opened,
        by=jane.person.keys[1],
        new=SoftwareKey.make(),
        recoveryCredential={**next_key.credential(opened["challenge"]), "encryptedPrivateKey": opaque_envelope()},
    )
    assert recover(client, opened, body).status_code == 200
    assert told(open_recovery(client, jane)) == (401, "Credential cannot be used as a recovery factor.")
    again = open_recovery(client, jane, credentialId=next_key.credential_id).json()
    assert [each["id"] for each in again["allowedRecoveryCredentials"]] == [next_key.credential_id]
    done = recover(client, again, recovery_body(again, by=next_key, new=SoftwareKey.make()))
    assert done.status_code == 200


def test_a_recovery_can_register_a_passkey(client: Client, jane: SignedIn) -> None:
    account = jane.person.account
    passkey = Passkey.make(account_id=account.pk, origin="http://localhost:8000", rp_id="localhost")
    opened = open_recovery(client, jane).json()
    done = recover(client, opened, recovery_body(opened, by=jane.person.keys[1], new=passkey))
    assert (done.status_code, done.json()["credential"]["kind"]) == (200, "Fido2")


def test_asking_for_a_code_changes_nothing(client: Client, jane: SignedIn) -> None:
    """R-13."""
    for _ in range(5):
        assert post(client, "/auth/recover/user/code", jane.person.names).json() == {"message": "success"}
    open_recovery(client, jane)
    assert jane.call("GET", "/auth/credentials").status_code == 200


# The encrypted recovery key


def test_only_a_recovery_code_releases_the_encrypted_recovery_key(client: Client, jane: SignedIn) -> None:
    """R-21, R-22."""
    key, envelope = recovery_key(), opaque_envelope()
    added = jane.call("POST", "/auth/credentials/init", {"kind": "RecoveryKey"}).json()
    body = {"challengeIdentifier": added["challengeIdentifier"], "credentialName": "Safe"}
    body |= key.credential(added["challenge"]) | {"encryptedPrivateKey": envelope}
    answers = [jane.signed("POST", "/auth/credentials", body)]
    assert answers[0].status_code == 200
    names = jane.person.names
    answers += [
        open_login(client, names),
        open_login(client, names, loginCode=issue(jane.person.account.recipient)),
        open_recovery(client, jane, verificationCode="1", credentialId=key.credential_id),
        open_recovery(client, jane, credentialId=jane.key.credential_id),
        jane.call("GET", "/auth/credentials"),
        jane.call("POST", "/auth/credentials/init", {"kind": "RecoveryKey"}),
    ]
    action = {"userActionPayload": "", "userActionHttpMethod": "POST", "userActionHttpPath": "/things"}
    answers.append(jane.call("POST", "/auth/action/init", action))
    assert not [each for each in answers if envelope in each.content.decode()]
    opened = open_recovery(client, jane, credentialId=key.credential_id).json()
    assert {"id": key.credential_id, "encryptedRecoveryKey": envelope} in opened["allowedRecoveryCredentials"]
    assert jane.key.encrypted_private_key not in json.dumps(opened)
    done = recover(client, opened, recovery_body(opened, by=key, new=SoftwareKey.make()))
    assert done.status_code == 200
    assert envelope not in done.content.decode()


def test_a_deactivated_recovery_key_is_neither_released_nor_accepted(client: Client, jane: SignedIn) -> None:
    opened = open_recovery(client, jane).json()
    Credential.objects.filter(kind="RecoveryKey").update(active=False)
    assert told(open_recovery(client, jane)) == (401, "Credential cannot be used as a recovery factor.")
    body = recovery_body(opened, by=jane.person.keys[1], new=SoftwareKey.make())
    assert told(recover(client, opened, body)) == NOT_AUTHORIZED


# Whose recovery


@pytest.mark.parametrize("where", ["a neighbour", "a namesake"])
def test_the_recovery_key_of_another_account_is_refused(client: Client, jane: SignedIn, where: str) -> None:
    """R-80, R-87."""
    here = jane.person.account.organization
    keys = (SoftwareKey.make(), recovery_key())
    other = (
        make_person(here, "kim@example.co", *keys)
        if where == "a neighbour"
        else make_person(None, "jane@example.co", *keys)
    )
    refused = open_recovery(client, jane, credentialId=keys[1].credential_id)
    assert told(refused) == (401, "Credential cannot be used as a recovery factor.")
    opened = open_recovery(client, jane).json()
    body = recovery_body(opened, by=keys[1], new=SoftwareKey.make())
    assert told(recover(client, opened, body)) == NOT_AUTHORIZED
    assert other.account.credentials.usable().count() == 2


def test_the_new_credentials_must_sign_this_challenge(client: Client, jane: SignedIn) -> None:
    first, second = open_recovery(client, jane).json(), open_recovery(client, jane).json()
    body = recovery_body(first, by=jane.person.keys[1], new=SoftwareKey.make())
    assert list(details(recover(client, second, body))) == ["credentialInfo.clientData"]
    assert recover(client, first, body).status_code == 200


@pytest.mark.parametrize("state", ["deactivated", "deactivated and let in again", "organization", "deleted"])
def test_a_deactivated_account_cannot_recover(client: Client, jane: SignedIn, state: str) -> None:
    """R-14, R-72."""
    account = jane.person.account
    opened = open_recovery(client, jane).json()
    code = issue(account.recipient, purpose=CodePurpose.RECOVERY)
    operator = Operator(requester=SOMEWHERE)
    if state == "organization":
        account.organization.active = False
        account.organization.save()
    elif state == "deleted":
        account.delete()
    else:
        deactivate_account(account, operator=operator, now=timezone.now())
        if state == "deactivated and let in again":
            reactivate_account(account, operator=operator, now=timezone.now())
    body = recovery_body(opened, by=jane.person.keys[1], new=SoftwareKey.make())
    assert told(recover(client, opened, body)) == NOT_AUTHORIZED
    refused = post(
        client,
        "/auth/recover/user/init",
        {**jane.person.names, "verificationCode": code, "credentialId": jane.person.keys[1].credential_id},
    )
    assert told(refused) == INVALID_CODE


def test_an_inactive_user_can_recover_but_not_sign_in(client: Client, jane: SignedIn) -> None:
    get_user_model()._default_manager.update(is_active=False)
    opened, new = open_recovery(client, jane).json(), SoftwareKey.make()
    assert recover(client, opened, recovery_body(opened, by=jane.person.keys[1], new=new)).status_code == 200
    challenge = open_login(client, jane.person.names).json()
    assert told(complete_login(client, challenge, new)) == (400, "User account has been deactivated.")


# What the recovery key must sign, R-80


def test_the_signed_text_may_have_any_json_format(client: Client, jane: SignedIn) -> None:
    opened = open_recovery(client, jane).json()
    credentials = {
        "firstFactorCredential": {**SoftwareKey.make().credential(opened["challenge"]), "credentialName": "Zoë"}
    }
    loose = json.dumps(credentials, indent=2, sort_keys=True)
    assert recover(client, opened, signed_body(credentials, by=jane.person.keys[1], text=loose)).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("Zoe", "Kim"), id="another name"),
        pytest.param(lambda text: text[:-1] + ',"more":1}', id="more"),
        pytest.param(lambda text: text[:-1] + ',"recoveryCredential":null}', id="a null more"),
        pytest.param(lambda text: "{}", id="nothing"),
        pytest.param(lambda text: f"[{text}]", id="in an array"),
        pytest.param(lambda text: f"{text}{text}", id="twice"),
        pytest.param(json.dumps, id="as text"),
        pytest.param(lambda text: "\ufeff" + text, id="a byte order mark"),
        pytest.param(lambda text: text[:-1] + ',"firstFactorCredential":{}}', id="a member twice"),
        pytest.param(lambda text: "challenge", id="no JSON"),
    ],
)
def test_signing_another_text_is_refused(client: Client, jane: SignedIn, change: Any) -> None:
    opened = open_recovery(client, jane).json()
    credentials = {
        "firstFactorCredential": {**SoftwareKey.make().credential(opened["challenge"]), "credentialName": "Zoe"}
    }
    body = signed_body(credentials, by=jane.person.keys[1], text=change(compact_json(credentials)))
    assert told(recover(client, opened, body)) == NOT_AUTHORIZED
    assert recover(client, opened, signed_body(credentials, by=jane.person.keys[1])).status_code == 200


def test_signing_the_challenge_itself_is_refused(client: Client, jane: SignedIn) -> None:
    opened = open_recovery(client, jane).json()
    body = recovery_body(opened, by=jane.person.keys[1], new=SoftwareKey.make())
    body["recovery"]["credentialAssertion"] = jane.person.keys[1].answer(opened["challenge"])
    assert told(recover(client, opened, body)) == NOT_AUTHORIZED


@pytest.mark.parametrize("fault", [each for each in Fault if each not in {Fault.ONE_MEGABYTE, Fault.TEN_THOUSAND_DEEP}])
def test_every_faulty_proof_gets_the_same_reply(client: Client, jane: SignedIn, fault: Fault) -> None:
    """R-53."""
    opened = open_recovery(client, jane).json()
    credentials = {"firstFactorCredential": SoftwareKey.make().credential(opened["challenge"])}
    if fault is Fault.CLIENT_DATA_TRAILING_BITS:
        credentials["firstFactorCredential"]["credentialName"] = name_that_leaves_bits(credentials, jane)
    refused = recover(client, opened, signed_body(credentials, by=jane.person.keys[1], fault=fault))
    assert told(refused) == NOT_AUTHORIZED
    assert Account.objects.get(generation=0) == jane.person.account


def name_that_leaves_bits(credentials: Members, jane: SignedIn) -> str:
    """A name that gives the client data a length that base64url has to pad, which one of the faults needs."""
    for name in ("", "a", "ab", "abc"):
        credentials["firstFactorCredential"]["credentialName"] = name
        signed = signed_body(credentials, by=jane.person.keys[1])["recovery"]["credentialAssertion"]["clientData"]
        if len(signed) % 4:
            return name
    raise AssertionError


# The number of credentials


@pytest.mark.parametrize(
    ("policy", "one", "two"),
    [(SecondFactor.NONE, 200, 400), (SecondFactor.OPTIONAL, 200, 200), (SecondFactor.REQUIRED, 400, 200)],
)
@pytest.mark.parametrize("second", [False, True])
def test_the_policy_decides_how_many_credentials_a_recovery_needs(
    client: Client, jane: SignedIn, policy: SecondFactor, one: int, two: int, *, second: bool
) -> None:
    organization = jane.person.account.organization
    organization.second_factor = policy
    organization.save()
    opened = open_recovery(client, jane).json()
    assert bool(opened["supportedCredentialKinds"]["secondFactor"]) is (policy != SecondFactor.NONE)
    more = {"secondFactorCredential": SoftwareKey.make().credential(opened["challenge"])} if second else {}
    body = recovery_body(opened, by=jane.person.keys[1], new=SoftwareKey.make(), **more)
    assert recover(client, opened, body).status_code == (two if second else one)


def test_a_refused_recovery_changes_nothing(client: Client, jane: SignedIn) -> None:
    """R-62: after a refused credential id, the recovery can be completed with another one."""
    other = make_person(jane.person.account.organization, "kim@example.co", SoftwareKey.make())
    opened, new = open_recovery(client, jane).json(), SoftwareKey.make()
    credential = new.credential(opened["challenge"])
    credential["credentialInfo"]["credId"] = other.key.credential_id
    refused = recover(client, opened, signed_body({"firstFactorCredential": credential}, by=jane.person.keys[1]))
    assert told(refused) == (400, "The credential id is taken.")
    assert jane.call("GET", "/auth/credentials").status_code == 200
    assert not AuditEvent.objects.filter(kind=AuditKind.RECOVERED).exists()
    done = recover(client, opened, recovery_body(opened, by=jane.person.keys[1], new=new))
    assert done.status_code == 200


def test_unknown_names_get_the_same_reply(client: Client, jane: SignedIn) -> None:
    """R-30."""
    nobody = {"username": "nobody@example.co", "orgId": jane.person.names["orgId"]}
    asked = {"verificationCode": "0000-0000-0000-0000", "credentialId": "AAAA"}
    invited = make_account(jane.person.account.organization, "lee@example.co", state=AccountState.INVITED)
    for names in (nobody, {**nobody, "username": invited.username}, jane.person.names):
        assert told(post(client, "/auth/recover/user/init", {**names, **asked})) == INVALID_CODE
