"""What every blocking call goes through: credentials, a deadline, typed errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

import grpc

from schoolbell.connection import Connection
from schoolbell.errors import from_rpc_error

Answer = TypeVar("Answer")


class Call:
    """A call that goes on: an iterator of responses, or the future of one.

    Its errors are the classes of `schoolbell.errors`; what is not here is the call's own.
    """

    def __init__(self, call: Any) -> None:
        self._call = call

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return _typed(lambda: next(self._call))

    def result(self, timeout: float | None = None) -> Any:
        """Return the one response, once it is there."""
        return _typed(lambda: self._call.result(timeout))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class _Method:
    """The calls of one RPC."""

    def __init__(
        self, make: Any, connection: Connection, *, streams: bool, deadline: float | None
    ) -> None:
        self._make = make
        self._connection = connection
        self._streams = streams
        self._deadline = deadline

    def __call__(self, request: Any, timeout: float | None = None, **options: Any) -> Any:
        answer = _typed(lambda: self._make(request, **self._options(timeout, options)))
        return Call(answer) if self._streams else answer

    def with_call(self, request: Any, timeout: float | None = None, **options: Any) -> Any:
        """Return the response and the call."""
        return _typed(lambda: self._make.with_call(request, **self._options(timeout, options)))

    def future(self, request: Any, timeout: float | None = None, **options: Any) -> Call:
        """Return the call without waiting for its response."""
        return Call(self._make.future(request, **self._options(timeout, options)))

    def _options(self, timeout: float | None, options: dict[str, Any]) -> dict[str, Any]:
        metadata = (*(options.get("metadata") or ()), *self._connection.metadata())
        limit = self._deadline if timeout is None else timeout
        return {**options, "timeout": limit, "metadata": metadata}


class _Channel:
    """A channel whose stubs make calls with the credentials of a connection."""

    def __init__(self, channel: grpc.Channel, connection: Connection) -> None:
        self._channel = channel
        self._connection = connection

    def unary_unary(self, *args: Any, **options: Any) -> _Method:
        """Return unary calls: the connection's deadline where the caller names none."""
        made, limit = self._channel.unary_unary(*args, **options), self._connection.deadline
        return _Method(made, self._connection, streams=False, deadline=limit)

    def unary_stream(self, *args: Any, **options: Any) -> _Method:
        """Return calls with streams of responses: no deadline but the caller's."""
        made = self._channel.unary_stream(*args, **options)
        return _Method(made, self._connection, streams=True, deadline=None)

    def stream_unary(self, *args: Any, **options: Any) -> _Method:
        """Return calls with streams of requests."""
        made = self._channel.stream_unary(*args, **options)
        return _Method(made, self._connection, streams=False, deadline=None)

    def stream_stream(self, *args: Any, **options: Any) -> _Method:
        """Return calls with streams both ways."""
        made = self._channel.stream_stream(*args, **options)
        return _Method(made, self._connection, streams=True, deadline=None)


def typed_channel(channel: grpc.Channel, connection: Connection) -> grpc.Channel:
    """Return a channel for stubs, whose calls show a key and raise typed errors."""
    return cast(grpc.Channel, _Channel(channel, connection))


def _typed(ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None
