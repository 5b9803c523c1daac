"""Prepared statements whose plan a migration outdated, by changing the type of a column that they return.

PostgreSQL refuses such a statement on each connection that had prepared it, and psycopg would send it again until the
connection is closed: for a minute, or for an hour in a pool.
"""

from collections.abc import Callable
from typing import Any, Final

from django.db import NotSupportedError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

REFUSED_BY: Final = "RevalidateCachedQuery"
"""The function of PostgreSQL that refuses such a statement. Its SQLSTATE, 0A000, is that of many other refusals."""


@receiver(connection_created)
def renew_plans(*, connection: BaseDatabaseWrapper, **_: object) -> None:
    """Have this connection run outdated statements again, if it prepares any."""
    prepares = connection.settings_dict["OPTIONS"].get("prepare_threshold") is not None
    if connection.vendor == "postgresql" and prepares and _run_again not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _run_again)  # Django's `execute_wrapper` removes the last one


def _run_again(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: ANN401, FBT001  Django's signature
    """Run a statement, and once more without prepared ones if its plan is outdated.

    The first try did nothing. In a transaction it is not repeated: rolling back discards every prepared statement.
    """
    try:
        return execute(sql, params, many, context)
    except NotSupportedError as error:
        connection = context["connection"]
        diagnosis = getattr(error.__cause__, "diag", None)
        is_outdated = getattr(diagnosis, "source_function", "") == REFUSED_BY
        if many or not connection.autocommit or not is_outdated:
            raise
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")  # psycopg forgets them too
        return execute(sql, params, many, context)
