"""The encrypted key: encrypted again at rest, and released only for the account's login code (R-21)."""

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from dfns_login.key_rings import Ring, key_rings, new_rings, rotate_ring
from dfns_login.models import Caller, CodePurpose, Credential, CredentialKind, LoginRecord, Session
from dfns_login.proofs.key_release import (
    Reencrypted,
    ReleasedKey,
    reencrypt_keys,
    release_encrypted_keys,
    release_keys_for_action,
    release_recovery_keys,
    replace_encrypted_key,
    set_encrypted_key,
    undecryptable_keys,
)
from dfns_login.proofs.presented_codes import PresentedCode
from dfns_login.usernames import Recipient
from dfns_login.verification.key_envelope import check_key_envelope
from tests.support.authenticators import Kind, SoftwareKey, opaque_envelope
from tests.support.clock import HOUR, NOW
from tests.support.factories import Person, make_credential, make_organization, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def jane() -> Person:
    return make_person()


@pytest.fixture
def turn(settings: Any) -> Any:
    """Add a new key in front of the at-rest ring."""

    def change() -> None:
        rings = settings.DFNS_LOGIN["KEYS"]
        rings = json.loads(rings) if isinstance(rings, str) else rings
        settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "KEYS": rotate_ring(rings, ring=Ring.AT_REST, now=NOW)}

    return change


@pytest.fixture
def forget(settings: Any) -> Any:
    """Remove every key except the newest from the at-rest ring."""

    def change() -> None:
        rings = settings.DFNS_LOGIN["KEYS"]
        settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "KEYS": {**rings, "at_rest": rings["at_rest"][:1]}}

    return change


def presented(recipient: Recipient, *, purpose: CodePurpose = CodePurpose.LOGIN) -> PresentedCode:
    return PresentedCode(recipient=recipient, purpose=purpose, presented_at=NOW)


def read(person: Person) -> LoginRecord:
    return LoginRecord.read(person.account.recipient, caller=Caller.STRANGER)


def released(person: Person) -> list[str]:
    keys = release_encrypted_keys(read(person), presented=presented(person.account.recipient))
    return [key.encrypted_private_key for key in keys]


def test_a_released_key_is_the_registered_text(jane: Person) -> None:
    assert released(jane) == [jane.key.encrypted_private_key]


@pytest.mark.parametrize("text", [" x\r\n\t" * 30, "é\U0001f511" * 60, "x" * 8192, "-----BEGIN AGE"[:5] * 30])
def test_any_envelope_is_released_unchanged(jane: Person, text: str) -> None:
    row = Credential.objects.get()
    set_encrypted_key(row, check_key_envelope(text))
    row.save()
    assert released(jane) == [text]


def test_a_stored_key_is_encrypted_again(jane: Person) -> None:
    row = Credential.objects.get()
    secret = (jane.key.encrypted_private_key or "").encode()
    sealed = bytes(row.encrypted_key_at_rest or b"")
    assert secret not in sealed
    again = Credential.objects.get()
    set_encrypted_key(again, check_key_envelope(secret.decode()))
    assert bytes(again.encrypted_key_at_rest or b"") != sealed  # a new nonce each time


@pytest.mark.parametrize("purpose", sorted(set(CodePurpose) - {CodePurpose.LOGIN}))
def test_a_code_of_another_purpose_releases_nothing(jane: Person, purpose: CodePurpose) -> None:
    proof = presented(jane.account.recipient, purpose=purpose)
    assert release_encrypted_keys(read(jane), presented=proof) == []


def test_the_code_of_another_account_releases_nothing(jane: Person) -> None:
    namesake = make_person(make_organization(), jane.account.email)
    other = make_person(jane.account.organization, "lee@example.co")
    for person in (namesake, other):
        assert release_encrypted_keys(read(jane), presented=presented(person.account.recipient)) == []


@pytest.mark.parametrize("envelope", [opaque_envelope(), None])
def test_a_recovery_code_releases_only_the_recovery_key(jane: Person, envelope: str | None) -> None:
    recovery_key = make_credential(jane.account, SoftwareKey.make(kind=Kind.RECOVERY_KEY))
    Credential.objects.filter(pk=recovery_key.pk).update(encrypted_key_at_rest=None)
    if envelope is not None:
        replace_encrypted_key(recovery_key, check_key_envelope(envelope))
    lee = make_person(jane.account.organization, "lee@example.co")
    expected = ReleasedKey(credential_id=recovery_key.credential_id, encrypted_private_key=envelope or "")
    recovery = presented(jane.account.recipient, purpose=CodePurpose.RECOVERY)
    assert release_recovery_keys(jane.account, presented=recovery) == [expected]
    others = [presented(jane.account.recipient, purpose=each) for each in CodePurpose if each != CodePurpose.RECOVERY]
    for other in (*others, presented(lee.account.recipient, purpose=CodePurpose.RECOVERY)):
        assert release_recovery_keys(jane.account, presented=other) == []


def session_of(person: Person, *, code_presented: bool) -> Session:
    return Session.objects.create(
        jti="one",
        account=person.account,
        credential=person.account.credentials.get(),
        code_presented=code_presented,
        issued_at=NOW,
        last_seen_at=NOW,
        expires_at=NOW + HOUR,
    )


