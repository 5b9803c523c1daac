"""Counters of django-ratelimit: their names in the cache, when their windows end, and counting one at a time."""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django_ratelimit import core

from dfns_login.limits.rates import Rate
from dfns_login.settings import Window

LIFETIME_MARGIN = core.EXPIRATION_FUDGE


@dataclass(frozen=True, slots=True, kw_only=True)
class RateWindow:
    """One window of a rate. rate: its name. text: as configured. limit: requests per period. period: seconds."""

    rate: str
    text: str
    group: str
    limit: int
    period: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A window of a rate for one subject. pseudonym: the subject's keyed hash."""

    window: RateWindow
    pseudonym: str = field(repr=False)

    def ends_at(self, now: int) -> int:
        """When the current window ends. Each subject has an offset, so that windows do not all end at once."""
        period = self.window.period
        if period == 1:
            return now
        end = now - now % period + zlib.crc32(self.pseudonym.encode()) % period
        return end + period if end < now else end

    def cache_key(self, ends_at: int) -> str:
        """Name of the counter that django-ratelimit uses, without `RATELIMIT_CACHE_PREFIX`."""
        text = f"{self.window.group}{self.window.limit}/{self.window.period}s{self.pseudonym}{ends_at}"
        algorithm = getattr(settings, "RATELIMIT_HASH_ALGORITHM", hashlib.sha256)
        name: str = (import_string(algorithm) if isinstance(algorithm, str) else algorithm)(text.encode()).hexdigest()
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceeded:
    """A window that is used up. seconds_left: until it ends; negative if it has ended meanwhile."""

    window: RateWindow
    seconds_left: int


@lru_cache(maxsize=256)
def windows_of(rate: Rate, *, texts: tuple[str, ...], scope: str) -> tuple[RateWindow, ...]:
    group = f"dfns_login:{scope}:{rate.name}:"
    parsed = [(text, Window.parse(text)) for text in texts]
    return tuple(
        RateWindow(
            rate=rate.name,
            text=text,
            group=group,
            limit=window.count,
            period=int(window.period.total_seconds()),
        )
        for text, window in parsed
    )


def count_one_by_one(counters: Sequence[Counter]) -> Exceeded | None:
    """Count with django-ratelimit until a window is used up, and return that window.

    Raises: ConnectionError, if the cache does not count; and the errors of the cache.
    """
    request = HttpRequest()
    for counter in counters:
        window, pseudonym = counter.window, counter.pseudonym
        usage = core.get_usage(
            request,
            group=window.group,
            key=lambda *_, pseudonym=pseudonym: pseudonym,
            rate=window.text,
            increment=True,
        )
        if usage is None:
            continue
        if usage["count"] < 1:  # `time_left` does not tell: it is -1 also if the window ended just now
            raise ConnectionError("the cache does not count")
        if usage["should_limit"]:
            return Exceeded(window=window, seconds_left=usage["time_left"])
    return None
