"""The conduct around a servicer's method, in each shape a method can have."""

from __future__ import annotations

import inspect
from contextlib import aclosing
from typing import Any

import grpc

from schoolbell_server.rpc.serving import Calls, Context, Method, Serving


def conducted(calls: Calls, method: Method) -> Any:
    """Return a handler of raw bytes that serves each call within the conduct."""
    if not method.response_streaming:
        return _single(calls, method)
    if inspect.isasyncgenfunction(method.behaviour):
        return _generator(calls, method)
    return _writer(calls, method)


def _single(calls: Calls, method: Method) -> Any:
    async def serve(request: Any, context: Context) -> bytes:
        async with Serving(calls, method, context) as serving:
            argument = await serving.argument(request)
            return serving.serialise(await method.behaviour(argument, context))

    if method.request_streaming:
        return grpc.stream_unary_rpc_method_handler(serve)
    return grpc.unary_unary_rpc_method_handler(serve)


def _generator(calls: Calls, method: Method) -> Any:
    """Write what a generator yields.

    Writing here, not in gRPC, ends the generator with the call: gRPC would leave it to the
    garbage collector.
    """

    async def serve(request: Any, context: Context) -> None:
        async with Serving(calls, method, context) as serving:
            argument = await serving.argument(request)
            async with aclosing(method.behaviour(argument, context)) as responses:
                async for response in responses:
                    await context.write(serving.serialise(response))
            serving.check_cut()

    if method.request_streaming:
        return grpc.stream_stream_rpc_method_handler(serve)
    return grpc.unary_stream_rpc_method_handler(serve)


def _writer(calls: Calls, method: Method) -> Any:
    """Let a coroutine write its messages itself; gRPC serialises them and counts no bytes."""

    async def serve(request: Any, context: Context) -> None:
        async with Serving(calls, method, context) as serving:
            argument = await serving.argument(request)
            await method.behaviour(argument, context)
            serving.check_cut()

    if method.request_streaming:
        return grpc.stream_stream_rpc_method_handler(serve, response_serializer=method.serialise)
    return grpc.unary_stream_rpc_method_handler(serve, response_serializer=method.serialise)
