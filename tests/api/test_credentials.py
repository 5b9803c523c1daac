"""Credentials over HTTP: added in a session or with a shown code, deactivated and activated."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dfns_login.models import (
    Account,
    AuditEvent,
    AuditKind,
    CodeClosed,
    CodePurpose,
    Credential,
    DeliveryState,
    Notice,
    OneTimeCode,
    Session,
)
from dfns_login.proofs.codes import SELECTOR_LENGTH
from tests.support.api_client import (
    CHALLENGE_NOT_VALID,
    INVALID_CODE,
    NOT_AUTHORIZED,
    complete_login,
    details,
    open_login,
    post,
    sign_in,
    told,
)
from tests.support.authenticators import Fault, Kind, Members, SoftwareKey, opaque_envelope
from tests.support.factories import Person, issue, make_account, make_credential, make_organization, make_person
from tests.support.fido2_authenticator import Passkey
from tests.support.signed_in import SignedIn, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_rates")]

TAKEN = (400, "The credential id is taken.")
LAST = "last_credential"


@pytest.fixture
def jane(client: Client) -> SignedIn:
    """Has two keys, and signed in with the first."""
    person = make_person(None, "jane@example.co", SoftwareKey.make(), SoftwareKey.make())
    return SignedIn(client=client, person=person, token=sign_in(client, person))


def uuid_of(key: SoftwareKey | Passkey) -> str:
    return Credential.objects.get(credential_id=key.credential_id).pk


def switch(jane: SignedIn, how: str, key: SoftwareKey) -> Any:
    return jane.signed("PUT", f"/auth/credentials/{how}", {"credentialUuid": uuid_of(key)})


def open_credential(jane: SignedIn, kind: str = "Key") -> Members:
    answer = jane.call("POST", "/auth/credentials/init", {"kind": kind})
    assert answer.status_code == 200, answer.content
    opened: Members = answer.json()
    return opened


def creation(opened: Members, key: SoftwareKey | Passkey, *, name: str = "Mine", **changes: Any) -> Members:
    credential = key.credential(opened["challenge"])
    return {"challengeIdentifier": opened["challengeIdentifier"], "credentialName": name, **credential, **changes}


def add(jane: SignedIn, body: Members) -> Any:
    return jane.signed("POST", "/auth/credentials", body)


# Deactivating and activating


def test_a_credential_is_deactivated_and_activated_once(client: Client, jane: SignedIn) -> None:
    key = jane.person.keys[1]
    for how, kind in (
        ("deactivate", AuditKind.CREDENTIAL_DEACTIVATED),
        ("activate", AuditKind.CREDENTIAL_ACTIVATED),
    ):
        for _ in range(2):
            assert switch(jane, how, key).json() == {"message": "success"}
        event = AuditEvent.objects.get(kind=kind)
        assert event.detail["credential"] == uuid_of(key)
        assert Notice.objects.filter(event=event).exists()
        listed = jane.call("GET", "/auth/credentials").json()["items"]
        assert [each["isActive"] for each in listed] == [True, how == "activate"]
        signed = complete_login(client, open_login(client, jane.person.names).json(), key)
        assert signed.status_code == (200 if how == "activate" else 401)


@pytest.mark.parametrize("how", ["deactivate", "activate"])
@pytest.mark.parametrize("whose", ["nobody's", "a neighbour's", "a namesake's"])
def test_only_own_credentials_can_be_switched(jane: SignedIn, how: str, whose: str) -> None:
    """R-87."""
    here, there = jane.person.account.organization, make_organization()
    uuids = {
        "nobody's": "cr-x",
        "a neighbour's": uuid_of(make_person(here, "kim@example.co", SoftwareKey.make()).key),
        "a namesake's": uuid_of(make_person(there, "jane@example.co", SoftwareKey.make()).key),
    }
    refused = jane.signed("PUT", f"/auth/credentials/{how}", {"credentialUuid": uuids[whose]})
    assert told(refused) == (404, "Not found.")
    assert not Credential.objects.filter(active=False).exists()


def test_the_last_first_factor_cannot_be_deactivated(jane: SignedIn) -> None:
    """R-84: recovery keys and deactivated credentials do not count as first factors."""
    make_credential(jane.person.account, SoftwareKey.make(kind=Kind.RECOVERY_KEY))
    assert switch(jane, "deactivate", jane.person.keys[1]).status_code == 200
    refused = switch(jane, "deactivate", jane.key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, LAST)
    assert jane.call("GET", "/auth/credentials").status_code == 200


def test_an_account_has_a_bounded_number_of_credentials(jane: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-84: a login reads each one. Inactive ones don't count."""
    spare = SoftwareKey.make(kind=Kind.RECOVERY_KEY)
    make_credential(jane.person.account, spare)
    assert switch(jane, "deactivate", spare).status_code == 200
    monkeypatch.setattr("dfns_login.ceremonies.credential_changes.MOST_USABLE", 2)
    new = creation(open_credential(jane), SoftwareKey.make())
    for refused in (add(jane, new), switch(jane, "activate", spare)):
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "too_many_credentials")
    assert switch(jane, "deactivate", jane.person.keys[1]).status_code == 200
    assert add(jane, creation(open_credential(jane), SoftwareKey.make())).status_code == 200


