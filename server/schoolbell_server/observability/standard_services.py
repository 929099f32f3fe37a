"""The standard services beside our own: health and reflection."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"
"""The same bytes as v1alpha, for which alone there is generated code."""


async def add_health(server: grpc.aio.Server, services: Sequence[str]) -> health.aio.HealthServicer:
    """Serve `grpc.health.v1`, with the whole server ('') and every service not serving yet."""
    servicer = health.aio.HealthServicer()
    for name in ("", *services):
        await servicer.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return servicer


async def set_serving(servicer: health.aio.HealthServicer, *names: str, serving: bool) -> None:
    """Say of services whether they can be called; watchers are told."""
    states = health_pb2.HealthCheckResponse
    for name in names:
        await servicer.set(name, states.SERVING if serving else states.NOT_SERVING)


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Serve reflection as v1 and v1alpha."""
    names = (*services, health.SERVICE_NAME, REFLECTION_V1, reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer(names)
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method})
            for name in (REFLECTION_V1, reflection.SERVICE_NAME)
        ]
    )
