"""The tables' invariants, held by the database, and their transitions, each won by one caller."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import IntegrityError, transaction

from dfns_login.delivery.codes import RECIPIENT_STATES
from dfns_login.models import (
    Account,
    AccountState,
    Caller,
    CodeClosed,
    CodePurpose,
    Credential,
    CredentialKind,
    DeliveryState,
    OneTimeCode,
    Organization,
    Session,
    opaque_id,
)
from dfns_login.proofs.codes import issue_code
from dfns_login.settings import login_settings
from tests.support.authenticators import Kind, SoftwareKey
from tests.support.clock import HOUR, MINUTE, NOW, SECOND
from tests.support.factories import (
    SOMEWHERE,
    Person,
    make_account,
    make_credential,
    make_organization,
    make_person,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def kim() -> Person:
    return make_person(make_organization(), "kim@example.co", SoftwareKey.make())


def refused(change: Any) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        change()


def test_ids_are_opaque_and_never_the_same() -> None:
    ids = {opaque_id("us") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(each) == 31 and each.startswith("us-") and each.count("-") == 3 for each in ids)
    assert (Organization().pk[:3], Account().pk[:3], Credential().pk[:3]) == ("or-", "us-", "cr-")


def test_the_text_of_a_row_shows_no_secret(kim: Person) -> None:
    assert str(kim.account.organization) == "Acme"
    assert str(kim.account) == "kim@example.co"
    credential = kim.account.credentials.get()
    assert str(credential) == f"Key {credential.pk}"
    code = OneTimeCode.objects.get(pk=ask(kim.account))
    assert str(code) == f"login code {code.pk}"
    assert str(session_of(kim)).startswith("session ")


def ask(account: Account) -> int:
    return issue_code(account.recipient, purpose=CodePurpose.LOGIN, requester=SOMEWHERE, now=NOW)


def session_of(person: Person, **values: Any) -> Session:
    given = {"issued_at": NOW, "last_seen_at": NOW, "expires_at": NOW + 12 * HOUR, **values}
    account = person.account
    return Session.objects.create(jti=opaque_id("s"), account=account, credential=account.credentials.all()[0], **given)


# Accounts


def test_a_name_is_an_organizations_once(kim: Person) -> None:
    refused(lambda: make_account(kim.account.organization, "KIM@example.co", state=AccountState.INVITED))
    assert make_account(make_organization(), "kim@example.co")


def test_a_user_has_one_account_in_an_organization(kim: Person) -> None:
    other = make_account(kim.account.organization, "lee@example.co", state=AccountState.INVITED)
    refused(lambda: Account.objects.filter(pk=other.pk).update(user=kim.account.user))
    elsewhere = make_account(make_organization(), "lee@example.co", state=AccountState.INVITED)
    assert Account.objects.filter(pk=elsewhere.pk).update(user=kim.account.user) == 1


def test_who_is_registered_has_a_user(kim: Person) -> None:
    refused(lambda: Account.objects.update(user=None))
    refused(lambda: Account.objects.update(state="lost"))


def test_an_account_registers_once(kim: Person) -> None:
    lee = make_account(make_organization(), "lee@example.co", state=AccountState.INVITED)
    user = make_user("lee")
    assert Account.objects.lock_invited(account=lee, generation=0)
    assert Account.objects.register(account=lee, user=user, locale="fr")
    assert not Account.objects.register(account=lee, user=user, locale="fr")
    assert not Account.objects.lock_invited(account=lee, generation=0)
    assert not Account.objects.register(account=kim.account, user=user, locale="fr")


def test_an_account_is_deactivated_once_and_let_in_as_what_it_was(kim: Person) -> None:
    lee = make_account(make_organization(), "lee@example.co", state=AccountState.INVITED)
    for account, state in ((kim.account, AccountState.REGISTERED), (lee, AccountState.INVITED)):
        assert not Account.objects.reactivate(account=account)
        assert Account.objects.deactivate(account=account)
        assert not Account.objects.deactivate(account=account)
        assert Account.objects.reactivate(account=account)
        account.refresh_from_db()
        assert account.state == state


@pytest.mark.parametrize(
    ("state", "current", "invited"),
    [
        (AccountState.INVITED, False, True),
        (AccountState.REGISTERED, True, False),
        (AccountState.DEACTIVATED, False, False),
    ],
)
def test_an_account_voided_meanwhile_is_not_locked(
    kim: Person, state: AccountState, *, current: bool, invited: bool
) -> None:
    account = kim.account
    Account.objects.filter(pk=account.pk).update(state=state, generation=2)
    for generation, voided in ((1, True), (2, False), (3, False)):
        locked = Account.objects.lock_current(account=account, generation=generation)
        assert locked is (current and not voided)
        found = Account.objects.lock_invited(account=account, generation=generation)
        assert found == (account if invited and not voided else None)


def generations() -> list[int]:
    """Of the accounts, the oldest first, and of their organizations."""
    accounts = Account.objects.order_by("username").values_list("generation", flat=True)
    return [*accounts, *Organization.objects.order_by("name").values_list("generation", flat=True)]


def test_every_voided_account_gets_the_newest_generation_of_its_organization(kim: Person) -> None:
    lee = make_account(kim.account.organization, "lee@example.co")
    make_account(make_organization("Other"), "mallory@example.co")
    Account.objects.raise_generation(account=kim.account)
    assert generations() == [1, 0, 0, 1, 0]
    Account.objects.raise_generation(account=lee)
    assert generations() == [1, 2, 0, 2, 0]
    Account.objects.raise_every_generation(organization=lee.organization)
    assert generations() == [3, 3, 0, 3, 0]


# Credentials


def test_a_credential_id_is_an_organizations_once(kim: Person) -> None:
    lee = make_person(kim.account.organization, "lee@example.co", SoftwareKey.make())
    taken = kim.account.credentials.get().canonical_credential_id
    refused(lambda: lee.account.credentials.update(canonical_credential_id=taken))
    elsewhere = make_person(make_organization(), "lee@example.co", SoftwareKey.make())
    assert elsewhere.account.credentials.update(canonical_credential_id=taken) == 1


@pytest.mark.parametrize(
    ("kind", "sealed", "fits"),
    [
        (CredentialKind.PASSWORD_PROTECTED_KEY, None, False),
        (CredentialKind.PASSWORD_PROTECTED_KEY, b"x", True),
        (CredentialKind.RECOVERY_KEY, None, True),
        (CredentialKind.RECOVERY_KEY, b"x", True),
        (CredentialKind.KEY, None, True),
        (CredentialKind.KEY, b"x", False),
        (CredentialKind.FIDO2, None, True),
        (CredentialKind.FIDO2, b"x", False),
        ("Password", None, False),
    ],
)
def test_a_sealed_key_stands_only_where_the_kind_has_one(
    kim: Person, kind: str, sealed: bytes | None, *, fits: bool
) -> None:
    def change() -> None:
        Credential.objects.update(kind=kind, encrypted_key_at_rest=sealed)

    if fits:
        change()
    else:
        refused(change)


def test_a_credential_is_deactivated_once(kim: Person) -> None:
    credential = make_credential(kim.account, SoftwareKey.make(kind=Kind.KEY))
    assert Credential.objects.deactivate(credential=credential)
    assert not Credential.objects.deactivate(credential=credential)
    assert Credential.objects.usable().count() == 1


# Codes


def test_a_code_is_revoked_once(kim: Person) -> None:
    ask(kim.account)
    code = OneTimeCode.objects.get()
    assert OneTimeCode.objects.revoke(code=code, now=NOW)
    assert not OneTimeCode.objects.revoke(code=code, now=NOW + SECOND)
    code.refresh_from_db()
    assert (code.closed_as, code.closed_at, code.salt) == (CodeClosed.REVOKED, NOW, None)


def test_every_code_of_the_account_is_revoked_and_no_other(kim: Person) -> None:
    namesake = make_account(make_organization(), "kim@example.co")
    for account in (kim.account, namesake):
        for purpose in RECIPIENT_STATES:
            issue_code(account.recipient, purpose=purpose, requester=SOMEWHERE, now=NOW)
    assert OneTimeCode.objects.revoke_of_account(account=kim.account, now=NOW) == 3
    assert OneTimeCode.objects.revoke_of_account(account=kim.account, now=NOW) == 0
    assert set(OneTimeCode.objects.open().values_list("organization", flat=True)) == {namesake.organization_id}


@pytest.mark.parametrize("delivery", DeliveryState)
@pytest.mark.parametrize("mailed", [True, False])
def test_closing_settles_a_delivery_that_will_not_come(kim: Person, delivery: DeliveryState, *, mailed: bool) -> None:
    ask(kim.account)
    OneTimeCode.objects.update(delivery=delivery, sent_at=NOW if mailed else None)
    OneTimeCode.objects.all().close(how=CodeClosed.REVOKED, now=NOW)
    under_way = delivery in {DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.FAILED}
    settled = DeliveryState.SENT if mailed else DeliveryState.EXPIRED_UNSENT
    assert OneTimeCode.objects.get().delivery == (settled if under_way else delivery)


@pytest.mark.parametrize(
    ("after", "guesses", "closed"),
    [
        (8 * MINUTE - SECOND, 9, None),
        (8 * MINUTE, 0, CodeClosed.SUPERSEDED),
        (10 * MINUTE, 0, CodeClosed.EXPIRED),
        (SECOND, 10, CodeClosed.SUPERSEDED),
    ],
)
def test_a_stale_code_is_closed(kim: Person, after: timedelta, guesses: int, closed: CodeClosed | None) -> None:
    ask(kim.account)
    OneTimeCode.objects.update(guesses=guesses)
    before = OneTimeCode.objects.values().get()
    row = OneTimeCode.objects.get()
    row.salt, row.asked_at, row.next_try_at = b"another", NOW + after, NOW + after
    kept = OneTimeCode.objects.open_or_keep(row, cooldown=HOUR, cap=10, margin=2 * MINUTE)
    assert kept == (None if closed else row.pk)
    changes = {"closed_at": NOW + after, "closed_as": closed, "salt": None, "delivery": "expired unsent"}
    assert OneTimeCode.objects.values().get() == before | (changes if closed else {})


@pytest.mark.parametrize("delivery", DeliveryState)
@pytest.mark.parametrize("mailed", [True, False])
def test_a_stale_code_is_closed_as_any_other(kim: Person, delivery: DeliveryState, *, mailed: bool) -> None:
    """The SQL and the ORM agree."""
    ask(kim.account)
    OneTimeCode.objects.update(delivery=delivery, sent_at=NOW if mailed else None, guesses=10)
    before = OneTimeCode.objects.get()
    OneTimeCode.objects.all().close(how=CodeClosed.SUPERSEDED, now=NOW)
    expected = OneTimeCode.objects.values().get()
    before.save()
    assert OneTimeCode.objects.open_or_keep(before, cooldown=MINUTE, cap=10, margin=MINUTE) is None
    assert OneTimeCode.objects.values().get() == expected


@pytest.mark.parametrize("caller", Caller)
@pytest.mark.parametrize("spent", Caller)
def test_a_code_is_stale_once_its_caller_has_no_guesses(kim: Person, caller: Caller, spent: Caller) -> None:
    ask(kim.account)
    OneTimeCode.objects.update(caller=caller, **{spent.counter: 10})
    row = OneTimeCode.objects.get()
    kept = OneTimeCode.objects.open_or_keep(row, cooldown=MINUTE, cap=10, margin=2 * MINUTE)
    assert kept == (None if caller is spent else row.pk)


def test_a_new_code_is_never_stale(kim: Person) -> None:
    ask(kim.account)
    row = OneTimeCode.objects.get()
    row.delete()
    assert OneTimeCode.objects.open_or_keep(row, cooldown=MINUTE, cap=0, margin=HOUR) is not None


@pytest.mark.parametrize("how", CodeClosed)
def test_codes_have_lapsed_if_the_newest_expired(kim: Person, how: CodeClosed) -> None:
    mine = OneTimeCode.objects.of(kim.account.recipient, purpose=CodePurpose.LOGIN)
    assert not mine.lapsed(now=NOW)
    ask(kim.account)
    assert not mine.lapsed(now=NOW + 10 * MINUTE - SECOND)
    assert mine.lapsed(now=NOW + 10 * MINUTE)
    assert mine.lapsed(now=NOW + 10 * MINUTE + SECOND)
    mine.close(how=how, now=NOW)
    assert mine.lapsed(now=NOW) is (how == CodeClosed.EXPIRED)
    ask(kim.account)
    assert not mine.lapsed(now=NOW)


def test_a_code_outlives_its_account(kim: Person) -> None:
    ask(kim.account)
    OneTimeCode.objects.update(account=kim.account)
    kim.account.delete()
    assert OneTimeCode.objects.get().account is None


# Sessions


def test_a_session_is_live_until_anything_ends_it(kim: Person) -> None:
    session = session_of(kim)

    def live(*, after: Any = SECOND) -> bool:
        return Session.objects.live(now=NOW + after, idle=login_settings().token_idle).filter(pk=session.pk).exists()

    assert live()
    assert not live(after=HOUR)
    assert Session.objects.filter(pk=session.pk).revoke(now=NOW) == 1
    assert not live()
    assert Session.objects.filter(pk=session.pk).revoke(now=NOW + SECOND) == 0
    session.refresh_from_db()
    assert session.revoked_at == NOW


@pytest.mark.django_db(transaction=True)
def test_a_session_is_touched_at_most_once_a_minute(kim: Person) -> None:
    session = session_of(kim)
    for after, seen in ((0, 0), (59, 0), (60, 60), (61, 60), (119, 60), (120, 120)):
        Session.objects.touch(session=session, now=NOW + after * SECOND)
        session.refresh_from_db()
        assert session.last_seen_at == NOW + seen * SECOND
    overtaken = Session.objects.get()
    Session.objects.update(last_seen_at=NOW + HOUR)
    Session.objects.touch(session=overtaken, now=NOW + HOUR + SECOND)
    assert Session.objects.get().last_seen_at == NOW + HOUR


def test_two_sessions_have_two_names(kim: Person) -> None:
    session = session_of(kim)
    session.pk = None
    refused(lambda: session.save(force_insert=True))


def test_a_session_is_bound_to_a_django_session_unless_it_ended(kim: Person) -> None:
    session, other = session_of(kim), session_of(kim)
    assert Session.objects.bind(session=session, django_session_key="first")
    assert Session.objects.filter(pk=session.pk).revoke(now=NOW) == 1
    assert not Session.objects.bind(session=session, django_session_key="second")
    session.refresh_from_db()
    other.refresh_from_db()
    assert (session.django_session_key, other.django_session_key) == ("first", "")


def django_session() -> str:
    store = SessionStore()
    store.create()
    return str(store.session_key)


def test_ending_a_session_deletes_its_django_session(kim: Person, django_capture_on_commit_callbacks: Any) -> None:
    ended, live = django_session(), django_session()
    session = session_of(kim, django_session_key=ended)
    session_of(kim, django_session_key=live)
    with django_capture_on_commit_callbacks(execute=True):
        assert Session.objects.filter(pk=session.pk).revoke(now=NOW) == 1
    assert not SessionStore().exists(ended)
    assert SessionStore().exists(live)


@pytest.mark.django_db(transaction=True)
def test_a_session_ends_even_if_its_django_session_cannot_be_deleted(kim: Person, settings: Any) -> None:
    session_of(kim, django_session_key="key")
    settings.SESSION_ENGINE = "missing"
    assert Session.objects.all().revoke(now=NOW) == 1
    assert not Session.objects.filter(revoked_at=None).exists()
