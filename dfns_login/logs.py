"""Format log records as lines of JSON, with the id of their request. For the project's `LOGGING` setting."""

import json
import logging
from datetime import UTC, datetime
from typing import Any, Final

from dfns_login.requester import current_request_id

NOT_EXTRA: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request", "data", "request_id"}
"""Attributes that are not written: those of every record, Django's `request`, Celery's `data`, which repeats, and what
`RequestIDFilter` adds."""


class JSONFormatter(logging.Formatter):
    """Write time, level, logger, event, the id of the request, if there is one, and the fields in `extra`.

    The app's own records name their event and its fields (docs/monitoring.md), which become members of the object.
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
        if request := getattr(record, "request_id", "") or _id_of_request(record):
            extra["request"] = request
        extra |= extra.pop("dfns_fields", {})
        line |= {name: value for name, value in extra.items() if name not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class RequestIDFilter(logging.Filter):
    """Set `request_id` on each record, for other formatters, and for handlers that format in another thread."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = _id_of_request(record)
        return True


def _id_of_request(record: logging.LogRecord) -> str:
    """Django logs refused requests after all middleware, but with the request in the record."""
    return current_request_id.get() or str(getattr(getattr(record, "request", None), "dfns_request_id", ""))
