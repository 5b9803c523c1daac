"""Rates as settings write them: `10/m` is ten a minute, `5/30s` five in thirty seconds."""

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
    """Whether the text is a window. Stricter than django-ratelimit, to which `5/x` is five a second."""
    return _WINDOW.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """So many in a period: `10/m` is ten a minute, `5/30s` five in thirty seconds."""

    count: int
    period: timedelta

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError where `is_window` is false."""
        found = _WINDOW.fullmatch(text)
        if found is None:
            msg = "not a number by a period"
            raise ValueError(msg)
        count, multiple, period = found.groups()
        return cls(count=int(count), period=int(multiple or 1) * _PERIODS[period])
