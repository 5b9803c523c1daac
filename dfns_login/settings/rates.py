"""Parse rate limit windows: `10/m` is ten per minute, `5/30s` five per thirty seconds."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

_WINDOW: Final = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,4})?([smhd])")
_PERIODS: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


def is_window(text: str) -> bool:
    """Whether the text is a valid window. Stricter than django-ratelimit, which reads `5/x` as five per second."""
    return _WINDOW.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A number of requests allowed in a period."""

    count: int
    period: timedelta

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ValueError, if `is_window` is false."""
        found = _WINDOW.fullmatch(text)
        if found is None:
            raise ValueError("not a number and a period")
        count, multiple, period = found.groups()
        return cls(count=int(count), period=int(multiple or 1) * _PERIODS[period])
