"""Requests whose bodies arrive byte by byte, over raw sockets."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType
from urllib.parse import urlsplit

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.2


def head(url: str, path: str, *, length: int, headers: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """Return the head of a JSON request that announces a body of this length."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", "Content-Type: application/json"]
    lines += [f"Content-Length: {length}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


@contextlib.contextmanager
def trickling(url: str, heads: Sequence[bytes]) -> Iterator[list[socket.socket]]:
    """Send each head on a connection of its own, and then a byte every 0.2 seconds until the end of the block."""
    address, over = urlsplit(url), threading.Event()
    with ExitStack() as stack:
        connections = []
        for each in heads:
            connection = socket.create_connection((str(address.hostname), int(address.port or 80)), PATIENCE_SECONDS)
            connections.append(stack.enter_context(connection))
            connection.sendall(each)

        def trickle() -> None:
            while not over.wait(PAUSE_SECONDS):
                for each in connections:
                    with contextlib.suppress(OSError):
                        each.send(b" ")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield connections
        finally:
            over.set()
            thread.join()


def status_on(connection: socket.socket) -> int:
    """Return the status of the answer, or 0 if the connection was closed without one."""
    with contextlib.suppress(ConnectionError):
        line = connection.recv(4096).partition(b"\r\n")[0].split()
        return int(line[1]) if len(line) > 1 else 0
    return 0
