"""A TCP proxy on loopback that is as slow as a bad network, for all of its connections together.

Chromium's own emulation delays what a page gets, but not the time of the first byte that it reports.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PACKET: Final = 1460
"""Bytes of a full packet on most networks."""


class SlowLine:
    """A line between a browser and a server. Both values may change at any time.

    bits_per_second: each way, without the headers of packets; 0 for no limit.
    round_trip: seconds. Opening a connection takes none of it.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.bits_per_second = 0
        self.round_trip = 0.0
        self._free = [0.0, 0.0]  # when each direction can take its next packet, on the event loop's clock

    @contextmanager
    def to(self, upstream: int) -> Iterator[None]:
        """Forward connections to this port of loopback."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        serving = asyncio.start_server(lambda *ends: self._forward(*ends, upstream), "127.0.0.1", self.port)
        server = asyncio.run_coroutine_threadsafe(serving, loop).result()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(server.close)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: int) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", upstream)
        await asyncio.gather(self._carry(reader, to_server, 0), self._carry(from_server, writer, 1))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            while packet := await reader.read(PACKET):
                seconds = len(packet) * 8 / self.bits_per_second if self.bits_per_second else 0
                sent = max(loop.time(), self._free[direction]) + seconds
                self._free[direction] = sent
                loop.call_at(sent + self.round_trip / 2, writer.write, packet)
                await asyncio.sleep(sent - loop.time())
        except ConnectionError:
            pass
        loop.call_at(loop.time() + self.round_trip / 2, writer.close)
