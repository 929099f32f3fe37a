"""What every asynchronous call goes through: credentials, a deadline, typed errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, Self, TypeVar, cast

import grpc.aio

from schoolbell.connection import Connection
from schoolbell.errors import from_rpc_error

Answer = TypeVar("Answer")

_FAILED_WRITE = "Internal error from Core"
"""What gRPC puts in place of a status, where it writes into a call that the service ended."""
_LONGEST_WAIT = 1.0  # seconds for the status of a call that gRPC knows to be over


class Call:
    """A call of any shape, whose errors are the classes of `schoolbell.errors`.

    What is not here is the call's own: `cancel`, `code`, `trailing_metadata` and so on.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._ending: asyncio.Future[grpc.aio.AioRpcError] = asyncio.Future()
        call.add_done_callback(self._keep_ending)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._typed(self._call).__await__()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        response = await self.read()
        if response is grpc.aio.EOF:
            raise StopAsyncIteration
        return response

    async def read(self) -> Any:
        """Return the next response, or `grpc.aio.EOF`."""
        return await self._typed(self._call.read())

    async def write(self, request: Any) -> None:
        """Send a request."""
        await self._send(self._call.write(request))

    async def done_writing(self) -> None:
        """Send no more requests."""
        await self._send(self._call.done_writing())

    async def wait_for_connection(self) -> None:
        """Wait until the call has a connection."""
        await self._typed(self._call.wait_for_connection())

    async def _send(self, sending: Awaitable[None]) -> None:
        """Send; where the call is over already, raise why."""
        try:
            await sending
        except asyncio.InvalidStateError:
            if await self._call.code() is grpc.StatusCode.OK:
                raise
            raise from_rpc_error(await _ending_of(self._call)) from None
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(await self._true(error)) from None

    async def _typed(self, answer: Awaitable[Answer]) -> Answer:
        try:
            return await answer
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(await self._true(error)) from None

    def _keep_ending(self, call: Any) -> None:
        """Keep how the call ended: a late write replaces it with an error of its own."""
        ending = _at_once(_ending_of(call))
        if ending.details() != _FAILED_WRITE and not self._ending.done():
            self._ending.set_result(ending)

    async def _true(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """Return the ending that the service gave where gRPC has replaced it."""
        if error.details() != _FAILED_WRITE:
            return error
        await asyncio.wait({self._ending}, timeout=_LONGEST_WAIT)
        return self._ending.result() if self._ending.done() else error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class _Channel:
    """A channel whose stubs make calls with the credentials of a connection."""

    def __init__(self, channel: grpc.aio.Channel, connection: Connection) -> None:
        self._channel = channel
        self._connection = connection

    def unary_unary(self, *args: Any, **options: Any) -> Callable[..., Call]:
        """Return unary calls: the connection's deadline where the caller names none."""
        return self._calls(self._channel.unary_unary(*args, **options), self._connection.deadline)

    def unary_stream(self, *args: Any, **options: Any) -> Callable[..., Call]:
        """Return calls with streams of responses: no deadline but the caller's."""
        return self._calls(self._channel.unary_stream(*args, **options), None)

    def stream_unary(self, *args: Any, **options: Any) -> Callable[..., Call]:
        """Return calls with streams of requests."""
        return self._calls(self._channel.stream_unary(*args, **options), None)

    def stream_stream(self, *args: Any, **options: Any) -> Callable[..., Call]:
        """Return calls with streams both ways."""
        return self._calls(self._channel.stream_stream(*args, **options), None)

    def _calls(self, make: Any, deadline: float | None) -> Callable[..., Call]:
        return partial(self._call, make, deadline)

    def _call(
        self,
        make: Any,
        deadline: float | None,
        request: Any = None,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        **options: Any,
    ) -> Call:
        return Call(
            make(
                request,
                timeout=deadline if timeout is None else timeout,
                metadata=(*(metadata or ()), *self._connection.metadata()),
                **options,
            )
        )


def typed_channel(channel: grpc.aio.Channel, connection: Connection) -> grpc.aio.Channel:
    """Return a channel for stubs, whose calls show a key and raise typed errors."""
    return cast(grpc.aio.Channel, _Channel(channel, connection))


async def _ending_of(call: Any) -> grpc.aio.AioRpcError:
    """Return how a call ended that is over."""
    return grpc.aio.AioRpcError(
        await call.code(),
        await call.initial_metadata(),
        await call.trailing_metadata(),
        await call.details(),
    )


def _at_once(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """Return the result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast(Answer, end.value)
    coroutine.close()
    raise RuntimeError("the call is not over")
