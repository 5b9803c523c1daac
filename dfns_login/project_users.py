"""Callables for `DFNS_LOGIN["USER_FOR_ACCOUNT"]`, which link an account to a user of the project."""

from collections.abc import Iterator
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import DataError, IntegrityError, models
from django.utils.module_loading import import_string

from dfns_login.errors import UserTaken, UserUnavailable
from dfns_login.models import Account, transaction
from dfns_login.models.primary import primary
from dfns_login.settings import login_settings
from dfns_login.usernames import canonical_username

NOT_SET: Final = ("password", "last_login")
"""Fields that are not validated: Django sets them."""
NOT_ASCII: Final = r"[^\x01-\x7f]"


def email_of(user: AbstractBaseUser) -> str:
    """Return the user's email address, or the username if the model has no email field; possibly empty."""
    field = user.get_email_field_name()
    return str(getattr(user, field) or "") if hasattr(user, field) else user.get_username()


def user_for_account(account: Account) -> AbstractBaseUser:
    """Return the user for an account that registers: its linked user, or the result of `USER_FOR_ACCOUNT`.

    Raises: UserUnavailable, also if the database or the model rejects what the project's callable saves.
    """
    if account.user is not None:
        return account.user
    hook = import_string(login_settings().user_for_account)
    try:
        user: AbstractBaseUser = hook(account)
    except (IntegrityError, DataError, ValidationError) as error:
        raise UserUnavailable(f"USER_FOR_ACCOUNT raised {type(error).__name__}") from error
    return user


def check_user(account: Account) -> None:
    """Check that a user can be found or created for the account, without saving one.

    A callable of the project's own is not called, because it may do more than to save a user.
    Raises: UserUnavailable.
    """
    hook = import_string(login_settings().user_for_account)
    if account.user_id is not None or hook not in (create_user, match_user):
        return
    if hook is create_user or matching_user(account) is None:
        new_user(account)


def create_user(account: Account) -> AbstractBaseUser:
    """Create a user without a usable password.

    Its username is the account's username, or the account's id if the model doesn't accept that or it is taken. If
    the address is the username, no id is used. If the model's username has a default, it keeps the default.
    An existing user is never returned: access to a mailbox alone must not give access to somebody else's user.

    Raises: UserTaken, if another user has the address where only one may; UserUnavailable, if the model needs more.
    """
    user: AbstractBaseUser = new_user(account)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        # accounts with the same name in several organizations may register at the same time
        user = new_user(account)
        user.save()
    return user


def match_user(account: Account) -> AbstractBaseUser:
    """Return the existing user with the account's email address, or create one.

    The user must be the only active one with that address, must not be staff or a superuser, must have no permission of
    this app, which would hold in every organization, and no other account in the organization. Such users are linked
    with `dfns invite --user` only.

    For projects with existing users that trust email as proof of who the user is.
    """
    return matching_user(account) or create_user(account)


def matching_user(account: Account) -> AbstractBaseUser | None:
    """Return the user whom `match_user` finds. Addresses are the same if their canonical forms are.

    Beyond ASCII, what precedes the `@` must be the same character by character: other mailboxes may look alike.
    """
    model: Any = get_user_model()
    others = Account.objects.filter(organization=account.organization_id, user__isnull=False)
    free = model._default_manager.using(primary()).exclude(pk__in=others.values("user"))
    if _has_field(model, "is_active"):
        free = free.filter(is_active=True)
    name = account.email.rpartition("@")[0]
    found = []
    for each in free.filter(_spelled_like(account, _email_field(model) or model.USERNAME_FIELD)):
        theirs = email_of(each).rpartition("@")[0]
        if _is_same(email_of(each), account) and (theirs == name or (theirs + name).isascii()):
            found.append(each)
    if len(found) == 1 and not _is_powerful(found[0]):
        user: AbstractBaseUser = found[0]
        return user
    return None


def _is_powerful(user: Any) -> bool:  # noqa: ANN401  the project's own model
    if getattr(user, "is_staff", False) or getattr(user, "is_superuser", False):
        return True
    return hasattr(user, "has_module_perms") and bool(user.has_module_perms("dfns_login"))


