"""A process that may start no more threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

TOO_LARGE = 2**46
"""Bytes. No machine has as much memory, so the operating system refuses a thread with such a stack."""


@contextmanager
def no_more_threads() -> Iterator[None]:
    """Have the operating system refuse each thread that this process starts."""
    before = threading.stack_size(TOO_LARGE)
    try:
        yield
    finally:
        threading.stack_size(before)
