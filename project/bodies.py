"""Bound the bodies of requests under ASGI, where Django stores a body before any view can refuse it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]

MOST_BYTES: Final = 2_621_440
"""Django's default for `DATA_UPLOAD_MAX_MEMORY_SIZE`."""
MOST_SECONDS: Final = 10.0
TOO_LATE, TOO_LARGE = 408, 413


class BodyRefusedError(Exception):
    """The body is too large or arrives too slowly. status: of the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class BoundedBodies:
    """An ASGI application whose requests have at most `MOST_BYTES`, which arrive within `MOST_SECONDS`."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        try:
            await self._application(scope, bounded(receive), send)
        except BodyRefusedError as refused:
            await send(
                {"type": "http.response.start", "status": refused.status, "headers": [(b"connection", b"close")]}
            )
            await send({"type": "http.response.body", "body": b""})


def bounded(receive: Receive) -> Receive:
    """Return a function that receives the same messages. It raises BodyRefusedError while there is more of the body."""
    left, end, complete = MOST_BYTES, time.monotonic() + MOST_SECONDS, False

    async def receive_or_refuse() -> Message:
        nonlocal left, complete
        if complete:  # the next message tells that the client has gone
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(end - time.monotonic(), 0))
        except TimeoutError:
            raise BodyRefusedError(TOO_LATE) from None
        left -= len(message.get("body", b""))
        if left < 0:
            raise BodyRefusedError(TOO_LARGE)
        complete = not message.get("more_body", False)
        return message

    return receive_or_refuse
