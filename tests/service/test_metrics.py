"""The metrics endpoint of a running service: what is under way, how long it took, who watches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from schoolbell.v1 import delivery_pb2
from schoolbell_sandbox.faults import Endpoint
from schoolbell_server.address import Address
from schoolbell_server.config import Config
from tests.service.following import PATIENCE, following
from tests.service.ports import free_port
from tests.service.sandbox.unread import unread
from tests.service.scene import MOTHER, phone, populate, publish, register, tasks
from tests.service.whole import FAST, PARENT_APP, whole

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
PATIENT = replace(FAST, attempt_timeout=timedelta(seconds=PATIENCE))
"""A push is waited for as long as its test waits for what becomes of it."""
UNDER_WAY = 0.2  # seconds, at least, that an attempt takes
Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def labelled(name: str, provider: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset({("app_id", PARENT_APP), ("provider", provider)})


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


@pytest.mark.parametrize("provider", ["APNS", "FCM"])
async def test_what_is_under_way_and_how_long_it_took_are_measured(
    provider: str, tmp_path: Path
) -> None:
    port, ios = free_port(), provider == "APNS"

    def adapt(config: Config) -> Config:
        return replace(
            config, server=replace(config.server, metrics_listen=Address("127.0.0.1", port))
        )

    in_flight = labelled("schoolbell_in_flight_pushes", provider)
    count = labelled("schoolbell_attempt_duration_seconds_count", provider)
    total = labelled("schoolbell_attempt_duration_seconds_sum", provider)
    watchers = "schoolbell_watchers", frozenset[tuple[str, str]]()
    async with whole(tmp_path, adapt=adapt, delivery=PATIENT) as service:
        await populate(service)
        await register(service, *(phone(MOTHER, ios=ios, number=number) for number in range(3)))
        before = await scrape(port)
        assert before[in_flight] == 0
        assert before[watchers] == 0
        listener = service.sandbox.listener(Endpoint.APNS if ios else Endpoint.FCM)
        async with following(service) as followed:
            await until(port, lambda values: values[watchers] == 1)
            first, second = tasks(1, 2)
            await publish(service, first)  # opens the connection
            await followed.until_states(*[ACCEPTED] * 3)
            before = await until(port, lambda values: values.get(count) == 3)
            start = time.monotonic()
            with unread(listener):
                await publish(service, second)
                await until(port, lambda values: values[in_flight] == 3)
                seen = time.monotonic()
                await asyncio.sleep(UNDER_WAY)
                least = time.monotonic() - seen
            await followed.until_states(*[ACCEPTED] * 6)
            after = await until(port, lambda values: values.get(count) == 6)
            most = time.monotonic() - start
        assert after[in_flight] == 0
        assert after[labelled("schoolbell_circuit_open", provider)] == 0
        assert 3 * least <= after[total] - before[total] <= 3 * most
        await until(port, lambda values: values[watchers] == 0)
