"""Linking accounts to users of the project."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, Permission

from dfns_login.errors import UserUnavailable
from dfns_login.models import Account, AccountState
from dfns_login.project_users import create_user, match_user, user_for_account
from tests.support.factories import make_account, make_organization, make_user

pytestmark = pytest.mark.django_db

MATCH = "dfns_login.project_users.match_user"


@pytest.fixture
def lee() -> Account:
    return make_account(make_organization(), "Lee@example.co", state=AccountState.INVITED)


def users() -> Any:
    return get_user_model()._default_manager


def hook(account: Account) -> AbstractBaseUser:
    user: AbstractBaseUser = users().create(username=f"hooked {account.pk}")
    return user


def test_a_new_user_has_the_accounts_name_and_no_password(lee: Account) -> None:
    user: Any = user_for_account(lee)
    assert (user.username, user.email, user.has_usable_password()) == ("lee@example.co", "Lee@example.co", False)
    assert (user.is_staff, user.is_superuser, user.is_active) == (False, False, True)


def test_if_the_name_is_taken_the_accounts_id_is_used(lee: Account) -> None:
    make_user("lee@example.co")
    assert create_user(lee).get_username() == lee.pk


def test_if_the_name_is_too_long_the_accounts_id_is_used() -> None:
    """`User.username` has 150 characters, an address up to 254."""
    account = make_account(make_organization(), f"{'x' * 60}@{'y' * 60}.{'z' * 60}.co", state=AccountState.INVITED)
    assert len(account.username) > 150
    assert create_user(account).get_username() == account.pk


def test_if_no_name_is_available_nobody_is_created(lee: Account) -> None:
    make_user("lee@example.co")
    make_user(lee.pk)
    with pytest.raises(UserUnavailable, match="username"):
        create_user(lee)


def test_a_linked_user_is_kept(lee: Account, settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "USER_FOR_ACCOUNT": "nowhere.at_all"}
    lee.user = users().create(username="theirs")
    assert user_for_account(lee) == lee.user


def test_a_project_can_set_its_own_hook(lee: Account, settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "USER_FOR_ACCOUNT": f"{__name__}.hook"}
    assert user_for_account(lee).get_username() == f"hooked {lee.pk}"


# Matching existing users


@pytest.mark.parametrize("email", ["Lee@example.co", "lee@example.co", "LEE@Example.CO"])
def test_the_only_user_with_the_address_is_matched(lee: Account, settings: Any, email: str) -> None:
    """R-137. Addresses are compared in canonical form."""
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "USER_FOR_ACCOUNT": MATCH}
    there = users().create(username="lee", email=email)
    users().create(username="other", email="other@example.co")
    assert user_for_account(lee) == there


@pytest.mark.parametrize(
    "values",
    [
        {"is_staff": True},
        {"is_superuser": True},
        {"is_active": False},
        {"email": "lee@example.com"},
        {"email": "\uff4cee@example.co"},
        {"email": "l\u0435e@example.co"},
        {"email": ""},
    ],
)
def test_other_users_are_not_matched(lee: Account, values: dict[str, Any]) -> None:
    there = users().create(**{"username": "lee", "email": "Lee@example.co", **values})
    assert match_user(lee) != there


def test_an_operator_of_another_organization_is_not_matched(lee: Account) -> None:
    """Permissions hold in every organization that a user has an account in."""
    there = users().create(username="lee", email="Lee@example.co")
    there.user_permissions.add(Permission.objects.get(codename="view_account"))
    assert match_user(lee) != there


def test_two_users_with_the_address_are_not_matched(lee: Account) -> None:
    there = [users().create(username=name, email="Lee@example.co") for name in ("lee", "lee2")]
    assert match_user(lee) not in there


def test_a_user_with_an_account_in_the_organization_is_not_matched(lee: Account) -> None:
    there = users().create(username="lee", email="Lee@example.co")
    other = make_account(make_organization(), "other@example.co", state=AccountState.INVITED)
    Account.objects.filter(pk=other.pk).update(user=there)
    assert match_user(lee) == there
    Account.objects.filter(pk=other.pk).update(organization=lee.organization)
    assert match_user(lee) != there
