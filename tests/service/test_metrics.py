"""The metrics endpoint of a running service: what is under way, how long it took, who watches."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from schoolbell.v1 import delivery_pb2
from schoolbell_server.config import Address, Config
from schoolbell_server.sandbox.effect import Effect
from schoolbell_server.sandbox.faults import Endpoint, Fault
from tests.service.following import PATIENCE, following
from tests.service.held import publish
from tests.service.scene import MOTHER, grade, phone, populate, register
from tests.service.whole import PARENT_APP, whole

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def apns(name: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset({("app_id", PARENT_APP), ("provider", "APNS")})


async def scrape(port: int) -> Values:
    """Read the metrics as Prometheus does."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        families = text_string_to_metric_families(await answer.text())
    samples = [sample for family in families for sample in family.samples]
    return {(one.name, frozenset(one.labels.items())): one.value for one in samples}


async def until(port: int, reached: Callable[[Values], bool]) -> Values:
    """Scrape until a test is satisfied."""
    async with asyncio.timeout(PATIENCE):
        while True:
            values = await scrape(port)
            if reached(values):
                return values
            await asyncio.sleep(0.02)


async def test_what_is_under_way_and_how_long_it_took_are_measured(tmp_path: Path) -> None:
    port = free_port()

    def adapt(config: Config) -> Config:
        return replace(
            config, server=replace(config.server, metrics_listen=Address("127.0.0.1", port))
        )

    watchers = "schoolbell_watchers", frozenset[tuple[str, str]]()
    async with whole(tmp_path, adapt=adapt) as service:
        await populate(service)
        await register(service, *(phone(MOTHER, number=number) for number in range(3)))
        before = await scrape(port)
        assert before[apns("schoolbell_in_flight_pushes")] == 0
        assert before[watchers] == 0
        service.sandbox.faults.add(Fault(endpoint=Endpoint.APNS, effect=Effect(delay=0.5), times=3))
        async with following(service) as followed:
            await until(port, lambda values: values[watchers] == 1)
            await publish(service, grade("g1", 80))
            await until(port, lambda values: values[apns("schoolbell_in_flight_pushes")] == 3)
            await followed.until_states(*[ACCEPTED] * 3)
            after = await until(
                port,
                lambda values: values.get(apns("schoolbell_attempt_duration_seconds_count")) == 3,
            )
        assert after[apns("schoolbell_in_flight_pushes")] == 0
        assert after[apns("schoolbell_circuit_open")] == 0
        assert 1.5 <= after[apns("schoolbell_attempt_duration_seconds_sum")] < 3 * PATIENCE
        await until(port, lambda values: values[watchers] == 0)
