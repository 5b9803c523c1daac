"""Run things at the same moment: requests that wait for their last byte, threads behind a barrier."""

import json
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPResponse
from threading import Barrier
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from django.db import connections

from tests.support.served_by import SERVED_BY

T = TypeVar("T")
PARALLEL = 60
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A JSON request."""

    path: str
    body: dict[str, Any]
    method: str = "POST"
    bearer: str = field(default="", repr=False)
    user_action: str = field(default="", repr=False)

    def encode(self, host: str) -> bytes:
        body = json.dumps(self.body).encode()
        head = [
            f"{self.method} {self.path} HTTP/1.1",
            f"Host: {host}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *([f"Authorization: Bearer {self.bearer}"] if self.bearer else []),
            *([f"X-DFNS-USERACTION: {self.user_action}"] if self.user_action else []),
        ]
        return "\r\n".join([*head, "", ""]).encode() + body


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def message(self) -> str:
        return str(self.body["error"]["message"])

    @property
    def served_by(self) -> str:
        return self.headers[SERVED_BY]


def send_at_once(url: str, calls: Sequence[Call]) -> list[Answer]:
    """Send all requests except their last bytes, and then all last bytes, when the servers hold them all."""
    address = urlsplit(url)
    host, port = str(address.hostname), int(address.port or 80)
    sockets = []
    try:
        for call in calls:
            connection = socket.create_connection((host, port), timeout=PATIENCE_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sockets.append(connection)
            connection.sendall(call.encode(address.netloc)[:-1])
        for connection, call in zip(sockets, calls, strict=True):
            connection.sendall(call.encode(address.netloc)[-1:])
            if len(calls) > 1:  # gunicorn's accepting thread would wait up to two seconds for the end of each
                connection.shutdown(socket.SHUT_WR)
        return [_read(connection) for connection in sockets]
    finally:
        for connection in sockets:
            connection.close()


def send(url: str, call: Call) -> Answer:
    return send_at_once(url, [call])[0]


def _read(connection: socket.socket) -> Answer:
    with HTTPResponse(connection) as response:
        response.begin()
        body = response.read()
        return Answer(status=response.status, headers=dict(response.headers), body=json.loads(body or b"null"))


class Crew:
    """Threads that run functions at the same moment, each with its own database connection."""

    def __init__(self, size: int) -> None:
        self._barrier = Barrier(size, timeout=PATIENCE_SECONDS)
        self._threads = ThreadPoolExecutor(size)
        self.size = size

    def at_once(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Call each function in its own thread, at the same moment. Raises the first exception."""
        assert len(calls) == self.size
        return list(self._threads.map(self._in_step, calls))

    def _in_step(self, call: Callable[[], T]) -> T:
        connections["default"].ensure_connection()
        self._barrier.wait()
        return call()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _raised: object, _trace: TracebackType | None) -> None:
        self.at_once([connections.close_all] * self.size)
        self._threads.shutdown()
