"""The log's form: one JSON object a line, whatever is in it."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

NOT_EXTRA = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request", "data"}
"""What every record carries; Django's `request`, which is no text; Celery's `data`, which is the message once more."""


class JSONFormatter(logging.Formatter):
    """Writes time, level, logger, event, and whatever the call gave as `extra`.

    Line breaks, escape sequences and everything else beyond printable ASCII are escaped: a user name cannot forge a
    line, nor colour a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in NOT_EXTRA | line.keys()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
