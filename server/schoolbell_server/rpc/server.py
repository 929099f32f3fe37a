"""A gRPC server with the middleware around everything that is added to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc

from schoolbell_server.config import LimitsConfig
from schoolbell_server.open_files import most_connections
from schoolbell_server.rpc.middleware import Middleware

KEEPALIVE = (
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)
"""Clients may ping every 10 s, also when idle; a peer that is silent for 80 s is gone."""


_SLACK = 64 * 1024
"""Bytes by which gRPC's own limit of a message is above ours, which refuses with a reason."""


def transport_limits(limits: LimitsConfig) -> tuple[tuple[str, int], ...]:
    """Return what gRPC itself bounds, before any of our code runs.

    There is no `max_connection_age`: with a grace it would cut the streams of publishers and
    watchers, and without one it would cut nobody. Strangers have no streams that are worth it.
    """
    return (
        ("grpc.max_concurrent_streams", limits.connection_calls),
        # Calls that have ended and still lie in memory: without room for them a client that keeps
        # to the limit above has every other call reset.
        ("grpc.http2.max_deallocating_streams", limits.connection_calls),
        ("grpc.max_allowed_incoming_connections", most_connections(limits.connections)),
        ("grpc.max_connection_idle_ms", _milliseconds(limits.connection_idle)),
        ("grpc.server_handshake_timeout_ms", _milliseconds(limits.handshake_timeout)),
        ("grpc.max_receive_message_length", limits.message_bytes + _SLACK),
        ("grpc.http2.bdp_probe", 0),  # or it lets strangers send megabytes that nobody reads
        ("grpc.http2.max_ping_strikes", 2),
    )


class CannotListen(Exception):
    """The address is not this machine's, or somebody else listens there."""


class MiddlewareServer(grpc.aio.Server):
    """Wrap every handler in the middleware, and answer what was never added with a reason."""

    def __init__(self, middleware: Middleware, *, share_port: bool = False) -> None:
        """Make a server without ports or services.

        Without `share_port` a port has one server, where gRPC would let others join.
        """
        self._middleware = middleware
        self._server = grpc.aio.server(
            options=(
                *KEEPALIVE,
                *transport_limits(middleware.limits),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", int(share_port)),
            )
        )

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Add the methods of a service."""
        self._server.add_registered_method_handlers(
            service_name,
            {
                name: self._middleware.handler(f"/{service_name}/{name}", handler)
                for name, handler in method_handlers.items()
            },
        )

    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]
    ) -> None:
        """Add handlers that are looked up by name, after those of services."""
        self._server.add_generic_rpc_handlers(
            [_Wrapped(self._middleware, handler) for handler in generic_rpc_handlers]
        )

    def add_insecure_port(self, address: str) -> int:
        """Listen without TLS; return the port, or raise CannotListen."""
        with _listening(address):
            return self._server.add_insecure_port(address)

    def add_secure_port(self, address: str, server_credentials: grpc.ServerCredentials) -> int:
        """Listen with TLS; return the port, or raise CannotListen."""
        with _listening(address):
            return self._server.add_secure_port(address, server_credentials)

    async def start(self) -> None:
        """Begin to serve; nothing can be added any more."""
        self._server.add_generic_rpc_handlers([_Unknown(self._middleware)])
        await self._server.start()

    async def stop(self, grace: float | None) -> None:
        """Take no more calls, and cancel those that are open after `grace` seconds."""
        await self._server.stop(grace)

    async def wait_for_termination(self, timeout: float | None = None) -> bool:
        """Wait until the server has stopped; False if `timeout` seconds were not enough."""
        return await self._server.wait_for_termination(timeout)


def _milliseconds(span: dt.timedelta) -> int:
    return int(span.total_seconds() * 1000)


@contextmanager
def _listening(address: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError:
        raise CannotListen(
            f"cannot listen on {address}: it is in use, or not an address of this machine; "
            "servers of one database may share a port (server.share_port)"
        ) from None


class _Wrapped(grpc.GenericRpcHandler):
    def __init__(self, middleware: Middleware, plain: grpc.GenericRpcHandler) -> None:
        self._middleware = middleware
        self._plain = plain
        self._handlers: dict[str, Any] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        name = handler_call_details.method
        handler = self._handlers.get(name)
        if handler is None and (plain := self._plain.service(handler_call_details)):
            handler = self._handlers[name] = self._middleware.handler(name, plain)
        return handler


class _Unknown(grpc.GenericRpcHandler):
    def __init__(self, middleware: Middleware) -> None:
        self._middleware = middleware

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._middleware.unknown(handler_call_details.method)
