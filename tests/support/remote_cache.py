"""Caches behind a client of their own, such as Memcached's."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache


class ErrorOfAClient(Exception):
    """As `pylibmc.Error` and `pymemcache.MemcacheError`: not an OSError."""


class Remote(BaseCache):
    """A cache whose client takes `seconds`, raises `error`, or hangs until `released` is set."""

    seconds: ClassVar[float] = 0
    error: ClassVar[Exception | None] = None
    released: ClassVar[threading.Event] = threading.Event()

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._kept = LocMemCache("remote", params)

    @classmethod
    @contextmanager
    def answering(cls) -> Iterator[type[Self]]:
        """Have it answer at first, and in the end."""
        cls.seconds, cls.error, cls.released = 0, None, threading.Event()
        cls.released.set()
        try:
            yield cls
        finally:
            cls.seconds, cls.error = 0, None
            cls.released.set()

    def _answer(self, name: str, *arguments: Any, **options: Any) -> Any:
        self.released.wait(60)
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return getattr(self._kept, name)(*arguments, **options)

    def add(self, *arguments: Any, **options: Any) -> Any:
        return self._answer("add", *arguments, **options)

    def get(self, *arguments: Any, **options: Any) -> Any:
        return self._answer("get", *arguments, **options)

    def set(self, *arguments: Any, **options: Any) -> Any:
        return self._answer("set", *arguments, **options)

    def incr(self, *arguments: Any, **options: Any) -> Any:
        return self._answer("incr", *arguments, **options)

    def delete(self, *arguments: Any, **options: Any) -> Any:
        return self._answer("delete", *arguments, **options)

    def clear(self) -> None:
        self._kept.clear()


class Forgetful(BaseCache):
    """Stores and finds nothing, like Memcached's and django-redis' clients that hide an outage."""

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(self, *_: object, **__: object) -> bool:
        return False

    def get(self, _key: str, default: Any = None, **__: object) -> Any:
        return default

    def incr(self, *_: object, **__: object) -> int:
        msg = "no such key"
        raise ValueError(msg)
