"""Operators invite people by email: who is invited, who is not, and why not."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connection
from django.test import Client

from dfns_login.ceremonies.operators import (
    Operator,
    invite_again,
)
from dfns_login.models import Account, AccountState, AuditEvent, CodePurpose, OneTimeCode, Organization
from tests.support.admin_records import ADMIN, AdminRecords, act, operate
from tests.support.factories import SOMEWHERE, make_account, make_organization
from tests.support.mail import deliver_at


def kinds_of(account: Account) -> list[str]:
    return [each.kind for each in account.events.order_by("pk")]


def invite(operator: Client, organization: Organization, email: str, **more: str) -> str:
    body = {"organization": organization.pk, "email": email, "kind": "CustomerEmployee", **more}
    page: str = operator.post(f"{ADMIN}/account/add/", body, follow=True).content.decode()
    return page


@pytest.mark.django_db(transaction=True)
def test_inviting_creates_the_account_and_its_code(operator: Client) -> None:
    organization = make_organization()
    page = invite(operator, organization, "Jane@Example.co")
    account = Account.objects.get()
    assert (account.username, account.email) == ("jane@example.co", "Jane@Example.co")
    assert (account.kind, account.state, account.user) == ("CustomerEmployee", "invited", None)
    assert "will be emailed unless it was a moment ago" in page
    assert kinds_of(account) == ["account.invited"]
    row = OneTimeCode.objects.get()
    assert row.purpose == CodePurpose.REGISTRATION
    deliver_at(datetime.now(UTC))
    assert mail.outbox[0].to == ["Jane@Example.co"]


def test_inviting_again_keeps_the_account_and_its_code(operator: Client) -> None:
    organization = make_organization()
    invite(operator, organization, "jane@example.co")
    invite(operator, organization, "JANE@example.co", _addanother="1")
    act(operator, "account", "invite_again", Account.objects.get().pk)
    assert OneTimeCode.objects.count() == 1
    assert AuditEvent.objects.count() == 1


def test_a_registered_user_is_not_invited(operator: Client, scene: AdminRecords) -> None:
    organization = scene.account.organization
    before = OneTimeCode.objects.count()
    for email, state in (("gone@b.co", "deactivated"), ("here@b.co", "registered")):
        if state == "registered":
            make_account(organization, email)
        assert f"({state})" in invite(operator, organization, email)
    operate(operator, "account", scene.account.pk, "invite_again")
    assert OneTimeCode.objects.count() == before


def test_why_somebody_cannot_be_invited_is_shown_next_to_what_was_typed(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-137."""
    get_user_model().objects.create(username="taken", email="Jane@Example.co")
    monkeypatch.setattr(get_user_model()._meta.get_field("email"), "unique", True)
    page = invite(operator, make_organization(), "jane@example.co")
    assert "A user with this address exists. Invite that user by name" in page
    assert 'value="jane@example.co"' in page
    assert not Account.objects.exists()


@pytest.mark.parametrize(
    "email", ["", "no address", "a@b.co, c@d.co", "a@b.co\nBcc: c@d.co", "a\x00@b.co", "x" * 300 + "@b.co"]
)
def test_text_that_is_not_an_address_is_not_invited(operator: Client, email: str) -> None:
    assert "errorlist" in invite(operator, make_organization(), email)
    assert not Account.objects.exists()


def test_a_deactivated_organization_refuses_invitations(operator: Client) -> None:
    organization = make_organization()
    account = make_account(organization, state=AccountState.INVITED)
    operate(operator, "organization", organization.pk, "deactivate")
    assert "errorlist" in invite(operator, organization, "new@example.co")
    operate(operator, "account", account.pk, "invite_again")
    assert not OneTimeCode.objects.exists()


def test_an_address_that_cannot_be_a_username_is_not_invited(operator: Client) -> None:
    assert "can&#x27;t be used as a username" in invite(operator, make_organization(), '"\x01"@b.co')
    assert not Account.objects.exists()


def test_who_is_deactivated_while_the_form_is_sent_is_not_invited(operator: Client) -> None:
    account = make_account(make_organization(), state=AccountState.INVITED)

    def deactivate_once_seen(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if 'FROM "dfns_login_account"' in sql and not seen:
            seen.append(sql)
            Account.objects.update(state=AccountState.DEACTIVATED)
        return result

    seen: list[str] = []
    with connection.execute_wrapper(deactivate_once_seen):
        page = invite(operator, account.organization, account.email)
    assert "User already exists." in page
    assert not OneTimeCode.objects.exists()


def test_a_pop_up_is_closed_after_inviting(operator: Client) -> None:
    assert "popup_response.js" in invite(operator, make_organization(), "jane@example.co", _popup="1")


def test_no_invitation_goes_to_somebody_who_has_registered(scene: AdminRecords) -> None:
    assert not invite_again(scene.account, operator=Operator(requester=SOMEWHERE), now=datetime.now(UTC))


def test_an_invitation_sets_nothing_that_the_form_does_not_ask(operator: Client, django_user_model) -> None:
    root = django_user_model.objects.get()
    invite(operator, make_organization(), "jane@example.co", state="registered", user=str(root.pk), username="root")
    account = Account.objects.get()
    assert (account.state, account.user, account.username) == ("invited", None, "jane@example.co")


def test_the_only_organization_is_chosen_already(operator: Client) -> None:
    organization = make_organization()
    assert f'value="{organization.pk}" selected' in operator.get(f"{ADMIN}/account/add/").content.decode()
