"""`grpc.health.v1`: whether the whole server, and each service, can be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

_States = health_pb2.HealthCheckResponse
_messages: Any = health_pb2  # the published stubs do not know `List`


class Health(health.aio.HealthServicer):
    """The standard servicer with the RPC that it lacks."""

    _server_status: Mapping[str, Any]

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer the health of every service."""
        return _messages.HealthListResponse(
            statuses={name: _States(status=status) for name, status in self._server_status.items()}
        )


async def add_health(server: grpc.aio.Server, services: Sequence[str]) -> Health:
    """Serve `grpc.health.v1`, with the whole server ('') and every service not serving yet."""
    servicer = Health()
    for name in ("", *services):
        await servicer.set(name, _States.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return servicer


async def set_serving(servicer: Health, *names: str, serving: bool) -> None:
    """Say of services whether they can be called; watchers are told."""
    for name in names:
        await servicer.set(name, _States.SERVING if serving else _States.NOT_SERVING)
