"""What a login reads about a name, in one statement."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.forms.models import model_to_dict
from django.test.utils import CaptureQueriesContext

from dfns_login.models import (
    Account,
    AccountState,
    Caller,
    CodeClosed,
    CodePurpose,
    Credential,
    CredentialKind,
    LoginRecord,
    OneTimeCode,
    Organization,
)
from dfns_login.proofs import derive_code
from dfns_login.requester import Requester
from dfns_login.usernames import Recipient
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.clock import NOW, SECOND
from tests.support.factories import Person, issue, make_credential, make_person

pytestmark = pytest.mark.django_db
DEVICE = Requester(address="192.0.2.1", device="a device")


@pytest.fixture
def kim() -> Person:
    return make_person()


def read(person: Person, *, caller: Caller | None = Caller.STRANGER) -> LoginRecord:
    return LoginRecord.read(person.account.recipient, caller=caller)


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
def test_a_name_without_a_code_is_read_in_any_time_zone(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    """`DATABASES` may have a `TIME_ZONE`."""
    monkeypatch.setattr(connection, "timezone", ZoneInfo(zone))
    monkeypatch.setattr(connection, "timezone_name", zone)
    if connection.vendor == "postgresql":
        connection.ensure_timezone()
    (code,) = LoginRecord.read(Recipient(organization="or-x", username="nobody"), caller=Caller.STRANGER).codes
    assert code.expires_at < NOW


@pytest.mark.parametrize("state", AccountState)
@pytest.mark.parametrize("active", [True, False])
def test_an_organization_is_read_with_its_registered_account(kim: Person, state: AccountState, *, active: bool) -> None:
    make_person(kim.account.organization, "lee@example.co", SoftwareKey.make())
    Account.objects.filter(pk=kim.account.pk).update(state=state, locked_until=NOW)
    Organization.objects.update(active=active)
    record = read(kim)
    assert record.organization == (kim.account.organization if active else None)
    if active and state == AccountState.REGISTERED:
        assert record.account is not None
        assert record.organization is not None
        assert model_to_dict(record.account) == model_to_dict(Account.objects.get(pk=kim.account.pk))
        assert (record.account.organization, record.account.locked_until) == (kim.account.organization, NOW)
        assert model_to_dict(record.organization) == model_to_dict(kim.account.organization)
    else:
        assert (record.account, record.credentials) == (None, [])


def test_credentials_that_may_sign_in_are_read_the_oldest_first(kim: Person) -> None:
    other = make_person(kim.account.organization, "lee@example.co")
    newer = make_credential(kim.account, SoftwareKey.make(kind=Kind.KEY))
    Credential.objects.filter(pk=newer.pk).update(created_at=newer.created_at + SECOND, networks=["192.0.2.0/24"])
    make_credential(kim.account, SoftwareKey.make(kind=Kind.RECOVERY_KEY))
    Credential.objects.deactivate(credential=make_credential(kim.account, SoftwareKey.make(kind=Kind.KEY)))
    issue(kim.account.recipient, now=NOW)
    issue(kim.account.recipient, now=NOW, requester=DEVICE)
    older, newest = read(kim, caller=Caller.DEVICE).credentials
    stored = kim.account.credentials.get(kind=CredentialKind.PASSWORD_PROTECTED_KEY)
    assert (older.pk, older.kind, older.credential_id) == (stored.pk, stored.kind, stored.credential_id)
    assert bytes(older.encrypted_key_at_rest or b"") == bytes(stored.encrypted_key_at_rest or b"")
    assert (newest.pk, newest.kind, newest.networks) == (newer.pk, CredentialKind.KEY, ["192.0.2.0/24"])
    assert [each.pk for each in read(other).credentials] == [other.account.credentials.get().pk]


def test_without_a_code_neither_codes_nor_encrypted_keys_are_read(kim: Person) -> None:
    issue(kim.account.recipient, now=NOW)
    assert read(kim).codes
    key = make_credential(kim.account, SoftwareKey.make(kind=Kind.KEY))
    assert len(read(kim).credentials) == 2
    record = read(kim, caller=None)
    assert record.codes == []
    assert [(each.pk, each.encrypted_key_at_rest) for each in record.credentials] == [(key.pk, None)]


def test_the_repr_of_a_record_hides_the_encrypted_key(kim: Person) -> None:
    assert "encrypted_key_at_rest" not in repr(read(kim))


@pytest.mark.parametrize("known", [True, False])
def test_the_codes_of_a_caller_are_read(kim: Person, *, known: bool) -> None:
    """R-33: also those of a name that does not exist. A known device may present the strangers' code."""
    recipient = kim.account.recipient if known else Recipient(organization="or-none", username="lee@example.co")
    codes = {issue(recipient, now=NOW), issue(recipient, now=NOW, requester=DEVICE)}
    issue(recipient, now=NOW, purpose=CodePurpose.RECOVERY)
    for caller, callers in ((Caller.STRANGER, [Caller.STRANGER]), (Caller.DEVICE, [Caller.DEVICE, Caller.STRANGER])):
        found = LoginRecord.read(recipient, caller=caller).codes
        assert [each.caller for each in found] == callers
        assert {derive_code(each) for each in found} <= codes
    OneTimeCode.objects.all().close(how=CodeClosed.REVOKED, now=NOW + timedelta(seconds=1))
    (stand_in,) = LoginRecord.read(recipient, caller=Caller.DEVICE).codes
    assert not stand_in.pk
    assert stand_in.expires_at < NOW - timedelta(days=10_000)


@pytest.mark.parametrize("caller", [*Caller, None])
def test_the_statement_is_the_same_for_every_name(kim: Person, caller: Caller | None) -> None:
    """R-33."""
    nobody: list[dict[str, Any]] = [{"username": "nobody@example.co"}, {"organization": "or-none"}]
    names = {"organization": kim.account.organization_id, "username": kim.account.username}
    seen = set()
    for each in ({}, *nobody):
        recipient = Recipient(**{**names, **each})
        with CaptureQueriesContext(connection) as captured:
            LoginRecord.read(recipient, caller=caller)
        (statement,) = (query["sql"] for query in captured)
        seen.add(statement.replace(recipient.username, "name").replace(recipient.organization, "organization"))
    assert len(seen) == 1