def test_a_recovery_key_can_be_deactivated(jane: SignedIn) -> None:
    key = SoftwareKey.make(kind=Kind.RECOVERY_KEY)
    make_credential(jane.person.account, key)
    assert switch(jane, "deactivate", key).status_code == 200


def test_deactivating_a_credential_ends_its_sessions_and_challenges(client: Client, jane: SignedIn) -> None:
    """R-14, R-72."""
    other = jane.person.keys[1]
    challenge = open_login(client, jane.person.names).json()
    theirs = complete_login(client, challenge, other).json()["token"]
    mine = {
        "login": open_login(client, jane.person.names).json(),
        "action": jane.open_action("POST", "/things"),
        "credential": open_credential(jane),
    }
    code = issue(jane.person.account.recipient)
    shown = show_code(jane)
    assert switch(jane, "deactivate", other).status_code == 200
    assert SignedIn(client=client, person=jane.person, token=theirs).call("GET", "/auth/credentials").status_code == 401
    assert jane.call("GET", "/auth/credentials").status_code == 200
    assert told(open_login(client, jane.person.names, loginCode=code)) == INVALID_CODE
    assert told(open_with_code(client, shown)) == INVALID_CODE
    assert told(complete_login(client, mine["login"], jane.key)) == NOT_AUTHORIZED
    assert told(jane.complete_action(mine["action"])) == NOT_AUTHORIZED
    assert told(add(jane, creation(mine["credential"], SoftwareKey.make()))) == CHALLENGE_NOT_VALID


def test_activating_a_credential_does_not_revive_its_sessions(client: Client, jane: SignedIn) -> None:
    """R-72."""
    other = jane.person.keys[1]
    theirs = complete_login(client, open_login(client, jane.person.names).json(), other).json()["token"]
    assert switch(jane, "deactivate", other).status_code == 200
    assert switch(jane, "activate", other).status_code == 200
    again = SignedIn(client=client, person=jane.person, token=theirs)
    assert told(again.call("GET", "/auth/credentials")) == NOT_AUTHORIZED


def test_deactivating_the_own_credential_ends_the_own_session(jane: SignedIn) -> None:
    assert switch(jane, "deactivate", jane.key).json() == {"message": "success"}
    assert told(jane.call("GET", "/auth/credentials")) == NOT_AUTHORIZED
    assert Session.objects.get().revoked_at is not None


# Adding in a session


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_key_is_added(jane: SignedIn, kind: Kind) -> None:
    key = SoftwareKey.make(kind=kind)
    added = add(jane, creation(open_credential(jane, kind.value), key, name="At home"))
    assert added.status_code == 200, added.content
    item = added.json()
    assert (item["kind"], item["name"], item["isActive"]) == (kind.value, "At home", True)
    assert item == jane.call("GET", "/auth/credentials").json()["items"][-1]
    event = AuditEvent.objects.get(kind=AuditKind.CREDENTIAL_CREATED)
    assert Notice.objects.filter(event=event).exists()
    assert "encrypted" not in added.content.decode()


def test_a_passkey_is_added(jane: SignedIn) -> None:
    account = jane.person.account
    passkey = Passkey.make(account_id=account.pk, origin="http://localhost:8000", rp_id="localhost")
    opened = open_credential(jane, "Fido2")
    assert opened["kind"] == "Fido2"
    assert opened["user"]["id"] == account.pk
    assert add(jane, creation(opened, passkey)).json()["kind"] == "Fido2"


def test_the_envelope_of_a_recovery_key_is_optional(jane: SignedIn) -> None:
    for envelope in (None, opaque_envelope()):
        key = SoftwareKey.make(kind=Kind.RECOVERY_KEY)
        more = {} if envelope is None else {"encryptedPrivateKey": envelope}
        assert add(jane, creation(open_credential(jane, "RecoveryKey"), key, **more)).status_code == 200
    sealed = Credential.objects.filter(kind="RecoveryKey").values_list("encrypted_key_at_rest", flat=True)
    assert {each is None for each in sealed} == {True, False}


