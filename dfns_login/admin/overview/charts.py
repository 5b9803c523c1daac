"""Charts as SVG, drawn on the server: no script, no style of their own, and a table with the same numbers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from django.utils.formats import number_format

from dfns_login.admin.django_types import Text

WIDTH: Final = 720
HEIGHT: Final = 190
LEFT: Final = 48
TOP: Final = 10
BOTTOM: Final = 24
GAP: Final = 0.18
"""Of a column's width, left empty between columns."""
STEPS: Final = (2, 4, 10)
TIMES: Final = 6
"""The most times that the horizontal axis names."""


def whole(value: float) -> str:
    return number_format(int(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A row of values, one for each column; None if there is none. tone: the suffix of its class in the style sheet."""

    name: Text
    tone: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A rectangle or a dot."""

    tone: str
    x: float
    y: float
    width: float = 0
    height: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What is drawn at one time. text: its tooltip."""

    text: str
    x: float
    width: float
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A number or a time at an axis."""

    text: str
    x: float
    y: float


@dataclass(frozen=True, kw_only=True)
class Chart(ABC):
    """Values of a row of times. slug: begins the ids of its elements. summary: what it shows, in a sentence."""

    slug: str
    title: Text
    summary: Text
    series: Sequence[Series]
    labels: Sequence[str]
    shown: Callable[[float], str] = whole

    width = WIDTH
    height = HEIGHT
    left = LEFT
    top = TOP
    plot_height = HEIGHT - BOTTOM - TOP

    def highest(self) -> float:
        """Return the highest value that is drawn."""
        return max((value or 0 for each in self.series for value in each.values), default=0)

    @abstractmethod
    def marks(self, at: int) -> Iterator[Mark]:
        """Yield what is drawn at one time."""

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield tone and `d` of each line."""
        yield from ()

    @cached_property
    def limit(self) -> float:
        """End of the vertical axis."""
        return _round_up(self.highest())

    @property
    def step(self) -> float:
        return (WIDTH - LEFT) / len(self.labels)

    @property
    def is_empty(self) -> bool:
        return not any(value is not None and value > 0 for each in self.series for value in each.values)

    def columns(self) -> Iterator[Column]:
        for at, label in enumerate(self.labels):
            values = [f"{each.name}: {self.shown(value)}" for each in self.series if (value := each.values[at])]
            text = ", ".join([label, *values])
            yield Column(text=text, x=LEFT + self.step * at, width=self.step, marks=list(self.marks(at)))

    def times(self) -> Iterator[Label]:
        every = math.ceil(len(self.labels) / TIMES)
        for at in range(every // 2, len(self.labels), every):
            yield Label(text=self.labels[at], x=self.middle(at), y=HEIGHT - 6)

    def heights(self) -> Iterator[Label]:
        for value in (0, self.limit / 2, self.limit):
            yield Label(text=self.shown(value), x=LEFT - 8, y=self.y(value))

    def table(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each time that has a value, newest first, with its values."""
        for at in reversed(range(len(self.labels))):
            values = [each.values[at] for each in self.series]
            if any(values):
                yield self.labels[at], ["" if value is None else self.shown(value) for value in values]

    def middle(self, at: int) -> float:
        return LEFT + self.step * (at + 0.5)

    def y(self, value: float) -> float:
        return TOP + self.plot_height * (1 - value / self.limit)


class BarChart(Chart):
    """The series are stacked on each other."""

    def highest(self) -> float:
        return max((sum(values) for values in zip(*self._values(), strict=True)), default=0)

    def marks(self, at: int) -> Iterator[Mark]:
        below = 0.0
        for each, values in zip(self.series, self._values(), strict=True):
            if values[at]:
                below += values[at]
                x, width = LEFT + self.step * (at + GAP / 2), self.step * (1 - GAP)
                height = self.y(0) - self.y(values[at])
                yield Mark(tone=each.tone, x=x, y=self.y(below), width=width, height=height)

    def _values(self) -> list[list[float]]:
        return [[value or 0 for value in each.values] for each in self.series]


class LineChart(Chart):
    """Each series is a row of dots, joined by a line where no time between them is empty."""

    def marks(self, at: int) -> Iterator[Mark]:
        for each in self.series:
            if (value := each.values[at]) is not None:
                yield Mark(tone=each.tone, x=self.middle(at), y=self.y(value))

    def paths(self) -> Iterator[tuple[str, str]]:
        for each in self.series:
            yield each.tone, "".join(self._moves(each.values))

    def _moves(self, values: Sequence[float | None]) -> Iterator[str]:
        move = "M"
        for at, value in enumerate(values):
            if value is not None:
                yield f"{move}{self.middle(at):.1f} {self.y(value):.1f}"
            move = "M" if value is None else "L"


def _round_up(value: float) -> float:
    """Return the end of an axis: 2, 4 or 10 times a power of ten, so that half of it is a whole number too."""
    power = 10.0 ** max(0, math.floor(math.log10(value))) if value > 1 else 1.0
    return next(power * step for step in STEPS if power * step >= value)
