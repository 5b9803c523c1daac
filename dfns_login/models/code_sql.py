"""SQL text of the transitions of codes that take one statement, built once per process."""

from functools import cache
from itertools import pairwise
from typing import Final

from django.db import connections, models

from dfns_login.models.code_choices import Caller, CodeClosed
from dfns_login.models.compiled import insert_select, inserted_fields
from dfns_login.models.events import AuditEvent
from dfns_login.models.outbox import UNDELIVERED, DeliveryState
from dfns_login.models.stand_in_codes import StandInCode

COUNTED: Final = "counted"
"""What the statement of `guess_sql` returns if the guess was counted."""
STAND_IN: Final = {
    **dict.fromkeys(("guesses", "device_guesses", "tries"), "0"),
    **dict.fromkeys(("closed_as", "salt"), "''"),
    "closed_at": "NULL",
}
"""SQL of the values of every `StandInCode`."""


@cache
def open_or_keep_sql(model: type[models.Model], alias: str, caller: Caller) -> str:
    """Return the SQL text of `OneTimeCodeQuerySet.open_or_keep`."""
    quote = connections[alias].ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in inserted_fields(model))
    values = ", ".join(f"%({field.attname})s" for field in inserted_fields(model))
    table = quote(model._meta.db_table)
    stale = f"({table}.expires_at <= %(until)s OR {table}.{caller.counter} >= %(cap)s)"
    again = f"NOT {stale} AND {table}.asked_at <= %(earlier)s"
    undelivered = ", ".join(f"'{state.value}'" for state in UNDELIVERED)
    changed = {
        "asked_at": f"WHEN {again} THEN excluded.asked_at",
        "next_try_at": f"WHEN {again} AND {table}.delivery = '{DeliveryState.FAILED.value}' THEN excluded.next_try_at",
        "closed_at": f"WHEN {stale} THEN excluded.asked_at",
        "closed_as": f"WHEN {table}.expires_at <= excluded.asked_at THEN '{CodeClosed.EXPIRED.value}' "
        f"WHEN {stale} THEN '{CodeClosed.SUPERSEDED.value}'",
        "salt": f"WHEN {stale} THEN NULL",
        "delivery": f"WHEN {stale} AND {table}.delivery IN ({undelivered}) THEN CASE WHEN {table}.sent_at IS NULL "
        f"THEN '{DeliveryState.EXPIRED_UNSENT.value}' ELSE '{DeliveryState.SENT.value}' END",
    }
    changes = ", ".join(f"{column} = CASE {cases} ELSE {table}.{column} END" for column, cases in changed.items())
    return (
        f"INSERT INTO {table} ({columns}) VALUES ({values}) "  # noqa: S608  names and states from the model
        f"ON CONFLICT (organization, recipient, purpose, caller) WHERE closed_at IS NULL "
        f"DO UPDATE SET {changes} RETURNING id, closed_as"
    )


@cache
def guess_sql(
    model: type[models.Model], alias: str, vendor: str, caller: Caller, *, matched: bool, events: int = 0
) -> str:
    """Return the SQL text of `OneTimeCodeQuerySet.record_guess`. Its row is the outcome, then the ids of the events.

    An UPDATE that finds nothing would write nothing, and its commit would not wait for the disk. So PostgreSQL then
    updates a `StandInCode`, and inserts it at its first guess.
    """
    quote = connections[alias].ops.quote_name
    table, guesses = quote(model._meta.db_table), quote(caller.counter)
    closing = ", closed_at = %s, closed_as = %s, salt = NULL" if matched else ""
    update = (
        f"UPDATE {table} SET {guesses} = {guesses} + 1{closing} "  # noqa: S608  names from the model
        f"WHERE id = %s AND closed_at IS NULL AND {guesses} < %s AND expires_at > %s RETURNING '{COUNTED}'"
    )
    if vendor != "postgresql":
        return update
    stand_in = (
        f"{insert_select(StandInCode, alias, STAND_IN)} WHERE NOT EXISTS (SELECT FROM guess) "
        "ON CONFLICT (id) DO UPDATE SET guesses = excluded.guesses"
    )
    stored = [f"event_{each}" for each in range(events)]
    inserted = "".join(
        f", {name} AS ({insert_select(AuditEvent, alias)} FROM {source} RETURNING id)"
        for source, name in pairwise(["guess", *stored])  # each event after the one before
    )
    ids = "".join(f", (SELECT id FROM {name})" for name in stored)  # noqa: S608
    outcome = f"SELECT (SELECT outcome FROM guess){ids}"  # noqa: S608
    return f"WITH guess (outcome) AS ({update}), stand_in AS ({stand_in}){inserted} {outcome}"