def test_a_challenge_adds_one_credential(jane: SignedIn) -> None:
    opened = open_credential(jane)
    assert add(jane, creation(opened, SoftwareKey.make())).status_code == 200
    assert told(add(jane, creation(opened, SoftwareKey.make()))) == CHALLENGE_NOT_VALID


def test_a_refusal_uses_up_neither_challenge_nor_user_action(jane: SignedIn) -> None:
    opened, key = open_credential(jane), SoftwareKey.make()
    faulty = {**creation(opened, key), **key.credential(opened["challenge"], fault=Fault.FLIPPED_BIT)}
    assert list(details(add(jane, faulty))) == ["credentialInfo.attestationData"]
    assert add(jane, creation(opened, key)).status_code == 200


@pytest.mark.parametrize("kind", ["Fido2", "PasswordProtectedKey", "RecoveryKey"])
def test_a_challenge_is_bound_to_the_requested_kind(jane: SignedIn, kind: str) -> None:
    assert told(add(jane, creation(open_credential(jane, kind), SoftwareKey.make()))) == CHALLENGE_NOT_VALID


def test_a_challenge_is_bound_to_its_account(client: Client, jane: SignedIn) -> None:
    """R-52, R-87."""
    neighbour = make_person(jane.person.account.organization, "kim@example.co", SoftwareKey.make())
    namesake = make_person(None, "jane@example.co", SoftwareKey.make())
    for person in (neighbour, namesake):
        other = SignedIn(client=client, person=person, token=sign_in(client, person))
        assert told(add(jane, creation(open_credential(other), SoftwareKey.make()))) == CHALLENGE_NOT_VALID


@pytest.mark.parametrize("write", [lambda text: text, lambda text: text + "="], ids=["as it is", "padded"])
@pytest.mark.parametrize("whose", ["mine", "a neighbour's"])
def test_a_credential_id_that_is_taken_is_refused(jane: SignedIn, write: Any, whose: str) -> None:
    """R-62: the existing credential is not overwritten."""
    neighbour = make_person(jane.person.account.organization, "kim@example.co", SoftwareKey.make())
    taken = jane.key if whose == "mine" else neighbour.key
    before = list(Credential.objects.order_by("pk").values())
    opened, key = open_credential(jane), SoftwareKey.make()
    info = {**key.register(opened["challenge"]), "credId": write(taken.credential_id)}
    refused = add(jane, creation(opened, key, credentialInfo=info))
    assert told(refused) == TAKEN
    assert list(details(refused)) == ["credentialInfo.credId"]
    assert list(Credential.objects.order_by("pk").values()) == before
    assert add(jane, creation(opened, key)).status_code == 200


# Adding with a code


def expiring(seconds: float) -> str:
    return (timezone.now() + timedelta(seconds=seconds)).isoformat()


def show_code(jane: SignedIn, expiration: Any = None) -> str:
    answer = jane.signed("POST", "/auth/credentials/code", {"expiration": expiration or expiring(50)})
    assert answer.status_code == 200, answer.content
    code: str = answer.json()["code"]
    return code


def open_with_code(client: Client, code: str, kind: str = "Key") -> Any:
    return post(client, "/auth/credentials/code/init", {"code": code, "credentialKind": kind})


def verify_with_code(client: Client, body: Members) -> Any:
    return post(client, "/auth/credentials/code/verify", body)


@pytest.mark.parametrize("kind", Kind)
def test_a_shown_code_adds_a_credential(client: Client, jane: SignedIn, kind: Kind) -> None:
    """D-5."""
    code = show_code(jane)
    assert [len(group) for group in code.split("-")] == [4] * 6
    opened = open_with_code(client, code, kind.value)
    assert opened.status_code == 200, opened.content
    key = SoftwareKey.make(kind=kind)
    added = verify_with_code(client, creation(opened.json(), key))
    assert added.status_code == 200, added.content
    assert Credential.objects.get(pk=added.json()["credentialUuid"]).account == jane.person.account
    assert Notice.objects.filter(event__kind=AuditKind.CREDENTIAL_CREATED).exists()
    assert told(verify_with_code(client, creation(opened.json(), SoftwareKey.make(kind=kind)))) == CHALLENGE_NOT_VALID


