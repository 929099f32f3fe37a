"""Health and status follow what publishers see, also where everything else goes on."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from schoolbell.errors import Unavailable
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import status_pb2
from schoolbell.v1.status_service_pb2 import WATCH_TOPIC_STATE, WatchStatusRequest
from schoolbell_server.address import Address
from schoolbell_server.config import Config
from tests.service.blocking import locked
from tests.service.following import PATIENCE
from tests.service.ports import free_port
from tests.service.scene import absence, populate, publish
from tests.service.test_metrics import Values, until
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import POSTGRESQL, SQLITE

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_ANSWERS = ("schoolbell_storage_answers", frozenset[tuple[str, str]]())
_UNANSWERED = ("schoolbell_oldest_unanswered_seconds", frozenset[tuple[str, str]]())


async def until_state(service: Whole, status: status_pb2.ServiceStatus.ValueType) -> Any:
    """Wait until the district shows a status; return the state."""
    request = WatchStatusRequest(district_id=DISTRICT, topics=[WATCH_TOPIC_STATE])
    async with asyncio.timeout(PATIENCE), service.client(access.ROLE_MONITOR) as monitor:
        async for response in monitor.watch(request):
            for state in response.states:
                if state.service_status == status:
                    return state
    raise AssertionError("the watch ended")


async def until_health(service: Whole, wanted: int) -> None:
    """Wait until the server's health is as wanted."""
    channel = service.connection(access.ROLE_MONITOR).aio_channel()
    async with channel, asyncio.timeout(PATIENCE):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        async for answer in watch:
            if answer.status == wanted:
                watch.cancel()
                return


@pytest.mark.parametrize(
    ("database", "table"),
    [
        (SQLITE, "all"),
        pytest.param(POSTGRESQL, "status_log", marks=pytest.mark.postgresql),
        pytest.param(POSTGRESQL, "change_key", marks=pytest.mark.postgresql),
    ],
)
async def test_a_lock_that_stops_only_accepting_is_shown(
    database: str, table: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()

    def measured(config: Config) -> Config:
        metrics = Address("127.0.0.1", port)
        return replace(config, server=replace(config.server, metrics_listen=metrics))

    def stuck(values: Values) -> bool:
        return values[_ANSWERS] == 0 and values[_UNANSWERED] > 0

    caplog.set_level("INFO")
    async with whole(tmp_path, database=database, adapt=measured) as service:
        await populate(service)
        await until_state(service, status_pb2.SERVICE_STATUS_ACTIVE)
        await until_health(service, SERVING)
        began = dt.datetime.now(dt.UTC)
        async with locked(service, table):
            waiting = asyncio.create_task(publish(service, absence("a1")))
            await until(port, stuck)
            state = await until_state(service, status_pb2.SERVICE_STATUS_INACTIVE)
            await until_health(service, NOT_SERVING)
        (warning,) = [
            one for one in state.warnings if one.code == status_pb2.WARNING_CODE_ACCEPTANCE_BLOCKED
        ]
        assert warning.start_time.ToDatetime(dt.UTC) > began
        await until_state(service, status_pb2.SERVICE_STATUS_ACTIVE)
        await until_health(service, SERVING)
        await until(port, lambda values: values[_ANSWERS] == 1)
        await asyncio.wait([waiting])
        if waiting.exception() is not None:  # SQLite waits ten seconds for a lock
            assert isinstance(waiting.exception(), Unavailable)
    assert "storage does not answer" in caplog.messages
    assert "storage answers again" in caplog.messages
