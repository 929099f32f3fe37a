"""What every asynchronous call goes through: credentials, a deadline, typed errors."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio

from schoolbell.connection import Connection
from schoolbell.errors import from_rpc_error

Response = TypeVar("Response")


def _details(
    details: grpc.aio.ClientCallDetails, connection: Connection, timeout: float | None
) -> grpc.aio.ClientCallDetails:
    metadata = grpc.aio.Metadata(*(details.metadata or ()), *connection.metadata())
    return grpc.aio.ClientCallDetails(
        details.method,
        details.timeout if details.timeout is not None else timeout,
        metadata,
        details.credentials,
        details.wait_for_ready,
    )


class UnaryCalls(grpc.aio.UnaryUnaryClientInterceptor):
    """Unary calls: the connection's deadline where the caller names none."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        """Make the call and raise a typed error where it fails."""
        details = _details(client_call_details, self._connection, self._connection.deadline)
        try:
            return await (await continuation(details, request))
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None


class ResponseStreams(grpc.aio.UnaryStreamClientInterceptor):
    """Streams of responses: no deadline but the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def intercept_unary_stream(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        """Open the stream with the caller's credentials."""
        return await continuation(_details(client_call_details, self._connection, None), request)


class RequestStreams(grpc.aio.StreamUnaryClientInterceptor):
    """Streams of requests."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        """Open the stream with the caller's credentials."""
        details = _details(client_call_details, self._connection, None)
        return await continuation(details, request_iterator)


class BothStreams(grpc.aio.StreamStreamClientInterceptor):
    """Streams both ways."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def intercept_stream_stream(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        """Open the stream with the caller's credentials."""
        details = _details(client_call_details, self._connection, None)
        return await continuation(details, request_iterator)


def interceptors(connection: Connection) -> tuple[grpc.aio.ClientInterceptor, ...]:
    """Return one interceptor for each shape of call."""
    shapes: tuple[Callable[[Connection], grpc.aio.ClientInterceptor], ...] = (
        UnaryCalls,
        ResponseStreams,
        RequestStreams,
        BothStreams,
    )
    return tuple(shape(connection) for shape in shapes)


async def typed(responses: AsyncIterable[Response]) -> AsyncIterator[Response]:
    """Yield a stream's responses; raise a typed error where it breaks."""
    try:
        async for response in responses:
            yield response
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None
