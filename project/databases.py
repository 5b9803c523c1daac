"""Turn the database of the environment into Django's settings, with connections whose number is bounded."""

from collections.abc import Mapping
from typing import Any, Final

POOL_SIZE: Final = 10
"""Connections of a process whose pool is switched on without a size."""
POOL_OPTIONS: Final = {"min_size": 0, "timeout": 3, "reconnect_timeout": 3}
"""A request waits three seconds for a connection. While PostgreSQL is down, the pool tries again for as long only: its
own backoff would go on for minutes after PostgreSQL is back."""
CONNECT_SECONDS: Final = 3
LOST_CONNECTION: Final = {
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}
"""A connection to a host that was cut off ends after 10 to 20 seconds. Linux alone would wait for a quarter of an hour
and longer, and the thread with it (libpq, Parameter Key Words)."""
PERSISTENT_SECONDS: Final = 60
PREPARED: Final = {"server_side_binding": True, "prepare_threshold": 2}
"""PostgreSQL plans a statement once per connection, after its second use. Planning takes longer than running it."""


def database_settings(given: Mapping[str, Any], *, pool_size: int) -> dict[str, Any]:
    """Complete what `DATABASE_URL` gives.

    PostgreSQL: without a pool, each thread keeps its connection. With `?pool=true` or a pool size, all threads of a
    process share that many. `pool_…` in the URL are options of `psycopg_pool.ConnectionPool`.
    """
    options: dict[str, Any] = {**given.get("OPTIONS", {})}
    pool_options = {name: options.pop(name) for name in [*options] if name.startswith("pool_")}
    pooled = str(options.pop("pool", pool_size > 0)).lower() in {"true", "1", "yes", "on"}
    if given["ENGINE"].endswith("sqlite3"):
        return {**given, "OPTIONS": options | SQLITE_OPTIONS}
    options = {**LOST_CONNECTION, "connect_timeout": CONNECT_SECONDS, **options}
    database = {"CONN_HEALTH_CHECKS": True, "CONN_MAX_AGE": PERSISTENT_SECONDS, **given, "OPTIONS": options}
    if pooled:
        chosen = {name.removeprefix("pool_"): value for name, value in pool_options.items()}
        options["pool"] = {**POOL_OPTIONS, "max_size": pool_size or POOL_SIZE, **chosen}
        database["CONN_MAX_AGE"] = 0
    return database


def prepare_statements(database: dict[str, Any]) -> None:
    """Prepare statements on the server, if it is PostgreSQL. Options in `DATABASE_URL` come first."""
    if database["ENGINE"].endswith("postgresql"):
        database["OPTIONS"] = PREPARED | database["OPTIONS"]


SQLITE_OPTIONS: Final = {
    # Readers do not wait for the writer. A writer takes its lock at the start, and waits for it up to 20 seconds: a
    # transaction that has already read cannot wait for the lock.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
}
