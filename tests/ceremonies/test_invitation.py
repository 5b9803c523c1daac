"""Invitations: what an operator does before anybody can register."""

from datetime import datetime

import pytest

from dfns_login.ceremonies.invitation import Invitation, invite
from dfns_login.codes import derive_code
from dfns_login.errors import BodyRefused, UserExists
from dfns_login.models import (
    Account,
    AccountKind,
    AccountState,
    AuditEvent,
    AuditKind,
    CodePurpose,
    OneTimeCode,
    Organization,
)
from tests.clock import MINUTE, NOW
from tests.factories import SOMEWHERE, make_account, make_organization, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Organization:
    return make_organization()


def invited(organization: Organization, email: str = "Jane@Example.co", *, now: datetime = NOW) -> Account:
    return invite(Invitation(organization=organization, email=email), requester=SOMEWHERE, now=now)


def test_an_invitation_is_an_account_a_code_and_an_event(acme: Organization) -> None:
    account = invited(acme, " Jane@Example.co ")
    assert (account.username, account.email, account.state, account.kind, account.user) == (
        "jane@example.co",
        "Jane@Example.co",
        AccountState.INVITED,
        AccountKind.END_USER,
        None,
    )
    code = OneTimeCode.objects.get()
    assert (code.purpose, code.recipient, code.organization) == (CodePurpose.REGISTRATION, account.username, acme.pk)
    assert AuditEvent.objects.get().kind == AuditKind.INVITED


def test_invited_again_it_is_the_same_account_and_the_same_code(acme: Organization) -> None:
    account = invited(acme)
    code = derive_code(OneTimeCode.objects.get())
    assert invited(acme, "jane@example.co", now=NOW + MINUTE) == account
    row = OneTimeCode.objects.get()
    assert (derive_code(row), row.asked_at) == (code, NOW + MINUTE)
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize("state", [AccountState.REGISTERED, AccountState.DEACTIVATED])
def test_who_is_there_already_is_not_invited(acme: Organization, state: AccountState) -> None:
    make_account(acme, state=state)
    with pytest.raises(UserExists):
        invited(acme)
    assert not OneTimeCode.objects.exists()


def test_a_user_of_the_project_may_be_linked(acme: Organization) -> None:
    user = make_user("jane")
    account = invite(
        Invitation(organization=acme, email="jane@example.co", kind=AccountKind.CUSTOMER_EMPLOYEE, user=user),
        requester=SOMEWHERE,
        now=NOW,
    )
    assert (account.user, account.kind) == (user, AccountKind.CUSTOMER_EMPLOYEE)


def test_a_user_has_one_account_in_an_organization(acme: Organization) -> None:
    user = make_user("jane")
    invite(Invitation(organization=acme, email="jane@example.co", user=user), requester=SOMEWHERE, now=NOW)
    with pytest.raises(UserExists):
        invite(Invitation(organization=acme, email="other@example.co", user=user), requester=SOMEWHERE, now=NOW)
    assert Account.objects.count() == 1
    elsewhere = Invitation(organization=make_organization(), email="jane@example.co", user=user)
    assert invite(elsewhere, requester=SOMEWHERE, now=NOW).user == user


@pytest.mark.parametrize(
    "email",
    [
        "",
        "jane",
        "jane@",
        "@example.co",
        "jane@example.co, eve@example.co",
        "jane@example.co\nBcc: eve@example.co",
        "Jane <jane@example.co>",
        "jane@example.co\0",
        "jane@exa mple.co",
        f"{'x' * 64}@{'y' * 63}.{'y' * 63}.{'y' * 63}.example.co",
    ],
)
def test_what_is_no_address_is_refused(acme: Organization, email: str) -> None:
    """R-111."""
    with pytest.raises(BodyRefused) as refusal:
        invited(acme, email)
    assert refusal.value.details == {"email": ["Enter a valid e-mail address."]}
    assert not Account.objects.exists()