def test_a_shown_code_is_never_emailed(jane: SignedIn) -> None:
    show_code(jane)
    row = OneTimeCode.objects.get(purpose=CodePurpose.CREDENTIAL)
    assert row.delivery == DeliveryState.SHOWN
    assert not OneTimeCode.objects.due(now=timezone.now()).exists()


ZONE = timezone.get_fixed_timezone(5 * 60 + 30)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda moment: moment.isoformat(), id="with its offset"),
        pytest.param(lambda moment: moment.astimezone(ZONE).isoformat(), id="with another offset"),
        pytest.param(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.000Z"), id="as JavaScript writes it"),
        pytest.param(lambda moment: int(moment.timestamp()), id="Unix seconds"),
        pytest.param(lambda moment: moment.timestamp(), id="with a fraction"),
    ],
)
def test_the_expiration_may_have_any_format(jane: SignedIn, write: Any) -> None:
    moment = timezone.now() + timedelta(seconds=50)
    answer = jane.signed("POST", "/auth/credentials/code", {"expiration": write(moment)})
    assert answer.status_code == 200, answer.content
    said = answer.json()["expiration"]
    assert said.endswith("Z")
    assert abs(datetime.fromisoformat(said) - moment) < timedelta(seconds=1)
    assert abs(OneTimeCode.objects.get().expires_at - moment) < timedelta(seconds=1)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda now: (now + timedelta(seconds=50)).replace(tzinfo=None).isoformat(), id="without offset"),
        pytest.param(lambda now: now.isoformat(), id="now"),
        pytest.param(lambda now: (now - timedelta(seconds=1)).isoformat(), id="past"),
        pytest.param(lambda now: int(now.timestamp() * 1000) + 50_000, id="milliseconds"),
        pytest.param(lambda now: str(int(now.timestamp()) + 50), id="seconds as text"),
        pytest.param(lambda now: -1, id="negative"),
        pytest.param(lambda now: 0, id="zero"),
        pytest.param(lambda now: 10**100, id="huge"),
        pytest.param(lambda now: -(10**18), id="hugely negative"),
        pytest.param(lambda now: 1e300, id="huge, a fraction"),
        pytest.param(lambda now: True, id="true"),
        pytest.param(lambda now: None, id="null"),
        pytest.param(lambda now: "", id="empty"),
        pytest.param(lambda now: "soon", id="a word"),
        pytest.param(lambda now: "NaN", id="NaN as text"),
        pytest.param(lambda now: "9999-12-31T23:59:59-23:59", id="the end of time"),
        pytest.param(lambda now: "0001-01-01T00:00:00+23:59", id="the beginning of time"),
        pytest.param(lambda now: [], id="a list"),
        pytest.param(lambda now: {}, id="an object"),
    ],
)
def test_an_invalid_or_past_expiration_is_refused(jane: SignedIn, make: Any) -> None:
    refused = jane.signed("POST", "/auth/credentials/code", {"expiration": make(datetime.now(UTC))})
    assert (refused.status_code, list(details(refused))) == (400, ["expiration"])
    assert not OneTimeCode.objects.exists()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda now: (now + timedelta(seconds=62)).isoformat(), id="the client's clock is ahead"),
        pytest.param(lambda now: (now + timedelta(days=1)).isoformat(), id="a day ahead"),
    ],
)
def test_a_code_lives_a_minute_at_most_whatever_was_asked_for(jane: SignedIn, make: Any) -> None:
    asked = datetime.now(UTC)
    answer = jane.signed("POST", "/auth/credentials/code", {"expiration": make(asked)})
    expires_at = OneTimeCode.objects.get().expires_at
    assert timedelta(seconds=60) <= expires_at - asked < timedelta(seconds=61)
    assert abs(datetime.fromisoformat(answer.json()["expiration"]) - expires_at) < timedelta(seconds=1)


@pytest.mark.parametrize("raw", [b'{"expiration":NaN}', b'{"expiration":Infinity}', b'{"expiration":1e999}'])
def test_a_payload_with_nan_cannot_be_signed(jane: SignedIn, raw: bytes) -> None:
    action = jane.user_action("POST", "/auth/credentials/code", "{}")
    refused = jane.call("POST", "/auth/credentials/code", raw, x_dfns_useraction=action)
    assert told(refused) == (403, "user action signature is missing or invalid")


def test_a_code_works_once(client: Client, jane: SignedIn) -> None:
    """D-5."""
    code = show_code(jane)
    assert open_with_code(client, code).status_code == 200
    assert told(open_with_code(client, code)) == INVALID_CODE