def new_user(account: Account) -> Any:  # noqa: ANN401  AUTH_USER_MODEL is the project's choice
    """Return a valid user for the account that is not saved. Raises: as `create_user` does."""
    model: Any = get_user_model()
    everybody = model._base_manager.using(primary())  # noqa: SLF001  a manager that hides users would hide taken names
    for field in _unique_addresses(model):
        if any(
            _is_same(each, account)
            for each in everybody.filter(_spelled_like(account, field)).values_list(field, flat=True)
        ):
            raise UserTaken("another user has the address", fields=[field])
    wrong: set[str] = set()
    for user in users_to_try(account):
        name = user.get_username()
        try:
            user.full_clean(exclude=NOT_SET)
        except ValidationError as error:
            wrong |= set(error.message_dict)
            continue
        if not everybody.filter(**{model.USERNAME_FIELD: name}).exists():
            return user
        wrong.add(model.USERNAME_FIELD)
    raise UserUnavailable(f"the user model rejects {', '.join(sorted(wrong))}", fields=sorted(wrong))


def users_to_try(account: Account) -> Iterator[Any]:
    """Yield unsaved users with each username that `create_user` tries."""
    model: Any = get_user_model()
    username: Any = model._meta.get_field(model.USERNAME_FIELD)
    names: list[str | None] = [account.username] if _holds_addresses(model) else [account.username, account.pk]
    if (
        username.has_default()
        or username.has_db_default()
        or not isinstance(username, models.CharField | models.TextField)
    ):
        names = [None]
    for name in names:
        user = model() if name is None else model(**{model.USERNAME_FIELD: name})
        email_field = _email_field(model)
        if email_field and email_field != model.USERNAME_FIELD:
            setattr(user, email_field, account.email)
        user.set_unusable_password()
        yield user


def missing_fields() -> list[str]:
    """Return the fields of the user model for which `create_user` has no acceptable value for any account.

    Nothing, if the project has a callable of its own.
    """
    if login_settings().user_for_account not in {f"{__name__}.create_user", f"{__name__}.match_user"}:
        return []
    account = Account(username="jane@example.com", email="jane@example.com")
    rejected: list[set[str]] = []
    for user in users_to_try(account):
        try:
            user.clean_fields(exclude=NOT_SET)
        except ValidationError as error:
            rejected.append(set(error.message_dict))
        else:
            rejected.append(set())
    name = get_user_model().USERNAME_FIELD
    long = len(rejected) > 1 and name in rejected[1]  # the account's id, for addresses that are not accepted
    return sorted(set.intersection(*rejected) | ({name} if long else set()))


def _unique_addresses(model: Any) -> Iterator[str]:  # noqa: ANN401  the project's own
    """Yield the fields with an address that only one user may have."""
    if _holds_addresses(model):
        yield model.USERNAME_FIELD
    name = _email_field(model)
    if name and name != model.USERNAME_FIELD:
        alone = [each.fields for each in model._meta.total_unique_constraints] + list(model._meta.unique_together)
        if model._meta.get_field(name).unique or (name,) in map(tuple, alone):
            yield name


def _holds_addresses(model: Any) -> bool:  # noqa: ANN401  the project's own
    """Whether users are named by their addresses."""
    field = model._meta.get_field(model.USERNAME_FIELD)
    return isinstance(field, models.EmailField) or _email_field(model) == model.USERNAME_FIELD


def _spelled_like(account: Account, field: str) -> models.Q:
    """Narrow users down to those whose address may be the account's. `_is_same` decides, not the database.

    An address in ASCII differs from its canonical form by case only, and there are few others.
    """
    return models.Q(**{f"{field}__iexact": account.username}) | models.Q(**{f"{field}__regex": NOT_ASCII})


def _is_same(address: object, account: Account) -> bool:
    try:
        return canonical_username(str(address)) == account.username
    except ValueError:
        return False


def _email_field(model: type[AbstractBaseUser]) -> str:
    name = str(model.get_email_field_name())
    return name if _has_field(model, name) else ""


def _has_field(model: type[AbstractBaseUser], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True
