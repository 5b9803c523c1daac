"""What is removed, and when (R-119, R-46)."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from dfns_login import purge as module
from dfns_login.ceremonies.invitation import Invitation, invite
from dfns_login.ceremonies.operators import Operator, invite_again, reactivate_account
from dfns_login.models import (
    Account,
    AccountState,
    AuditEvent,
    AuditKind,
    CodeClosed,
    CodePurpose,
    OneTimeCode,
    Session,
    SpentToken,
)
from dfns_login.proofs import derive_code, issue_code, present_code
from dfns_login.proofs.challenges import REQUEST_DEADLINE
from dfns_login.purge import BATCH, close_expired_codes, purge
from dfns_login.settings import login_settings
from dfns_login.usernames import Recipient
from tests.support.authenticators import SoftwareKey
from tests.support.clock import DAY, HOUR, MINUTE, NOW, SECOND
from tests.support.factories import SOMEWHERE, make_credential, make_organization, make_person, make_user

pytestmark = pytest.mark.django_db

NOTHING = {"codes": 0, "spent_tokens": 0, "sessions": 0, "accounts": 0, "audit_events": 0}


@pytest.fixture
def account() -> Account:
    return make_person(make_organization(), "jane@example.co", SoftwareKey.make()).account


def ask(name: str, *, now: datetime = NOW, purpose: CodePurpose = CodePurpose.LOGIN) -> OneTimeCode:
    recipient = Recipient(organization="or-1", username=name)
    return OneTimeCode.objects.get(pk=issue_code(recipient, purpose=purpose, requester=SOMEWHERE, now=now))


def test_every_expired_code_is_closed_known_or_not(account: Account) -> None:
    rows = [ask(f"name {number}") for number in range(3)]
    OneTimeCode.objects.filter(pk=rows[0].pk).update(account=account)
    later = ask("later", now=NOW + SECOND)
    invitation = ask("invited", purpose=CodePurpose.REGISTRATION)
    assert close_expired_codes(now=NOW + 10 * MINUTE - SECOND) == 0
    assert close_expired_codes(now=NOW + 10 * MINUTE) == 3
    for row in rows:
        row.refresh_from_db()
        assert (row.closed_as, row.closed_at, row.salt) == (CodeClosed.EXPIRED, NOW + 10 * MINUTE, None)
    assert set(OneTimeCode.objects.open()) == {later, invitation}
    assert close_expired_codes(now=NOW + 24 * HOUR) == 2
    assert close_expired_codes(now=NOW + 24 * HOUR) == 0


def test_it_goes_on_after_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ask("0")
    copies = []
    for number in range(BATCH + 10):
        copy = OneTimeCode.objects.get(pk=row.pk)
        copy.pk, copy.recipient = None, f"copy {number}"
        copies.append(copy)
    OneTimeCode.objects.bulk_create(copies)
    assert close_expired_codes(now=NOW + DAY) == BATCH + 11
    assert purge(now=NOW + DAY + 2 * HOUR)["codes"] == BATCH + 11
    assert module.BATCH == BATCH


@pytest.mark.parametrize("how", CodeClosed)
@pytest.mark.parametrize("known", [True, False])
def test_closed_codes_are_kept_for_operators_if_anybody_was_there(
    account: Account, how: CodeClosed, *, known: bool
) -> None:
    row = ask("jane")
    OneTimeCode.objects.filter(pk=row.pk).update(account=account if known else None)
    OneTimeCode.objects.close(how=how, now=NOW)
    kept = login_settings().code_retention if known else HOUR
    assert purge(now=NOW + kept - SECOND) == NOTHING
    assert purge(now=NOW + kept) == {**NOTHING, "codes": 1}


def test_an_open_code_is_never_touched() -> None:
    row = ask("jane")
    code = derive_code(row)
    assert purge(now=NOW + 1000 * DAY) == NOTHING
    recipient = Recipient(organization="or-1", username="jane")
    assert present_code(recipient, code, purpose=CodePurpose.LOGIN, now=NOW + MINUTE)


def test_a_spent_token_is_kept_longer_than_it_is_valid() -> None:
    SpentToken.objects.create(jti="x", expires_at=NOW)
    """R-124. No request lasts as long."""
    assert REQUEST_DEADLINE == 10 * SECOND
    assert purge(now=NOW + REQUEST_DEADLINE + HOUR - SECOND) == NOTHING
    assert purge(now=NOW + REQUEST_DEADLINE + HOUR) == {**NOTHING, "spent_tokens": 1}


def test_sessions_and_events_go_after_their_retention(account: Account) -> None:
    credential = account.credentials.get()
    Session.objects.create(
        jti="x", account=account, credential=credential, issued_at=NOW, last_seen_at=NOW, expires_at=NOW
    )
    AuditEvent.objects.create(kind=AuditKind.SIGNED_IN, organization=account.organization, account=account, at=NOW)
    conf = login_settings()
    assert purge(now=NOW + conf.code_retention - SECOND) == NOTHING
    assert purge(now=NOW + conf.code_retention) == {**NOTHING, "sessions": 1}
    assert purge(now=NOW + conf.audit_retention - SECOND) == NOTHING
    assert purge(now=NOW + conf.audit_retention) == {**NOTHING, "audit_events": 1}
    assert Account.objects.get() == account


def test_retention_is_a_setting(settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "AUDIT_RETENTION": timedelta(days=1)}
    person = make_person(make_organization(), "lee@example.co", SoftwareKey.make())
    make_credential(person.account, SoftwareKey.make())
    AuditEvent.objects.create(
        kind=AuditKind.SIGNED_IN, organization=person.account.organization, account=person.account, at=NOW
    )
    assert purge(now=NOW + DAY)["audit_events"] == 1


def test_twice_at_once_is_as_good_as_once() -> None:
    ask("jane")
    close_expired_codes(now=NOW + DAY)
    assert purge(now=NOW + 2 * DAY)["codes"] == 1
    assert purge(now=NOW + 2 * DAY) == NOTHING


@pytest.fixture
def signed_up() -> Account:
    """R-152."""
    lee = Account.objects.create(
        organization=make_organization(), username="lee@example.co", email="lee@example.co", signed_up=True
    )
    Account.objects.update(created_at=NOW)
    return lee


def test_who_signs_up_and_does_not_register_is_forgotten_with_the_codes(signed_up: Account) -> None:
    code_retention = login_settings().code_retention
    pk = issue_code(signed_up.recipient, purpose=CodePurpose.REGISTRATION, requester=SOMEWHERE, now=NOW + DAY)
    OneTimeCode.objects.filter(pk=pk).update(account=signed_up)
    assert purge(now=NOW + code_retention) == NOTHING  # an open code, which its owner may still enter
    close_expired_codes(now=NOW + 3 * DAY)
    closed_at = OneTimeCode.objects.get().closed_at
    assert closed_at
    assert purge(now=closed_at + code_retention - SECOND) == NOTHING
    assert purge(now=closed_at + code_retention) == {**NOTHING, "codes": 1, "accounts": 1}
    assert not Account.objects.exists()


def test_a_code_that_was_just_requested_keeps_the_account(signed_up: Account) -> None:
    later = NOW + login_settings().code_retention
    issue_code(signed_up.recipient, purpose=CodePurpose.REGISTRATION, requester=SOMEWHERE, now=later)
    assert purge(now=later) == NOTHING


@pytest.mark.parametrize("kept", ["registered", "deactivated", "invited again", "reactivated", "invited at first"])
def test_other_accounts_are_never_purged(signed_up: Account, kept: str) -> None:
    operator = Operator(requester=SOMEWHERE)
    if kept == "registered":
        user = make_user("lee")
        Account.objects.update(state=AccountState.REGISTERED, user=user)
    elif kept == "invited again":
        invite_again(signed_up, operator=operator, now=NOW)
    elif kept == "invited at first":
        Account.objects.update(signed_up=False)
    else:
        Account.objects.deactivate(account=signed_up)
        if kept == "reactivated":
            reactivate_account(signed_up, operator=operator, now=NOW)
    OneTimeCode.objects.all().delete()
    assert purge(now=NOW + 300 * DAY)["accounts"] == 0
    assert Account.objects.exists()


def test_who_signed_up_and_is_then_invited_is_kept(signed_up: Account) -> None:
    """Also if the account is purged while the operator invites."""
    asked = Invitation(organization=signed_up.organization, email=signed_up.email)
    assert invite(asked, requester=SOMEWHERE, now=NOW) == signed_up
    assert not Account.objects.get().signed_up
    Account.objects.update(signed_up=True)
    OneTimeCode.objects.all().delete()

    def purge_first(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE") and "signed_up" in sql and Account.objects.exists():
            purge(now=NOW + login_settings().code_retention)
        return execute(sql, *rest)

    with connection.execute_wrapper(purge_first):
        account = invite(asked, requester=SOMEWHERE, now=NOW)
    assert account != signed_up
    assert list(Account.objects.values_list("pk", "signed_up")) == [(account.pk, False)]
