"""Deleting the project's users, in the admin and in code, deletes their accounts and says so (R-137)."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.http import HttpResponse
from django.test import Client

from dfns_login.models import Account, AuditEvent, AuditKind, OneTimeCode, Session
from dfns_login.signals import account_deleted
from tests.support.factories import issue, make_person
from tests.support.signed_in import SignedIn, signed_in

USERS = "/admin/auth/user"


@pytest.fixture
def jane(db: None) -> SignedIn:
    """Somebody who is signed in and has an open code."""
    jane = signed_in(Client(), make_person())
    issue(jane.person.account.recipient)
    return jane


def delete_from_the_list(operator: Client, pk: object) -> HttpResponse:
    body = {"action": "delete_selected", "_selected_action": pk, "post": "yes"}
    answer: Any = operator.post(f"{USERS}/", body)
    return answer


def delete_from_the_page(operator: Client, pk: object) -> HttpResponse:
    answer: Any = operator.post(f"{USERS}/{pk}/delete/", {"post": "yes"})
    return answer


def check_deleted(jane: SignedIn) -> None:
    account = jane.person.account
    assert not Account.objects.filter(pk=account.pk).exists()
    assert not Session.objects.exists()
    assert not OneTimeCode.objects.open().exists()
    kinds = [AuditKind.SIGNED_OUT, AuditKind.DELETED]
    found = AuditEvent.objects.filter(account=account.pk, kind__in=kinds).order_by("pk")
    assert list(found.values_list("kind", flat=True)) == kinds
    assert jane.call("GET", "/auth/credentials").status_code == 401


@pytest.mark.parametrize("delete", [delete_from_the_list, delete_from_the_page])
def test_a_superuser_deletes_a_registered_user(operator: Client, jane: SignedIn, delete: Any) -> None:
    """R-137."""
    assert delete(operator, jane.person.account.user_id).status_code == 302
    check_deleted(jane)


@pytest.mark.parametrize("delete", [delete_from_the_list, delete_from_the_page])
@pytest.mark.parametrize("permitted", [True, False])
def test_staff_need_permission_to_delete_accounts(jane: SignedIn, delete: Any, *, permitted: bool) -> None:
    """R-137."""
    staff = get_user_model().objects.create(username="staff", is_staff=True)
    names = ["view_user", "delete_user", *(["delete_account"] if permitted else [])]
    staff.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(staff)
    delete(client, jane.person.account.user_id)
    assert Account.objects.exists() != permitted


@pytest.mark.parametrize(
    "delete",
    [
        lambda account: account.user.delete(),
        lambda account: get_user_model().objects.filter(pk=account.user_id).delete(),
        lambda account: account.delete(),
        lambda account: Account.objects.filter(pk=account.pk).delete(),
    ],
)
def test_deleting_a_user_in_code_leaves_an_event(jane: SignedIn, delete: Any) -> None:
    """R-137."""
    delete(Account.objects.get(pk=jane.person.account.pk))
    check_deleted(jane)


def test_receivers_learn_which_account_was_deleted(jane: SignedIn, django_capture_on_commit_callbacks: Any) -> None:
    heard, jane_id = [], jane.person.account.pk

    def hear(account: Account, **_: object) -> None:
        heard.append(account.pk)

    account_deleted.connect(hear)
    with django_capture_on_commit_callbacks(execute=True):
        jane.person.account.user.delete()
    account_deleted.disconnect(hear)
    assert heard == [jane_id]
