"""Searches that an index can answer."""

from typing import Any, Final

from django.db import connections
from django.db.models import Q, QuerySet

from dfns_login.models import Account
from dfns_login.usernames import canonical_username

ACCOUNTS_SEARCHED: Final = 200
"""The most accounts, each in its own organization, that a search for one username covers."""


def starts_with(column: str, text: str, *, queryset: QuerySet[Any]) -> Q:
    """Condition for values that start with `text`.

    PostgreSQL uses its pattern index; other databases compare code points.
    """
    if connections[queryset.db].vendor == "postgresql":
        return Q(**{f"{column}__startswith": text})
    return Q(**{f"{column}__gte": text, f"{column}__lt": text + "\U0010ffff"})


def username_or_empty(text: str) -> str:
    """Canonical form of the typed username; empty if it isn't a valid one."""
    try:
        return canonical_username(text)
    except ValueError:
        return ""


def rows_of_account(queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
    """Rows whose account has exactly this username or ID."""
    accounts = Account.objects.filter(Q(pk=text.strip()) | Q(username=username_or_empty(text)))
    found = accounts.values_list("pk", flat=True)[:ACCOUNTS_SEARCHED]
    return queryset.filter(account__in=[*found, text.strip()])  # events outlive their account
