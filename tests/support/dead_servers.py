"""Servers behind which nothing works: packets vanish, or connections are accepted and never answered."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress


@contextmanager
def black_hole(port: int) -> Iterator[None]:
    """Answer no attempt to connect to this loopback port, as a firewall that drops packets."""
    with ExitStack() as stack:
        stack.enter_context(_listening(port, backlog=0))
        for _ in range(4):  # fill the backlog: the kernel then drops what arrives
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            with suppress(BlockingIOError):
                waiting.connect(("127.0.0.1", port))
        yield


@contextmanager
def silent_server(port: int) -> Iterator[None]:
    """Accept connections to this loopback port and never answer, as a frozen server."""
    with _listening(port, backlog=1000):
        yield


def _listening(port: int, *, backlog: int) -> socket.socket:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen(backlog)
    return server
