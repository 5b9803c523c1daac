"""What a probe of `dfns doctor` yields."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

MAX_DRIFT: Final = timedelta(seconds=2)
"""How far the clocks of two hosts may differ."""


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result for one thing that was examined. remedy: what to do if something is wrong."""

    name: str
    level: Level
    message: str
    remedy: str = ""


Clock = Callable[[], datetime]
Probe = Callable[[Clock], Iterator[Finding]]


def good(name: str, message: str) -> Finding:
    return Finding(name=name, level=Level.OK, message=message)


def bad(name: str, message: str, *, remedy: str) -> Finding:
    return Finding(name=name, level=Level.ERROR, message=message, remedy=remedy)