def test_a_session_opened_with_a_code_releases_keys_for_actions(jane: Person, settings: Any) -> None:
    """D-4."""
    session = session_of(jane, code_presented=True)
    keys = release_keys_for_action(session, now=NOW)
    assert keys is not None
    assert [key.encrypted_private_key for key in keys] == [jane.key.encrypted_private_key]
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "RELEASE_KEYS_FOR_ACTIONS": False}
    assert release_keys_for_action(session, now=NOW) is None


def test_a_session_opened_without_a_code_releases_nothing(jane: Person) -> None:
    """D-4."""
    assert release_keys_for_action(session_of(jane, code_presented=False), now=NOW) is None


def test_a_session_that_ended_releases_nothing(jane: Person) -> None:
    session = session_of(jane, code_presented=True)
    Session.objects.all().revoke(now=NOW)
    assert release_keys_for_action(session, now=NOW) == []


def test_only_usable_password_protected_keys_are_released(jane: Person) -> None:
    recovery = make_credential(jane.account, SoftwareKey.make(kind=Kind.RECOVERY_KEY))
    set_encrypted_key(recovery, check_key_envelope(opaque_envelope()))
    recovery.save()
    make_credential(jane.account, SoftwareKey.make(kind=Kind.KEY))
    assert released(jane) == [jane.key.encrypted_private_key]
    Credential.objects.filter(kind=CredentialKind.PASSWORD_PROTECTED_KEY).update(active=False)
    assert released(jane) == []


def test_an_encrypted_key_copied_to_another_row_is_not_released(jane: Person) -> None:
    lee = make_person(jane.account.organization, "lee@example.co")
    mine, theirs = jane.account.credentials.get(), lee.account.credentials.get()
    mine.encrypted_key_at_rest, theirs.encrypted_key_at_rest = theirs.encrypted_key_at_rest, mine.encrypted_key_at_rest
    Credential.objects.bulk_update([mine, theirs], ["encrypted_key_at_rest"])
    for person in (jane, lee):
        with pytest.raises(ImproperlyConfigured, match="belongs to another credential"):
            released(person)


@pytest.mark.parametrize("sealed", [b"", b"x", Fernet(Fernet.generate_key()).encrypt(b"{}")])
def test_text_that_we_did_not_encrypt_is_not_released(jane: Person, sealed: bytes) -> None:
    Credential.objects.update(encrypted_key_at_rest=sealed)
    with pytest.raises(ImproperlyConfigured, match="cannot decrypt the key of cr-"):
        released(jane)


def test_a_key_encrypted_with_another_ring_is_not_released(jane: Person) -> None:
    row = Credential.objects.get()
    text = json.dumps({"credential": row.pk, "key": "x"}).encode()
    Credential.objects.update(encrypted_key_at_rest=key_rings().challenges.encrypt(text))
    with pytest.raises(ImproperlyConfigured):
        released(jane)


def test_the_repr_of_a_released_key_hides_it() -> None:
    key = ReleasedKey(credential_id="AAAA", encrypted_private_key="secret")
    assert "secret" not in f"{key!r} {key} {[key]}"


# Turning the ring


def test_re_encrypted_keys_no_longer_need_the_old_key(jane: Person, turn: Any, forget: Any) -> None:
    lee = make_person(jane.account.organization, "lee@example.co")
    make_credential(lee.account, SoftwareKey.make(kind=Kind.KEY))
    turn()
    assert released(jane) == [jane.key.encrypted_private_key]
    assert reencrypt_keys() == Reencrypted(count=2, undecryptable=())
    forget()
    assert released(jane) == [jane.key.encrypted_private_key]
    assert released(lee) == [lee.key.encrypted_private_key]


def test_a_key_removed_from_the_ring_too_early_is_reported(jane: Person, turn: Any, forget: Any) -> None:
    turn()
    forget()
    with pytest.raises(ImproperlyConfigured, match="dfns reencrypt"):
        released(jane)
    assert reencrypt_keys() == Reencrypted(count=0, undecryptable=(Credential.objects.get().pk,))


def test_re_encrypting_without_keys_does_nothing(settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "KEYS": new_rings(now=NOW)}
    assert reencrypt_keys() == Reencrypted(count=0, undecryptable=())


def test_re_encrypting_continues_after_a_batch(jane: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfns_login.proofs.key_release.BATCH", 2)
    for number in range(4):
        make_person(jane.account.organization, f"lee{number}@example.co")
    assert reencrypt_keys() == Reencrypted(count=5, undecryptable=())


def test_a_replaced_key_is_stored_for_its_credential_only(jane: Person) -> None:
    lee = make_person(jane.account.organization, "lee@example.co")
    envelope = opaque_envelope()
    replace_encrypted_key(jane.account.credentials.get(), check_key_envelope(envelope))
    assert released(jane) == [envelope]
    assert released(lee) == [lee.key.encrypted_private_key]


def test_a_sample_finds_keys_that_cannot_be_decrypted(jane: Person) -> None:
    """The sample starts at a random credential and wraps around."""
    lee = make_person(jane.account.organization, "lee@example.co")
    assert undecryptable_keys(sample=2) == []
    broken = lee.account.credentials.get()
    Credential.objects.filter(pk=broken.pk).update(encrypted_key_at_rest=b"x")
    assert undecryptable_keys(sample=2) == [broken.pk]
    Credential.objects.update(encrypted_key_at_rest=b"x")
    assert len(undecryptable_keys(sample=1)) == 1
