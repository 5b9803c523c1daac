"""Changing a credential over HTTP: its name, and the password of its private key."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pyrage
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.core.mail import EmailMultiAlternatives
from django.db import connection, connections
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from dfns_login.models import AuditEvent, AuditKind, CodePurpose, Credential, CredentialKind, Notice, Session
from dfns_login.proofs.key_release import Reencrypted, reencrypt_keys
from dfns_login.signals import credential_key_replaced, credential_renamed
from dfns_login.testing.authenticators import opaque_envelope
from tests.support.age import PASSPHRASE, age_file, armor
from tests.support.api_browser import Browser
from tests.support.api_client import (
    CHALLENGE_NOT_VALID,
    NOT_AUTHORIZED,
    UNSIGNED,
    call,
    complete_login,
    details,
    open_login,
    post,
    sign_in,
    told,
)
from tests.support.authenticators import Kind, Members, SoftwareKey, base64url, compact_json
from tests.support.factories import Person, issue, make_credential, make_organization, make_person
from tests.support.mail import deliver_at
from tests.support.signed_in import SignedIn, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_rates"), pytest.mark.slow]

NOT_FOUND = (404, "Not found.")
RENAME = "/auth/credentials/rename"
KEY = "/auth/credentials/key"
PROTECTED = Kind.PASSWORD_PROTECTED_KEY


@pytest.fixture
def jane(client: Client) -> SignedIn:
    """Has two password-protected keys and a recovery key, and signed in with a code and the first one."""
    keys = [SoftwareKey.make(kind=kind) for kind in (PROTECTED, PROTECTED, Kind.RECOVERY_KEY)]
    return signed_in(client, make_person(None, "jane@example.co", *keys))


def uuid_of(key: SoftwareKey) -> str:
    return Credential.objects.get(credential_id=key.credential_id).pk


def rename(jane: SignedIn, name: Any = "Laptop", *, uuid: str = "") -> HttpResponse:
    return jane.signed("PUT", RENAME, {"credentialUuid": uuid or uuid_of(jane.key), "credentialName": name})


def replace_key(jane: SignedIn, envelope: str, *, uuid: str = "") -> HttpResponse:
    return jane.signed("PUT", KEY, {"credentialUuid": uuid or uuid_of(jane.key), "encryptedPrivateKey": envelope})


def released(client: Client, person: Person) -> dict[str, str]:
    """Return the envelopes that a new code releases, by credential id."""
    opened = open_login(client, person.names, loginCode=issue(person.account.recipient)).json()
    return {each["id"]: each["encryptedPrivateKey"] for each in opened["allowCredentials"]["passwordProtectedKey"]}


def strangers(jane: SignedIn) -> dict[str, str]:
    """Credentials of other accounts."""
    here, there = jane.person.account.organization, make_organization()
    return {
        "nobody's": "cr-x",
        "a neighbour's": uuid_of(make_person(here, "kim@example.co", SoftwareKey.make(kind=PROTECTED)).key),
        "a namesake's": uuid_of(make_person(there, "jane@example.co", SoftwareKey.make(kind=PROTECTED)).key),
    }


# Renaming


def test_a_credential_is_renamed(jane: SignedIn) -> None:
    renamed = rename(jane, "  At home ✓ ")
    assert renamed.status_code == 200, renamed.content
    assert renamed.json() == jane.call("GET", "/auth/credentials").json()["items"][0]
    assert renamed.json()["name"] == "At home ✓"
    assert Credential.objects.get(pk=uuid_of(jane.person.keys[1])).name == "Default Credential"
    event = AuditEvent.objects.get(kind=AuditKind.CREDENTIAL_RENAMED)
    assert event.detail == {"credential": uuid_of(jane.key)}
    assert not Notice.objects.exists()


def test_renaming_sends_a_signal(jane: SignedIn, django_capture_on_commit_callbacks: Any) -> None:
    heard: list[dict[str, object]] = []

    def hear(*, detail: dict[str, object], **_: object) -> None:
        heard.append(detail)

    signals = (credential_renamed, credential_key_replaced)
    for signal in signals:
        signal.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            assert rename(jane).status_code == 200
            assert replace_key(jane, opaque_envelope()).status_code == 200
    finally:
        for signal in signals:
            signal.disconnect(hear)
    uuid = uuid_of(jane.key)
    assert heard == [{"credential": uuid}, {"credential": uuid, "sessions": 0}]


def test_the_same_name_changes_nothing(jane: SignedIn) -> None:
    for name in ("Laptop", "Laptop", " Laptop "):
        assert rename(jane, name).json()["name"] == "Laptop"
    assert AuditEvent.objects.filter(kind=AuditKind.CREDENTIAL_RENAMED).count() == 1


@pytest.mark.parametrize("number", [1, 2])
def test_every_credential_can_be_renamed(jane: SignedIn, number: int) -> None:
    """Including a recovery key and a deactivated one."""
    uuid = uuid_of(jane.person.keys[number])
    Credential.objects.filter(pk=uuid).update(active=False)
    assert rename(jane, uuid=uuid).json()["name"] == "Laptop"


@pytest.mark.parametrize("path", [RENAME, KEY])
@pytest.mark.parametrize("action", ["none", "for another body"])
def test_without_a_user_action_nothing_changes(jane: SignedIn, path: str, action: str) -> None:
    """R-84."""
    body = {"credentialUuid": uuid_of(jane.key), "credentialName": "Laptop", "encryptedPrivateKey": opaque_envelope()}
    before = list(Credential.objects.order_by("pk").values())
    headers = {}
    if action == "for another body":
        other = json.dumps({**body, "credentialUuid": uuid_of(jane.person.keys[1])})
        headers["x_dfns_useraction"] = jane.user_action("PUT", path, other)
    assert told(jane.call("PUT", path, body, **headers)) == UNSIGNED
    assert list(Credential.objects.order_by("pk").values()) == before
    assert jane.signed("PUT", path, body).status_code == 200


@pytest.mark.parametrize("whose", ["nobody's", "a neighbour's", "a namesake's"])
@pytest.mark.parametrize("change", [rename, lambda jane, uuid: replace_key(jane, opaque_envelope(), uuid=uuid)])
def test_only_own_credentials_can_be_changed(jane: SignedIn, change: Callable[..., HttpResponse], whose: str) -> None:
    """R-87."""
    uuid = strangers(jane)[whose]
    before = list(Credential.objects.order_by("pk").values())
    assert told(change(jane, uuid=uuid)) == NOT_FOUND
    assert list(Credential.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "\t",
        "a\nb",
        "a\x7fb",
        "a\x1b[31mb",
        "\u202eecila",
        "a\u2028b",
        "\ufeff",
        "x" * 201,
        None,
        1,
        True,
        ["x"],
    ],
)
def test_an_invalid_name_is_refused(jane: SignedIn, name: Any) -> None:
    refused = rename(jane, name)
    assert (refused.status_code, list(details(refused))) == (400, ["credentialName"])
    assert not Credential.objects.exclude(name="Default Credential").exists()
    assert rename(jane, "x" * 200).status_code == 200


# Changing the password


def test_the_new_envelope_replaces_the_old_one(client: Client, jane: SignedIn) -> None:
    old, new = jane.key.encrypted_private_key, opaque_envelope()
    other = jane.person.keys[1]
    assert released(client, jane.person) == {
        jane.key.credential_id: old,
        other.credential_id: other.encrypted_private_key,
    }
    public_keys = list(Credential.objects.order_by("pk").values_list("public_key", flat=True))
    replaced = replace_key(jane, new)
    assert replaced.status_code == 200, replaced.content
    assert replaced.json() == jane.call("GET", "/auth/credentials").json()["items"][0]
    assert released(client, jane.person) == {
        jane.key.credential_id: new,
        other.credential_id: other.encrypted_private_key,
    }
    action = jane.open_action("POST", "/things")["allowCredentials"]["passwordProtectedKey"]
    assert [each["encryptedPrivateKey"] for each in action] == [new, other.encrypted_private_key]
    assert list(Credential.objects.order_by("pk").values_list("public_key", flat=True)) == public_keys
    for text in (old, new):
        assert text is not None
        assert text not in replaced.content.decode()


@pytest.mark.slow
def test_the_same_key_signs_and_the_new_password_opens_it(client: Client) -> None:
    """With age, as the pages do it."""
    jane = signed_in(client, make_person(None, "jane@example.co", SoftwareKey.with_age_envelope()))
    pem = clear_pem(jane.key).encode()
    assert replace_key(jane, armor(age_file(pem, passphrase="a new password"))).status_code == 200
    envelope = released(client, jane.person)[jane.key.credential_id].encode()
    assert pyrage.passphrase.decrypt(envelope, "a new password") == pem
    with pytest.raises(pyrage.DecryptError):
        pyrage.passphrase.decrypt(envelope, PASSPHRASE)
    assert signed_in(client, jane.person).call("GET", "/auth/credentials").status_code == 200


def test_every_other_session_ends(client: Client, jane: SignedIn) -> None:
    """R-72: tokens and browsers. The current session stays open."""
    token = sign_in(client, jane.person, loginCode=issue(jane.person.account.recipient))
    browser = Browser()
    assert browser.sign_in(jane.person).status_code == 200
    assert browser.is_signed_in()
    namesake = signed_in(client, make_person(make_organization(), "jane@example.co"))
    assert replace_key(jane, opaque_envelope()).status_code == 200
    assert told(call(client, "GET", "/auth/credentials", bearer=token)) == NOT_AUTHORIZED
    assert not browser.is_signed_in()
    for each in (jane, namesake):
        assert each.call("GET", "/auth/credentials").status_code == 200
    assert Session.objects.filter(revoked_at__isnull=True).count() == 2


def test_a_browser_keeps_its_own_session(client: Client, jane: SignedIn) -> None:
    browser = Browser()
    assert browser.sign_in(jane.person).status_code == 200
    body = {"credentialUuid": uuid_of(jane.key), "encryptedPrivateKey": opaque_envelope()}
    assert browser.signed(jane.person, "PUT", KEY, body).status_code == 200
    assert browser.is_signed_in()
    assert told(jane.call("GET", "/auth/credentials")) == NOT_AUTHORIZED


def test_everything_opened_before_is_void(client: Client, jane: SignedIn) -> None:
    """R-14."""
    recovery_key = jane.person.keys[2]
    login = open_login(client, jane.person.names, loginCode=issue(jane.person.account.recipient)).json()
    action = jane.open_action("POST", "/things")
    credential = jane.call("POST", "/auth/credentials/init", {"kind": "Key"}).json()
    body = {"credentialUuid": uuid_of(jane.key), "credentialName": "Laptop"}
    rename_action = jane.user_action("PUT", RENAME, json.dumps(body))
    recovery = open_recovery(client, jane.person, recovery_key)
    assert replace_key(jane, opaque_envelope()).status_code == 200
    assert told(complete_login(client, login, jane.key)) == NOT_AUTHORIZED
    assert told(jane.complete_action(action)) == NOT_AUTHORIZED
    new = {
        "challengeIdentifier": credential["challengeIdentifier"],
        "credentialName": "New",
        **SoftwareKey.make().credential(credential["challenge"]),
    }
    assert told(jane.signed("POST", "/auth/credentials", new)) == CHALLENGE_NOT_VALID
    assert told(jane.call("PUT", RENAME, body, x_dfns_useraction=rename_action)) == UNSIGNED
    assert told(recover(client, recovery, recovery_key)) == NOT_AUTHORIZED
    assert signed_in(client, jane.person).call("GET", "/auth/credentials").status_code == 200


def open_recovery(client: Client, person: Person, key: SoftwareKey) -> Members:
    code = issue(person.account.recipient, purpose=CodePurpose.RECOVERY)
    body = {**person.names, "verificationCode": code, "credentialId": key.credential_id}
    opened: Members = post(client, "/auth/recover/user/init", body).json()
    return opened


def recover(client: Client, opened: Members, key: SoftwareKey) -> HttpResponse:
    new = {"firstFactorCredential": SoftwareKey.make().credential(opened["challenge"])}
    assertion = key.answer(base64url(compact_json(new).encode()))
    body = {"recovery": {"kind": "RecoveryKey", "credentialAssertion": assertion}, "newCredentials": new}
    return post(client, "/auth/recover/user", body, bearer=opened["temporaryAuthenticationToken"])


def clear_pem(key: SoftwareKey) -> str:
    return key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


UNSAFE: dict[str, Callable[[SoftwareKey], str]] = {
    "a private key in clear": clear_pem,
    "the same in base64": lambda key: "".join(clear_pem(key).splitlines()[1:-1]),
    "an age file of log N 10": lambda key: armor(age_file(b"key", passphrase=PASSPHRASE, work_factor=10)),
    "half of an age file": lambda key: armor(age_file(b"key", passphrase=PASSPHRASE))[:200],
    "what is too short for an encrypted key": lambda key: "x" * 99,
    "8 KiB and more": lambda key: "x" * (8 * 1024 + 1),
}


@pytest.mark.parametrize("what", UNSAFE)
def test_an_unsafe_envelope_is_refused_and_the_old_one_kept(client: Client, jane: SignedIn, what: str) -> None:
    """R-23."""
    other = signed_in(client, jane.person)
    envelope = UNSAFE[what](jane.key)
    refused = replace_key(jane, envelope)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_credential")
    assert list(details(refused)) == ["encryptedPrivateKey"]
    assert envelope[40:80] not in refused.content.decode()
    assert released(client, jane.person)[jane.key.credential_id] == jane.key.encrypted_private_key
    assert other.call("GET", "/auth/credentials").status_code == 200
    assert not AuditEvent.objects.filter(kind=AuditKind.CREDENTIAL_KEY_REPLACED).exists()
    assert replace_key(jane, opaque_envelope()).status_code == 200


@pytest.mark.parametrize("kind", [*CredentialKind, "shut"])
def test_only_an_active_password_protected_key_can_be_replaced(client: Client, jane: SignedIn, kind: str) -> None:
    key = SoftwareKey.make(kind=PROTECTED if kind in {"shut", PROTECTED} else Kind.KEY)
    credential = make_credential(jane.person.account, key)
    kept = CredentialKind.PASSWORD_PROTECTED_KEY if kind == "shut" else kind
    Credential.objects.filter(pk=credential.pk).update(kind=kept, active=kind != "shut")
    answer = replace_key(jane, opaque_envelope(), uuid=credential.pk)
    if kind == CredentialKind.PASSWORD_PROTECTED_KEY:
        assert answer.status_code == 200
        return
    assert told(answer) == NOT_FOUND
    sealed = credential.encrypted_key_at_rest
    credential.refresh_from_db()
    assert (credential.encrypted_key_at_rest and bytes(credential.encrypted_key_at_rest)) == sealed


def test_the_owner_is_notified(jane: SignedIn, mailoutbox: list[EmailMultiAlternatives]) -> None:
    """R-82."""
    assert replace_key(jane, opaque_envelope()).status_code == 200
    event = AuditEvent.objects.get(kind=AuditKind.CREDENTIAL_KEY_REPLACED)
    assert event.detail == {"credential": uuid_of(jane.key), "sessions": 0}
    deliver_at(timezone.now())
    (sent,) = mailoutbox
    assert sent.to == ["jane@example.co"]
    assert "password" in str(sent.body)


# Concurrent changes


def test_re_encrypting_meanwhile_does_not_restore_the_old_envelope(client: Client, jane: SignedIn) -> None:
    new = opaque_envelope()
    replaced: list[HttpResponse] = []

    def replace_before_the_first_is_written(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith("UPDATE") and "encrypted_key_at_rest" in sql and not replaced:
            replaced.append(HttpResponse())
            replaced[0] = replace_key(jane, new)
        return execute(sql, *arguments)

    Credential.objects.exclude(pk=uuid_of(jane.key)).delete()
    with connection.execute_wrapper(replace_before_the_first_is_written):
        assert reencrypt_keys() == Reencrypted(count=0, undecryptable=())
    assert replaced[0].status_code == 200
    assert released(client, jane.person) == {jane.key.credential_id: new}


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_changes_do_not_mix(client: Client, jane: SignedIn) -> None:
    """Both are signed. The first change voids the user action of the second."""
    for _ in range(5):
        envelopes = [opaque_envelope() for _ in range(2)]
        bodies = [{"credentialUuid": uuid_of(jane.key), "encryptedPrivateKey": each} for each in envelopes]
        actions = [jane.user_action("PUT", KEY, json.dumps(body)) for body in bodies]
        barrier = Barrier(2)

        def replace(number: int) -> int:
            try:
                barrier.wait(timeout=60)  # noqa: B023  it is called in this round
                headers = {"bearer": jane.token, "x_dfns_useraction": actions[number]}  # noqa: B023
                return call(Client(), "PUT", KEY, bodies[number], **headers).status_code  # noqa: B023
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            statuses = list(pool.map(replace, range(2)))
        assert statuses.count(200) == 1, statuses
        assert set(statuses) <= {200, 401, 403}
        assert released(client, jane.person)[jane.key.credential_id] == envelopes[statuses.index(200)]
    assert AuditEvent.objects.filter(kind=AuditKind.CREDENTIAL_KEY_REPLACED).count() == 5
