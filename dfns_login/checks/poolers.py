"""System check of a connection, which Django runs for `check --database` and `migrate`.

| id | problem |
| --- | --- |
| `dfns_login.W010` | statements are prepared behind a pooler that does not support that |
"""

from collections.abc import Sequence
from typing import Any, Final

from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004  as Django names it
from django.db import ProgrammingError, connections

from dfns_login.models import transaction
from dfns_login.models.primary import primary

PREPARED_HERE: Final = "SELECT pg_backend_pid(), count(*) FROM pg_prepared_statements WHERE name LIKE '\\_pg3\\_%'"
"""The process that runs this, and how many of its prepared statements have the names that psycopg gives them."""


@register(Tags.database)
def check_prepared_statements(*, databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """Check W010."""
    alias = primary()
    connection: Any = connections[alias]
    options = connection.settings_dict["OPTIONS"]
    if alias not in (databases or ()) or connection.vendor != "postgresql" or options.get("prepare_threshold") is None:
        return []
    if not _pooler_gets_in_the_way(connection):
        return []
    return [
        Warning(
            "Statements are prepared, but the pooler in front of PostgreSQL does not support that in transaction mode.",
            hint="Use PgBouncer 1.22 or newer with `max_prepared_statements`, or leave `prepare_threshold` out "
            "(DATABASE_PREPARED_STATEMENTS=0 in the runnable project). In session mode, silence this check.",
            id="dfns_login.W010",
        )
    ]


def _pooler_gets_in_the_way(connection: Any) -> bool:  # noqa: ANN401  psycopg's connection in Django's
    """Return whether a pooler passes psycopg's names of prepared statements on to PostgreSQL.

    A pooler that supports prepared statements has PostgreSQL store them under names of its own.
    """
    try:
        with transaction.atomic(), connection.wrap_database_errors:  # one process for the whole block
            prepared = connection.connection.execute(PREPARED_HERE, prepare=True)
            process, named_by_psycopg = prepared.fetchone()
    except ProgrammingError:  # another client has used the name
        return True
    return bool(process != connection.connection.info.backend_pid and named_by_psycopg)