def test_the_next_code_closes_the_previous_one(client: Client, jane: SignedIn) -> None:
    first, second = show_code(jane), show_code(jane)
    assert told(open_with_code(client, first)) == INVALID_CODE
    assert open_with_code(client, second).status_code == 200
    closed = OneTimeCode.objects.order_by("pk").values_list("closed_as", flat=True)
    assert list(closed) == [CodeClosed.SUPERSEDED, CodeClosed.CONSUMED]


def test_an_expired_code_is_refused(client: Client, jane: SignedIn) -> None:
    code = show_code(jane)
    OneTimeCode.objects.update(expires_at=timezone.now())
    assert told(open_with_code(client, code)) == INVALID_CODE


def wrong(code: str) -> str:
    return code[:-1] + ("0" if code[-1] != "0" else "1")


def test_the_number_of_guesses_is_limited(client: Client, jane: SignedIn) -> None:
    """R-04."""
    code = show_code(jane)
    for count in range(1, 11):
        assert told(open_with_code(client, wrong(code))) == INVALID_CODE
        assert OneTimeCode.objects.get().guesses == count
    assert told(open_with_code(client, code)) == INVALID_CODE
    assert OneTimeCode.objects.get().guesses == 10


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda code: code[5:] + "-0000", id="moved"),
        pytest.param(lambda code: ("0" if code[0] != "0" else "1") + code[1:], id="another selector"),
        pytest.param(lambda code: code[: SELECTOR_LENGTH + 1], id="the selector alone"),
        pytest.param(lambda code: code[SELECTOR_LENGTH + 2 :], id="without its selector"),
        pytest.param(lambda code: code + "0", id="longer"),
        pytest.param(lambda code: code[:-1], id="shorter"),
        pytest.param(lambda code: "-", id="a dash"),
        pytest.param(lambda code: "é" * 24, id="not ASCII"),
        pytest.param(lambda code: "?" * 24, id="question marks"),
    ],
)
def test_a_wrong_code_is_refused(client: Client, jane: SignedIn, write: Any) -> None:
    code = show_code(jane)
    assert told(open_with_code(client, write(code))) == INVALID_CODE
    assert open_with_code(client, code).status_code == 200


def test_a_code_may_be_typed_in_any_form(client: Client, jane: SignedIn) -> None:
    """R-11."""
    for write in (str.lower, lambda code: code.replace("-", " "), lambda code: code.replace("-", "")):
        assert open_with_code(client, write(show_code(jane))).status_code == 200


def test_a_selector_does_not_open_another_row(client: Client, jane: SignedIn) -> None:
    """R-09."""
    person = make_person(None, "jane@example.co", SoftwareKey.make())
    other = SignedIn(client=client, person=person, token=sign_in(client, person))
    mine, theirs = show_code(jane), show_code(other)
    mixed = mine[: SELECTOR_LENGTH + 2] + theirs[SELECTOR_LENGTH + 2 :]
    assert told(open_with_code(client, mixed)) == INVALID_CODE
    opened = open_with_code(client, theirs)
    assert opened.json()["user"]["id"] == person.account.pk


@pytest.mark.parametrize("gone", ["account", "organization"])
def test_a_deactivated_owner_cannot_add_a_credential(client: Client, jane: SignedIn, gone: str) -> None:
    codes = show_code(jane)
    opened = open_with_code(client, codes).json()
    code = show_code(jane)
    account = jane.person.account
    if gone == "account":
        Account.objects.deactivate(account=account)
    else:
        account.organization.active = False
        account.organization.save()
    assert told(open_with_code(client, code)) == INVALID_CODE
    assert told(verify_with_code(client, creation(opened, SoftwareKey.make()))) == CHALLENGE_NOT_VALID


def test_a_challenge_opened_with_a_code_is_bound_to_its_kind(client: Client, jane: SignedIn) -> None:
    opened = open_with_code(client, show_code(jane), "RecoveryKey").json()
    assert told(verify_with_code(client, creation(opened, SoftwareKey.make()))) == CHALLENGE_NOT_VALID
    assert verify_with_code(client, creation(opened, SoftwareKey.make(kind=Kind.RECOVERY_KEY))).status_code == 200


def test_a_shown_code_releases_no_key(client: Client) -> None:
    """R-21, R-22: none of these replies contains an encrypted key."""
    person: Person = make_person()
    jane = signed_in(client, person)
    code = show_code(jane)
    opened = open_with_code(client, code)
    envelope = person.key.encrypted_private_key
    assert envelope
    assert envelope not in opened.content.decode()
    assert make_account(person.account.organization, "kim@example.co").pk not in opened.content.decode()
