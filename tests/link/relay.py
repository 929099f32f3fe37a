"""A relay between a server and a broker that can keep answers back, or let nobody through."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Relay:
    """Passes bytes on, both ways; TLS goes through as it is."""

    def __init__(self, port: int) -> None:
        """`port` is the broker's, on this machine."""
        self._broker = port
        self.port = 0
        self.answers = True
        """Whether what the broker says comes through."""
        self.open = True
        """Whether a new connection comes through."""
        self._connections: set[asyncio.Task[None]] = set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if self.open:
                there, to = await asyncio.open_connection("127.0.0.1", self._broker)
                with suppress(OSError):
                    async with asyncio.TaskGroup() as both:
                        both.create_task(self._pass(reader, to, answers=False))
                        both.create_task(self._pass(there, writer, answers=True))
        finally:
            self._connections.discard(task)
            writer.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.answers or not answers:
                    writer.write(data)
                    await writer.drain()
        writer.close()

    async def close(self) -> None:
        """End all connections."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


@asynccontextmanager
async def relayed(port: int) -> AsyncIterator[Relay]:
    """Run a relay to a broker's port."""
    relay = Relay(port)
    listening = socket.create_server(("127.0.0.1", 0))
    server = await asyncio.start_server(relay._connected, sock=listening)
    relay.port = listening.getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        await relay.close()
