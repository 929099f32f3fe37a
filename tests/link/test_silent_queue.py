"""A broker's answer in place of a queue whose leader is silent is not taken for an empty queue."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest
from pamqp.commands import Queue

from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.link.broker import connect, messages_in
from schoolbell_server.link.district_link import DistrictLink
from schoolbell_server.observability.metrics import Metrics
from tests.link.enrolled import enroll, hub, some_district

PATIENCE = 60.0  # seconds


@pytest.mark.parametrize(
    ("messages", "consumers", "known"), [(0, 0, None), (0, 1, 0), (3, 0, 3), (3, 1, 3)]
)
def test_no_message_and_no_consumer_says_nothing(
    messages: int, consumers: int, known: int | None
) -> None:
    declared = Queue.DeclareOk("a", messages, consumers)
    assert messages_in(declared) == known


async def test_nothing_is_known_to_wait_until_a_hub_takes(tmp_path: Path, broker: Broker) -> None:
    config = await enroll(broker, tmp_path, some_district())
    link = DistrictLink(config, Metrics(), clock=lambda: dt.datetime.now(dt.UTC))

    async def take(_: object) -> None:
        return None

    running = asyncio.create_task(link.run(take))
    try:
        async with asyncio.timeout(PATIENCE):
            assert await link.probe() is None
            assert await link.waiting() is None
            connection = await connect(await hub(broker, tmp_path))
            async with connection, connection.channel() as channel:
                for lane in Lane:
                    name = link.topology.request_queue(lane)
                    queue = await channel.get_queue(name, ensure=False)
                    await queue.consume(take)
                assert await link.waiting() == 0
    finally:
        running.cancel()
