"""A gRPC relay before the server: it notes each call, and can hold calls or fail them on demand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from schoolbell import Connection

_PACKAGE = "/schoolbell.v1."
_OWN = ("user-agent", "grpc-previous-rpc-attempts", "grpc-accept-encoding", "accept-encoding")
_LIMIT = 16 * 1024 * 1024  # bytes


@dataclass
class Failure:
    """What the next calls of a method are answered."""

    code: str
    times: int
    reason: str = ""
    retry_delay: float = 0.0

    def status(self) -> Status:
        """Return it as the service would answer it."""
        status = Status(code=grpc.StatusCode[self.code].value[0], message="as the relay was told")
        if self.reason:
            status.details.add().Pack(ErrorInfo(reason=self.reason, domain="schoolbell"))
        if self.retry_delay:
            delay = Duration()
            delay.FromNanoseconds(int(self.retry_delay * 1e9))
            status.details.add().Pack(RetryInfo(retry_delay=delay))
        return status


@dataclass
class Relay:
    """Passes calls on to the server, whatever they say."""

    connection: Connection
    port: int = 0
    calls: list[dict[str, Any]] = field(default_factory=list)
    """What arrived since the relay was reset."""
    _failures: dict[str, Failure] = field(default_factory=dict)
    _held: dict[str, asyncio.Event] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Relay]:
        """Listen until the block ends."""
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", _LIMIT)])
        server.add_generic_rpc_handlers((_Handler(self),))
        self.port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self._channel = self.connection.aio_channel()
        try:
            yield self
        finally:
            self.reset()
            await self._channel.close()
            await server.stop(None)

    def reset(self) -> None:
        """Pass everything on again, and forget what arrived."""
        self._failures.clear()
        for method in list(self._held):
            self.release(method)
        self.calls.clear()
        self._counts.clear()

    def fail(self, method: str, failure: Failure) -> None:
        """Answer the next calls of a method with an error."""
        self._failures[method] = failure

    def hold(self, method: str) -> None:
        """Keep the calls of a method waiting."""
        self._held[method] = asyncio.Event()

    def release(self, method: str) -> None:
        """Let the calls go that wait."""
        self._held.pop(method).set()

    async def arrived(self, method: str, count: int) -> None:
        """Wait until so many calls of a method arrived since the relay was reset."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._counts[method] >= count)

    async def pass_on(
        self, method: str, requests: AsyncIterator[bytes], context: Any
    ) -> AsyncIterator[bytes]:
        """Pass one call on, unless it is to fail."""
        await self._note(method, context)
        name = method.removeprefix(_PACKAGE)
        if held := self._held.get(name):
            await held.wait()
        failure = self._failures.get(name)
        if failure and failure.times:
            failure.times -= 1
            await _abort(context, failure.status())
        sent = tuple(
            (key, value)
            for key, value in context.invocation_metadata()
            if key not in _OWN and not key.startswith(":")
        )
        stub: Any = self._channel.stream_stream(method)
        call = stub(requests, metadata=sent, timeout=context.time_remaining())
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            context.set_trailing_metadata(tuple(error.trailing_metadata() or ()))
            await context.abort(error.code(), error.details() or "")
        finally:
            call.cancel()

    async def _note(self, method: str, context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        name = method.removeprefix(_PACKAGE)
        async with self._moved:
            self.calls.append(
                {
                    "method": name,
                    "user_agent": metadata.get("user-agent", ""),
                    "deadline": context.time_remaining(),
                    "authorization": metadata.get("authorization", ""),
                    "attempt": int(metadata.get("grpc-previous-rpc-attempts", 0)) + 1,
                }
            )
            self._counts[name] += 1
            self._moved.notify_all()


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def service(self, details: Any) -> Any:
        """Return a handler of bytes; on the wire all four shapes of call are the same."""

        async def handle(requests: Any, context: Any) -> AsyncIterator[bytes]:
            async for response in self._relay.pass_on(details.method, requests, context):
                yield response

        return grpc.stream_stream_rpc_method_handler(handle)


async def _abort(context: Any, status: Status) -> None:
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(
        {code.value[0]: code for code in grpc.StatusCode}[status.code], status.message
    )
