"""A middleware that makes some requests slower, to prove that `benchmarks.timing` finds it."""

import time
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER: Final = "X-Timing-Leak"
"""Microseconds, in five digits."""


def leak(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Work for as long as the header says."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        until = time.perf_counter() + int(request.headers.get(HEADER, "0")) / 1e6
        while time.perf_counter() < until:
            pass
        return get_response(request)

    return answer
