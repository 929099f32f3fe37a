"""A district that floods with what nobody can read has a fifth of a hub's time for it at most."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aio_pika import Message

from schoolbell.v1 import delivery_pb2
from schoolbell_server.config.topology import MAX_MESSAGE_BYTES, WITHDRAWALS_KEY, lane_key
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.domain.lanes import Lane
from schoolbell_server.hub import intake
from schoolbell_server.link.broker import connect
from schoolbell_server.link.wire import Malformed, read_batch
from tests.link.enrolled import enroll, remove, some_district
from tests.link.linked import linked
from tests.service.following import following
from tests.service.observed import logged
from tests.service.scene import STUDENT, phone, populate, publish, register, tasks

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
PATIENCE = 60.0  # seconds
SET_ASIDE = "message cannot be read: it goes to the dead letters"
DEEP = b"\x0a\x00" * (MAX_MESSAGE_BYTES // 2)
"""As many empty deliveries as a message holds: the longest that reading one takes."""


async def test_what_nobody_can_read_is_set_aside_one_by_one_and_stops_no_other(
    tmp_path: Path,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(intake, "_UNREADABLE", 3600.0)
    hostile, read, all_read = some_district(), list[bytes](), asyncio.Event()

    def reading(body: bytes) -> object:
        if body == DEEP:
            read.append(body)
            if len(read) == len(Lane):
                all_read.set()
        return read_batch(body)

    monkeypatch.setattr(intake, "read_batch", reading)
    config = await enroll(broker, tmp_path, hostile)
    try:
        async with linked(tmp_path, broker) as link:
            async with await connect(config) as connection:
                channel = await connection.channel()
                exchange = await channel.get_exchange(hostile.exchange, ensure=False)
                for lane in Lane:
                    await exchange.publish(Message(DEEP), lane_key(lane))
                await exchange.publish(Message(DEEP), WITHDRAWALS_KEY)
            async with asyncio.timeout(PATIENCE):
                await all_read.wait()
            await populate(link.service)
            await register(link.service, phone(STUDENT))
            async with following(link.service) as followed:
                await publish(link.service, *tasks(1, 1))
                await followed.until_states(ACCEPTED)
            assert len(logged(caplog, SET_ASIDE, district_id=hostile.district)) == 1
    finally:
        await remove(broker, hostile)


def test_what_takes_long_to_read_is_kept_for_longer() -> None:
    with pytest.raises(Malformed):
        read_batch(DEEP)
    assert intake.rest(0.001) == intake._UNREADABLE
    assert intake.rest(1.0) == 4.0
