"""From an account to the project's user."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured

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


def test_where_the_name_is_taken_it_is_the_accounts_id(lee: Account) -> None:
    make_user("lee@example.co")
    assert create_user(lee).get_username() == lee.pk


def test_where_the_name_is_too_long_for_the_model_it_is_the_accounts_id() -> None:
    """`User.username` has 150 characters, an address up to 254."""
    account = make_account(make_organization(), f"{'x' * 60}@{'y' * 60}.{'z' * 60}.co", state=AccountState.INVITED)
    assert len(account.username) > 150
    assert create_user(account).get_username() == account.pk


def test_where_nothing_is_free_the_operator_is_told(lee: Account) -> None:
    make_user("lee@example.co")
    make_user(lee.pk)
    with pytest.raises(ImproperlyConfigured, match="USER_FOR_ACCOUNT"):
        create_user(lee)


def test_a_linked_user_stays(lee: Account, settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "USER_FOR_ACCOUNT": "nowhere.at_all"}
    lee.user = users().create(username="theirs")
    assert user_for_account(lee) == lee.user


def test_a_project_may_have_a_hook_of_its_own(lee: Account, settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "USER_FOR_ACCOUNT": f"{__name__}.hook"}
    assert user_for_account(lee).get_username() == f"hooked {lee.pk}"


# Matching who was there first


def test_the_one_user_of_the_address_is_matched(lee: Account, settings: Any) -> None:
    settings.DFNS_LOGIN = {**settings.DFNS_LOGIN, "USER_FOR_ACCOUNT": MATCH}
    there = users().create(username="lee", email="Lee@example.co")
    users().create(username="other", email="other@example.co")
    assert user_for_account(lee) == there


@pytest.mark.parametrize(
    "values",
    [
        {"is_staff": True},
        {"is_superuser": True},
        {"is_active": False},
        {"email": "lee@example.co"},
        {"email": "l\u0435e@example.co"},
        {"email": ""},
    ],
)
def test_who_is_not_quite_the_one_is_not_matched(lee: Account, values: dict[str, Any]) -> None:
    there = users().create(**{"username": "lee", "email": "Lee@example.co", **values})
    assert match_user(lee) != there


def test_of_two_neither_is_matched(lee: Account) -> None:
    there = [users().create(username=name, email="Lee@example.co") for name in ("lee", "lee2")]
    assert match_user(lee) not in there


def test_who_has_an_account_here_is_not_given_another(lee: Account) -> None:
    there = users().create(username="lee", email="Lee@example.co")
    other = make_account(make_organization(), "other@example.co", state=AccountState.INVITED)
    Account.objects.filter(pk=other.pk).update(user=there)
    assert match_user(lee) == there
    Account.objects.filter(pk=other.pk).update(organization=lee.organization)
    assert match_user(lee) != there
