"""A TCP proxy before the server, which can go silent, cut its connections or refuse new ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

_READ = 64 * 1024  # bytes


class Mode(StrEnum):
    """What the proxy does."""

    PASS = "pass"
    """Passes bytes on."""
    SILENT = "silent"
    """Swallows the bytes of the connections that are open now; passes those of new ones on."""
    CUT = "cut"
    """Ends the connections that are open now; passes the bytes of new ones on."""
    REFUSE = "refuse"
    """Ends all connections, and new ones at once."""


class Proxy:
    """Passes connections on to a port of this machine."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._refuses = False
        self._open: set[_Connection] = set()
        self._accepted = 0
        self._moved = asyncio.Condition()
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Proxy]:
        """Listen until the block ends."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self._end_all()

    def reset(self) -> None:
        """Pass everything on again, and count connections from 0."""
        self._end_all()
        self._refuses, self._accepted = False, 0

    def switch(self, mode: Mode) -> None:
        """Change what it does, at once."""
        self._refuses = mode is Mode.REFUSE
        if mode is Mode.SILENT:
            for connection in self._open:
                connection.silent = True
        elif mode is not Mode.PASS:
            self._end_all()

    async def connections(self, count: int) -> None:
        """Wait until it had so many connections since it was reset."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._accepted >= count)

    def _end_all(self) -> None:
        for connection in list(self._open):
            connection.end()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._moved:
            self._accepted += 1
            self._moved.notify_all()
        if self._refuses:
            writer.transport.abort()
            return
        try:
            server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection((reader, writer), server)
        self._open.add(connection)
        try:
            await connection.pass_on()
        finally:
            self._open.discard(connection)


class _Connection:
    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._client, self._server = client, server
        self.silent = False

    def end(self) -> None:
        """Reset it, both ways."""
        for _, writer in (self._client, self._server):
            writer.transport.abort()

    async def pass_on(self) -> None:
        """Pass bytes on, both ways, until either side ends."""
        from_client = asyncio.create_task(self._one_way(self._client[0], self._server[1]))
        from_server = asyncio.create_task(self._one_way(self._server[0], self._client[1]))
        await asyncio.wait((from_client, from_server), return_when=asyncio.FIRST_COMPLETED)
        if self.silent:  # the client must find out by itself
            await from_client
        self.end()
        await asyncio.gather(from_client, from_server)

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_READ):
                if not self.silent:
                    writer.write(data)
                    await writer.drain()
