"""Django's `atomic`, `on_commit` and `set_rollback`, on the database that has the app's tables (R-135)."""

from collections.abc import Callable

from django.db import transaction
from django.db.transaction import Atomic

from dfns_login.models.primary import primary


def atomic() -> Atomic:
    return transaction.atomic(using=primary())


def atomic_without_savepoint() -> Atomic:
    """Inside another `atomic` block, an exception rolls that one back too."""
    return transaction.atomic(using=primary(), savepoint=False)


def on_commit(callback: Callable[[], object]) -> None:
    """Call this after the commit. An exception is logged and not raised."""
    transaction.on_commit(callback, using=primary(), robust=True)


def set_rollback() -> None:
    """Have the innermost `atomic` block roll back when it ends."""
    transaction.set_rollback(True, using=primary())
