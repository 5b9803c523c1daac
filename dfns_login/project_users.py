"""Callables for `DFNS_LOGIN["USER_FOR_ACCOUNT"]`, which link an account to a user of the project."""

from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import IntegrityError
from django.utils.module_loading import import_string

from dfns_login.models import Account, transaction
from dfns_login.settings import login_settings


def user_for_account(account: Account) -> AbstractBaseUser:
    """Return the user for an account that registers: its linked user, or the result of `USER_FOR_ACCOUNT`."""
    if account.user is not None:
        return account.user
    hook = import_string(login_settings().user_for_account)
    user: AbstractBaseUser = hook(account)
    return user


def create_user(account: Account) -> AbstractBaseUser:
    """Create a user without a usable password.

    Its username is the account's username, or the account's id if that is taken or too long. An existing user is
    never returned: access to a mailbox alone must not give access to somebody else's user.

    Raises: ImproperlyConfigured, if both names are taken or too long.
    """
    model: Any = get_user_model()
    longest = model._meta.get_field(model.USERNAME_FIELD).max_length
    names = [name for name in (account.username, account.pk) if longest is None or len(name) <= longest]
    everybody = model._base_manager  # noqa: SLF001  a manager that hides users would hide taken names
    taken = set(everybody.filter(**{f"{model.USERNAME_FIELD}__in": names}).values_list(model.USERNAME_FIELD, flat=True))
    free = [name for name in names if name not in taken]
    if not free:
        raise ImproperlyConfigured(
            f"No {model.USERNAME_FIELD} is available for {account.pk}. Set USER_FOR_ACCOUNT to your own callable."
        )
    *others, last = free
    for name in others:
        # accounts with the same name in several organizations may register at the same time
        with suppress(IntegrityError), transaction.atomic():
            return _save_user(model, name, account=account)
    return _save_user(model, last, account=account)


def match_user(account: Account) -> AbstractBaseUser:
    """Return the existing user with the account's email address, or create one.

    The user must be the only active one with that address, must not be staff or a superuser, must have no permission of
    this app, which would hold in every organization, and no other account in the organization. Such users are linked
    with `dfns invite --user` only.

    For projects with existing users that trust email as proof of who the user is.
    """
    model: Any = get_user_model()
    wanted: dict[str, object] = {_email_field(model) or model.USERNAME_FIELD: account.email}
    if _has_field(model, "is_active"):
        wanted["is_active"] = True
    others = Account.objects.filter(organization=account.organization_id, user__isnull=False)
    free = model._default_manager.exclude(pk__in=others.values("user"))
    found = list(free.filter(**wanted)[:2])
    if len(found) == 1 and not _is_powerful(found[0]):
        user: AbstractBaseUser = found[0]
        return user
    return create_user(account)


def _is_powerful(user: Any) -> bool:  # noqa: ANN401  the project's own model
    if getattr(user, "is_staff", False) or getattr(user, "is_superuser", False):
        return True
    return hasattr(user, "has_module_perms") and bool(user.has_module_perms("dfns_login"))


def _save_user(model: Any, name: str, *, account: Account) -> AbstractBaseUser:  # noqa: ANN401  the project's own
    user: AbstractBaseUser = model(**{model.USERNAME_FIELD: name})
    email_field = _email_field(model)
    if email_field and email_field != model.USERNAME_FIELD:
        setattr(user, email_field, account.email)
    user.set_unusable_password()
    user.save()
    return user


def _email_field(model: type[AbstractBaseUser]) -> str:
    name = str(model.get_email_field_name())
    return name if _has_field(model, name) else ""


def _has_field(model: type[AbstractBaseUser], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True
