"""Organizations and invitations."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.db import connection

from dfns_login.ceremonies.invitation import Invitation, create_organization, invite
from dfns_login.delivery import deliver_due
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
from dfns_login.proofs.codes import derive_code
from tests.support.clock import MINUTE, NOW
from tests.support.factories import SOMEWHERE, make_account, make_organization, make_user

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


def test_inviting_again_keeps_the_account_and_the_code(acme: Organization) -> None:
    account = invited(acme)
    code = derive_code(OneTimeCode.objects.get())
    assert invited(acme, "jane@example.co", now=NOW + MINUTE) == account
    row = OneTimeCode.objects.get()
    assert (derive_code(row), row.asked_at) == (code, NOW + MINUTE)
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize("state", [AccountState.REGISTERED, AccountState.DEACTIVATED])
def test_an_existing_account_is_not_invited(acme: Organization, state: AccountState) -> None:
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
def test_an_invalid_address_is_refused(acme: Organization, email: str) -> None:
    """R-111."""
    with pytest.raises(BodyRefused) as refusal:
        invited(acme, email)
    assert refusal.value.details == {"email": ["Enter a valid email address."]}
    assert not Account.objects.exists()


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("Ann@stra\u00dfe.example", "Ann@xn--strae-oqa.example"),
        ("jane@M\u00dcNCHEN.example", "jane@xn--mnchen-3ya.example"),
        ("Jane@Example.CO", "Jane@Example.CO"),
    ],
)
def test_an_address_is_stored_as_it_is_emailed(
    acme: Organization, written: str, stored: str, mailoutbox: list[EmailMessage]
) -> None:
    account = invite(Invitation(organization=acme, email=written), requester=SOMEWHERE, now=NOW)
    assert (account.email, account.username) == (stored, stored.casefold())
    assert invite(Invitation(organization=acme, email=stored), requester=SOMEWHERE, now=NOW) == account
    deliver_due(clock=lambda: NOW)
    assert mailoutbox[0].recipients() == [stored]
    assert f"To: {stored}" in mailoutbox[0].message().as_string()


@contextmanager
def made_after_looking(make: Callable[[], Account]) -> Iterator[list[Account]]:
    """Make an account between the SELECT of an invitation that does not find it, and the INSERT."""
    made: list[Account] = []

    def look(execute: Any, sql: str, params: Any, many: Any, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith("SELECT") and 'FROM "dfns_login_account"' in sql and not made:
            made.append(make())
        return result

    with connection.execute_wrapper(look):
        yield made


def test_parallel_invitations_create_one_account(acme: Organization) -> None:
    with made_after_looking(lambda: make_account(acme, state=AccountState.INVITED)) as made:
        assert invited(acme) == made[0]
    assert Account.objects.count() == 1


def test_somebody_who_signs_up_during_the_invitation_is_kept(acme: Organization) -> None:
    """Otherwise the invited person's account would be purged, and would not be linked to the user."""
    user, employee = make_user("jane"), AccountKind.CUSTOMER_EMPLOYEE
    asked = Invitation(organization=acme, email="jane@example.co", user=user, kind=employee)
    with made_after_looking(lambda: signed_up(acme)) as made:
        assert invite(asked, requester=SOMEWHERE, now=NOW) == made[0]
    stored = Account.objects.get()
    assert (stored.user, stored.kind, stored.signed_up) == (user, employee, False)


def test_an_inactive_organization_refuses_invitations(acme: Organization) -> None:
    acme.active = False
    with pytest.raises(BodyRefused) as refusal:
        invited(acme)
    assert list(refusal.value.details or {}) == ["organization"]


def signed_up(organization: Organization) -> Account:
    return Account.objects.create(
        organization=organization, username="jane@example.co", email="jane@example.co", signed_up=True
    )


def test_an_address_that_signed_itself_up_is_linked_to_its_user(acme: Organization) -> None:
    """Otherwise a stranger's request for a code would keep the user from being enrolled."""
    stranger, user = signed_up(acme), make_user("jane")
    employee = AccountKind.CUSTOMER_EMPLOYEE
    asked = Invitation(organization=acme, email=stranger.email, user=user, kind=employee)
    assert invite(asked, requester=SOMEWHERE, now=NOW) == stranger
    stranger.refresh_from_db()
    assert (stranger.user, stranger.kind, stranger.signed_up) == (user, employee, False)
    with pytest.raises(BodyRefused):
        invite(replace(asked, user=make_user("lee")), requester=SOMEWHERE, now=NOW)


def test_a_user_with_an_account_is_not_linked_to_one_that_signed_itself_up(acme: Organization) -> None:
    user = make_user("jane")
    invite(Invitation(organization=acme, email="jane@example.com", user=user), requester=SOMEWHERE, now=NOW)
    stranger = signed_up(acme)
    with pytest.raises(UserExists):
        invite(Invitation(organization=acme, email=stranger.email, user=user), requester=SOMEWHERE, now=NOW)


@pytest.mark.parametrize("active", [True, False])
def test_only_an_active_unlinked_user_is_linked(acme: Organization, *, active: bool) -> None:
    invited(acme)
    user = make_user("jane")
    user.is_active = active
    with pytest.raises(BodyRefused) as refusal:
        invite(Invitation(organization=acme, email="jane@example.co", user=user), requester=SOMEWHERE, now=NOW)
    assert list(refusal.value.details or {}) == ["user"]
    assert Account.objects.get().user is None


def test_an_organization_has_a_name() -> None:
    organization = create_organization(" Äcme & Söhne \U0001f511 ", requester=SOMEWHERE, now=NOW)
    assert Organization.objects.get() == organization
    assert organization.name == "Äcme & Söhne \U0001f511"
    assert organization.active
    assert AuditEvent.objects.get().kind == AuditKind.ORGANIZATION_CREATED


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb", "a\x1b[31m", "a\u202eb"])
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(BodyRefused) as refusal:
        create_organization(name, requester=SOMEWHERE, now=NOW)
    assert list(refusal.value.details or {}) == ["name"]
    assert not Organization.objects.exists()
