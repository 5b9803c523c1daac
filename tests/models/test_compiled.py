"""Statements whose SQL text is built once per process do what the ORM does."""

from datetime import datetime
from typing import Any

import pytest
from django.forms.models import model_to_dict

from dfns_login.audit import draft_event
from dfns_login.models import (
    Account,
    AuditEvent,
    AuditKind,
    Credential,
    CredentialKind,
    Opening,
    Session,
    SpentToken,
)
from tests.support.clock import HOUR, MINUTE, NOW
from tests.support.factories import SOMEWHERE, Person, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def jane() -> Person:
    return make_person()


def asked(credential: Credential) -> dict[str, Any]:
    return {
        "organization_id": credential.organization_id,
        "account_id": credential.account_id,
        "canonical_credential_id": credential.canonical_credential_id,
        "kind": CredentialKind(credential.kind),
    }


def new_session(credential: Credential, jti: str = "jti") -> Session:
    return Session(
        jti=jti,
        account=credential.account,
        credential=credential,
        issued_at=NOW,
        last_seen_at=NOW,
        expires_at=NOW + HOUR,
        agent="a browser",
    )


def test_a_compiled_select_returns_what_the_orm_returns(jane: Person, django_assert_num_queries) -> None:
    stored = jane.account.credentials.get()
    with django_assert_num_queries(2):
        key = Credential.objects.signing_key(**asked(stored))
        assert (key.account_id, key.spki) == (jane.account.pk, bytes(stored.public_key))
        found = Credential.objects.with_key(key)
        assert model_to_dict(found, exclude=["encrypted_key_at_rest"]) == model_to_dict(
            stored, exclude=["encrypted_key_at_rest"]
        )
        assert (found.created_at, bytes(found.public_key)) == (stored.created_at, bytes(stored.public_key))
        assert found.account.organization.name == jane.account.organization.name
        assert found.account.user.is_active
    assert found.get_deferred_fields() == {"encrypted_key_at_rest"}
    other = make_person().account.credentials.get()
    assert (
        Credential.objects.signing_key(**asked(other)).account_id == other.account_id
    )  # the values of another run are not kept


@pytest.mark.parametrize("changed", ["organization_id", "account_id", "canonical_credential_id"])
def test_a_credential_of_somebody_else_is_not_found(jane: Person, changed: str) -> None:
    asking = asked(jane.account.credentials.get())
    assert Credential.objects.signing_key(**asking)
    assert Credential.objects.signing_key(**{**asking, changed: "another"}) is None


def test_an_unusable_credential_is_not_found(jane: Person) -> None:
    stored = jane.account.credentials.get()
    assert Credential.objects.signing_key(**{**asked(stored), "kind": CredentialKind.KEY}) is None
    Credential.objects.deactivate(credential=stored)
    assert Credential.objects.signing_key(**asked(stored)) is None


class TestOpeningASession:
    """The account is compared, the challenge spent, the session stored (R-122)."""

    def test_stores_the_session_and_the_spent_challenge(self, jane: Person) -> None:
        session = new_session(jane.account.credentials.get())
        assert open_session(session) is Opening.OPENED
        stored = Session.objects.get()
        assert model_to_dict(stored) == model_to_dict(session)
        assert (stored.pk, stored.jti, stored.expires_at) == (session.pk, "jti", NOW + HOUR)
        assert SpentToken.objects.values().get() == {"jti": "challenge", "expires_at": NOW + MINUTE}
        event = AuditEvent.objects.get()
        assert (event.kind, event.account_id, event.detail) == (
            AuditKind.SIGNED_IN,
            jane.account.pk,
            {"kind": "Key", "session": session.pk},
        )
        session.agent = "changed"
        session.save()
        assert Session.objects.get().agent == "changed"

    def test_twice_with_one_challenge_stores_nothing_the_second_time(self, jane: Person) -> None:
        credential = jane.account.credentials.get()
        assert open_session(new_session(credential)) is Opening.OPENED
        assert open_session(new_session(credential, "another")) is Opening.SPENT
        assert [each.objects.count() for each in (Session, SpentToken, AuditEvent)] == [1, 1, 1]

    @pytest.mark.parametrize("change", [{"generation": 2}, {"state": "deactivated"}])
    def test_of_an_account_that_was_voided_stores_nothing(self, jane: Person, change: dict[str, object]) -> None:
        Account.objects.filter(pk=jane.account.pk).update(generation=1)
        assert open_session(new_session(jane.account.credentials.get())) is Opening.OPENED
        Account.objects.filter(pk=jane.account.pk).update(**change)
        another = new_session(jane.account.credentials.get(), "another")
        assert open_session(another, challenge="another") is Opening.VOIDED
        assert [each.objects.count() for each in (Session, SpentToken, AuditEvent)] == [1, 1, 1]


def open_session(session: Session, *, challenge: str = "challenge", expires_at: datetime = NOW + MINUTE) -> Opening:
    spending = SpentToken(jti=challenge, expires_at=expires_at)
    event = draft_event(AuditKind.SIGNED_IN, account=session.account, requester=SOMEWHERE, now=NOW, kind="Key")
    return Session.objects.open(session, spending=spending, generation=1, event=event)


def test_an_inserted_event_is_what_was_given(jane: Person) -> None:
    event = AuditEvent(
        kind=AuditKind.SIGNED_IN,
        organization_id=jane.account.organization_id,
        account=jane.account,
        at=NOW,
        detail={"session": 1},
        evidence=None,
    )
    AuditEvent.objects.add(event)
    stored = AuditEvent.objects.get(pk=event.pk)
    assert model_to_dict(stored) == model_to_dict(event)
    with pytest.raises(TypeError):
        AuditEvent.objects.add(event)
