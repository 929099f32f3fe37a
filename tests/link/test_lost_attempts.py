"""What is lost between the broker's confirmation and a hub is passed on again, and sent once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schoolbell.v1 import delivery_pb2
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.link import lost
from schoolbell_server.link.lost import LostAttempts
from tests.link.linked import linked
from tests.link.waiting import take_away
from tests.service.following import following
from tests.service.observed import logged
from tests.service.ports import free_port
from tests.service.scene import MOTHER, STUDENT, phone, populate, publish, register, tasks
from tests.service.test_metrics import scrape

GRADES = 4
ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED


async def test_what_a_broker_loses_is_passed_on_again(
    tmp_path: Path,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone, look = asyncio.Event(), LostAttempts.look

    async def look_once_gone(self: LostAttempts) -> None:
        if gone.is_set():
            await look(self)

    monkeypatch.setattr(lost, "INTERVAL", 0.5)
    monkeypatch.setattr(LostAttempts, "look", look_once_gone)
    port = free_port()
    async with linked(tmp_path, broker, started=False, metrics=port) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT), phone(MOTHER, ios=False))
        queue = link.district.request_queue(GRADES)
        async with following(service) as followed:
            await publish(service, *tasks(1, 2))
            await take_away(link, queue, 4)
            gone.set()
            await link.hub.start()
            found = await followed.until_states(*[ACCEPTED] * 4)
        assert {one.attempt_count for one in found} == {1}
        assert service.sandbox.ledger.totals().duplicates == 0
        given_back = logged(caplog, "attempts lost on the link given back")
        # At one look or at several, and again where the hub takes longer than two looks.
        assert sum(vars(record)["deliveries"] for record in given_back) >= 4
        values = await scrape(port)
        assert values["schoolbell_link_lost_attempts_total", frozenset()] >= 4
