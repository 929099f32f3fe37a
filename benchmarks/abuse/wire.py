"""HTTP/2 as no well-behaved client speaks it: TLS, frames at will, nothing answered in time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import H2Error

_READ = 65_536


class Wire:
    """One connection whose streams are opened, and left or reset, as the caller likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._h2 = H2Connection(H2Configuration(client_side=True, validate_outbound_headers=False))
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.ended: set[int] = set()
        """Streams that the server ended or reset."""
        self.closed = False
        """Whether the server closed the connection."""

    async def start(self) -> None:
        """Shake hands, and read what comes from now on."""
        self._h2.initiate_connection()
        await self.flush()
        self._task = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """Close the connection."""
        if self._task is not None:
            self._task.cancel()
        self._writer.transport.abort()

    async def moves(self) -> None:
        """Wait until something has come, or the connection is closed."""
        self._moved.clear()
        await self._moved.wait()

    def open(self, path: str, key: str = "") -> int:
        """Open a stream with its headers alone; return its id."""
        stream = self._h2.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":path", path),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        if key:
            headers.append(("authorization", f"Bearer {key}"))
        self._h2.send_headers(stream, headers)
        return stream

    def reset(self, stream: int) -> None:
        """Take a stream back."""
        with suppress(H2Error):
            self._h2.reset_stream(stream, 8)

    async def send(self, stream: int, data: bytes) -> int:
        """Send as much of a body as the server lets through; return how many bytes that were."""
        sent = 0
        while sent < len(data) and not self.closed:
            try:
                window = self._h2.local_flow_control_window(stream)
                size = min(window, self._h2.max_outbound_frame_size, len(data) - sent)
                if size > 0:
                    self._h2.send_data(stream, data[sent : sent + size])
            except H2Error:
                return sent
            if size <= 0:
                self._moved.clear()
                try:
                    await asyncio.wait_for(self._moved.wait(), 0.5)
                except TimeoutError:
                    return sent
                continue
            sent += size
            await self.flush()
        return sent

    async def flush(self) -> None:
        """Send what waits."""
        if data := self._h2.data_to_send():
            try:
                self._writer.write(data)
                await self._writer.drain()
            except OSError:
                self.closed = True

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(_READ):
                for event in self._h2.receive_data(data):
                    if isinstance(event, StreamEnded | StreamReset):
                        self.ended.add(event.stream_id)
                    elif isinstance(event, ConnectionTerminated):
                        self.closed = True
                    elif isinstance(event, WindowUpdated):
                        self._moved.set()
                self._moved.set()
                await self.flush()
        except (OSError, H2Error):
            pass
        self.closed = True
        self._moved.set()


@asynccontextmanager
async def wire(port: int, ca: str) -> AsyncIterator[Wire]:
    """Open a connection and close it with the block."""
    context = ssl.create_default_context(cadata=ca)
    context.set_alpn_protocols(["h2"])
    streams = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    found = Wire(*streams)
    await found.start()
    try:
        yield found
    finally:
        await found.stop()
