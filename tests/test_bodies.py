"""The bodies that the project accepts under ASGI."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from project import bodies
from project.bodies import MOST_BYTES, BoundedBodies


async def reading(_scope: Any, receive: Any, send: Any) -> None:
    """An application that reads the whole body and answers 200."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200})


def status_of(chunks: Iterable[bytes]) -> int:
    """Return the status of the answer to a body of these chunks, which is complete if the last one is empty."""
    sent: list[Mapping[str, Any]] = []
    left = iter(chunks)

    async def receive() -> dict[str, Any]:
        chunk = next(left, None)
        if chunk is None:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(BoundedBodies(reading)({"type": "http"}, receive, send))
    return int(sent[0]["status"])


def test_a_body_is_bounded_in_bytes_and_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """R-124."""
    largest = [b"x" * (MOST_BYTES // 4)] * 4
    assert status_of([*largest, b""]) == 200
    assert status_of([*largest, b"x", b""]) == 413
    monkeypatch.setattr(bodies, "MOST_SECONDS", 0.05)
    assert status_of([*largest, b""]) == 200
    assert status_of(largest) == 408
