"""Write each log record as one line of JSON."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

NOT_EXTRA = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request", "data"}
"""Attributes that are not written: those of every record, Django's `request`, and Celery's `data`, which repeats."""


class JSONFormatter(logging.Formatter):
    """Write time, level, logger, event, and the fields in `extra`.

    The app's own records name their event and its fields (docs/embedding.md), which become members of the object.
    Everything but printable ASCII is escaped, so a username cannot forge a line or send escape sequences to a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in NOT_EXTRA}
        event = extra.pop("dfns_event", None) or record.getMessage()
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": event,
        }
        extra |= extra.pop("dfns_fields", {})
        line |= {name: value for name, value in extra.items() if name not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
