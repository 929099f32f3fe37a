"""The requests of a stream: read, admitted one by one, and ended early when the server drains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc.aio
from google.protobuf.message import Message

from schoolbell_server.rpc.errors import SchoolbellError


class Requests:
    """Iterate over the admitted requests of a streaming call."""

    def __init__(
        self,
        receive: Callable[[], Awaitable[Any]],
        admit: Callable[[bytes], Message],
        *,
        quiet: bool,
    ) -> None:
        """Take what receives bytes, or EOF; if `quiet`, a stop looks like the end of the stream."""
        self._receive = receive
        self._admit = admit
        self._quiet = quiet
        self._reader: asyncio.Task[object] | None = None
        self._stop: SchoolbellError | None = None
        self.cut: SchoolbellError | None = None
        """Why the iteration ended before the caller's stream did; None if it did not."""

    def stop(self, error: SchoolbellError) -> None:
        """Read no more: the iteration ends, or raises the error if it is not quiet."""
        self._stop = error
        if self._reader is not None:
            self._reader.cancel()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        if self._stop is None:
            try:
                data = await self._read()
                if data is grpc.aio.EOF:
                    raise StopAsyncIteration
                return self._admit(data)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self._stop is None or task is None:
                    raise
                task.uncancel()
        self.cut = self._stop
        if self._quiet or self._stop is None:
            raise StopAsyncIteration
        raise self._stop

    async def _read(self) -> Any:
        self._reader = asyncio.current_task()
        try:
            return await self._receive()
        finally:
            self._reader = None
