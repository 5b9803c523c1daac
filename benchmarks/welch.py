"""Compare two series of interleaved timings with Welch's t-test, over crops of the slowest samples.

Source: Reparaz, Balasch and Verbauwhede, Dude, is my code constant time? (2017).
"""

import math
import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CROPS: Final = (1.0, 0.99, 0.95, 0.9, 0.75, 0.5)
"""Shares of the fastest samples that are compared. Slow outliers hide differences."""
T_LIMIT: Final = 4.5
MEDIAN_LIMIT_US: Final = 100.0
IQR_SHARE_LIMIT: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How two series differ. Times are in microseconds; t is the largest over the crops."""

    median: float
    difference: float
    iqr_share: float
    t: float

    @property
    def alike(self) -> bool:
        """Whether no difference was found, or one too small to matter (R-33)."""
        small = abs(self.difference) < MEDIAN_LIMIT_US and self.iqr_share < IQR_SHARE_LIMIT
        return self.t < T_LIMIT or small


def compare(samples: Sequence[float], *, reference: Sequence[float]) -> Comparison:
    """Compare a class with its reference class. Both are in microseconds."""
    a, b = sorted(samples), sorted(reference)
    pooled = sorted([*a, *b])
    ts = []
    for crop in CROPS:
        limit = pooled[math.ceil(crop * len(pooled)) - 1]
        ts.append(abs(welch_t(a[: bisect_right(a, limit)], b[: bisect_right(b, limit)])))
    lower, _, upper = statistics.quantiles(b, n=4)
    difference = statistics.median(a) - statistics.median(b)
    return Comparison(
        median=statistics.median(a), difference=difference, iqr_share=abs(difference) / (upper - lower), t=max(ts)
    )


def welch_t(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Welch's t; infinity if a crop leaves too little of one series."""
    if not (a[1:] and b[1:]):
        return math.inf
    error = math.sqrt(_variance(a) / len(a) + _variance(b) / len(b))
    return (statistics.fmean(a) - statistics.fmean(b)) / error


def _variance(values: Sequence[float]) -> float:
    mean = statistics.fmean(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
