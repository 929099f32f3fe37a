"""A stream that the service ends tells its reason, however late the client notices."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from grpc import aio

from schoolbell import Connection
from schoolbell.aio_calls import typed_channel
from schoolbell.errors import PermissionDenied

Method = aio.StreamStreamMultiCallable[bytes, bytes]
WRITES = 200
TIMES = 20  # gRPC replaces the status in most of them


async def refuse(
    _requests: AsyncIterator[bytes], context: aio.ServicerContext[bytes, bytes]
) -> None:
    """End the stream before anything is read."""
    await context.abort(grpc.StatusCode.PERMISSION_DENIED, "needs a publisher's key")


@pytest.mark.parametrize("with_iterator", [True, False])
async def test_a_refused_stream_says_why_though_writes_fail(with_iterator: bool) -> None:
    server = aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(refuse)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("Test", {"Refuse": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        method: Method = typed_channel(channel, Connection()).stream_stream("/Test/Refuse")
        for _ in range(TIMES):
            with pytest.raises(PermissionDenied, match="needs a publisher's key"):
                await (_read(method) if with_iterator else _write(method))
    await server.stop(None)


async def _read(method: Method) -> None:
    async def requests() -> AsyncIterator[bytes]:
        for _ in range(WRITES):
            yield b"change" * 200

    async for _ in method(requests()):
        raise AssertionError("the service answered")


async def _write(method: Method) -> None:
    call = method()
    for _ in range(WRITES):
        await call.write(b"change" * 200)
