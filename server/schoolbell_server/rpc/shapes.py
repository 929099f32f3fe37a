"""The middleware around a servicer's method, in each shape a method can have.

To gRPC every method takes a stream of requests, which is the same on the wire: of a method that
takes one request, gRPC would read that before anybody could ask who calls.
"""

from __future__ import annotations

import inspect
from contextlib import aclosing
from typing import Any

import grpc

from schoolbell_server.rpc.serving import Calls, Context, Method, Serving


def wrapped(calls: Calls, method: Method) -> Any:
    """Return a handler of raw bytes that serves each call within the middleware."""
    if not method.response_streaming:
        return _single(calls, method)
    if inspect.isasyncgenfunction(method.behaviour):
        return _generator(calls, method)
    return _writer(calls, method)


def _single(calls: Calls, method: Method) -> Any:
    async def serve(_: Any, context: Context) -> bytes:
        async with Serving(calls, method, context) as serving:
            argument = await serving.argument()
            return serving.serialise(await method.behaviour(argument, context))

    return grpc.stream_unary_rpc_method_handler(serve)


def _generator(calls: Calls, method: Method) -> Any:
    """Write what a generator yields.

    Writing here, not in gRPC, ends the generator with the call: gRPC would leave it to the
    garbage collector.
    """

    async def serve(_: Any, context: Context) -> None:
        async with Serving(calls, method, context) as serving:
            argument = await serving.argument()
            async with aclosing(method.behaviour(argument, context)) as responses:
                async for response in responses:
                    await context.write(serving.serialise(response))
            serving.check_cut()

    return grpc.stream_stream_rpc_method_handler(serve)


def _writer(calls: Calls, method: Method) -> Any:
    """Let a coroutine write its messages itself; gRPC serialises them and counts no bytes."""

    async def serve(_: Any, context: Context) -> None:
        async with Serving(calls, method, context) as serving:
            argument = await serving.argument()
            await method.behaviour(argument, context)
            serving.check_cut()

    return grpc.stream_stream_rpc_method_handler(serve, response_serializer=method.serialise)
