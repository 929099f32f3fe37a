"""A hub serves health and metrics as a server does, drains, and logs nobody's text or token."""

from __future__ import annotations

import asyncio
import dataclasses
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from schoolbell.v1 import delivery_pb2
from schoolbell_server.config import Address
from schoolbell_server.demo.rabbitmq.broker import Broker
from tests.link.linked import Hub, linked
from tests.service.following import following
from tests.service.ports import free_port
from tests.service.scene import MOTHER, STUDENT, phone, populate, publish, register, tasks, token_of

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
PATIENCE = 60.0  # seconds


async def until_health(port: int, wanted: int) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # the published stubs do not know Watch
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        async with asyncio.timeout(PATIENCE):
            async for answer in watch:
                if answer.status == wanted:
                    return


def _metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
        text: str = answer.read().decode()
    return text


async def test_a_hub_serves_health_and_metrics_and_logs_no_text(
    tmp_path: Path, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    async with linked(tmp_path, broker, started=False) as link:
        port = free_port()
        server = dataclasses.replace(link.hub.config.hub, metrics_listen=Address("127.0.0.1", port))
        link.hub.config = dataclasses.replace(link.hub.config, hub=server)
        await link.hub.start()
        assert link.hub.running is not None
        await until_health(link.hub.running.port, SERVING)
        await populate(link.service)
        phones = phone(STUDENT), phone(MOTHER, ios=False)
        await register(link.service, *phones)
        with caplog.at_level("DEBUG", logger="schoolbell_server"):
            async with following(link.service) as followed:
                await publish(link.service, *tasks(1, 1))
                await followed.until_states(ACCEPTED, ACCEPTED)
        seen = await asyncio.to_thread(_metrics, port)
        counted = f'schoolbell_hub_attempts_total{{district="{link.district.district}",'
        assert f'{counted}outcome="ACCEPTED"}} 2.0' in seen
        assert "schoolbell_hub_connected 1.0" in seen
        for record in caplog.records:
            told = f"{record.getMessage()} {record.__dict__}"
            assert "Algebra" not in told
            assert not any(token_of(one) in told for one in phones)


async def test_a_hub_that_does_not_reach_the_broker_does_not_serve(
    tmp_path: Path, broker: Broker
) -> None:
    async with linked(tmp_path, broker, started=False) as link:
        url = f"amqps://hub@localhost:{free_port()}"
        at_nobody = dataclasses.replace(link.hub.config.broker, url=url)
        alone = Hub(dataclasses.replace(link.hub.config, broker=at_nobody))
        await alone.start()
        try:
            assert alone.running is not None
            await until_health(alone.running.port, NOT_SERVING)
        finally:
            await alone.stop()
