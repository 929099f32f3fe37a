"""What tests of several servers on one PostgreSQL share."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import status_pb2
from schoolbell.v1.status_service_pb2 import WATCH_TOPIC_STATE, WatchStatusRequest
from schoolbell_server.address import Address
from schoolbell_server.config import Config
from tests.end_to_end.postgresql import Cluster, cluster
from tests.end_to_end.process import PATIENCE, Process
from tests.end_to_end.streaming import NO_QUOTAS, populate_for_streaming
from tests.service.following import Serving
from tests.service.ports import free_port
from tests.service.whole import DISTRICT, FAST, Whole, whole

SHORT_LEASE = replace(FAST, lease=timedelta(seconds=3), lease_renewal=timedelta(seconds=1))
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass
class Scene:
    """A populated service on a database of its own, to be served by processes."""

    service: Whole
    database: Cluster

    def config(self, **server: object) -> Config:
        """Return the configuration of one server: a port and metrics of its own, unless given."""
        own: dict[str, object] = {
            "listen": Address("127.0.0.1", free_port()),
            "metrics_listen": Address("127.0.0.1", free_port()),
        }
        changed = replace(self.service.config.server, **(own | server))  # type: ignore[arg-type]
        return replace(self.service.config, server=changed, delivery=SHORT_LEASE)


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """Set the scene for streaming, on PostgreSQL."""
    async with (
        cluster() as database,
        whole(folder, url=database.url, fcm=NO_QUOTAS) as service,
    ):
        await populate_for_streaming(service)
        yield Scene(service, database)


def measured(process: Process, name: str) -> float:
    """Return the sum of a metric over its labels, as one server exports it."""
    url = f"http://{process.config.server.metrics_listen}/metrics"
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.startswith((f"{name} ", f"{name}{{"))
    )


async def until_status(serving: Serving, wanted: status_pb2.ServiceStatus.ValueType) -> None:
    """Wait until the service shows a status."""
    request = WatchStatusRequest(district_id=DISTRICT, topics=[WATCH_TOPIC_STATE])
    async with asyncio.timeout(PATIENCE), serving.client(access.ROLE_MONITOR) as monitor:
        async for response in monitor.watch(request):
            if any(state.service_status == wanted for state in response.states):
                return


async def until_health(process: Process, wanted: int) -> None:
    """Wait until a server's health is as wanted."""
    async with process.channel() as channel, asyncio.timeout(PATIENCE):
        watch = _health(channel).Watch(health_pb2.HealthCheckRequest())
        async for answer in watch:
            if answer.status == wanted:
                watch.cancel()
                return
    raise AssertionError("the server ended")


def _health(channel: aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)
