"""What is lost between the broker's confirmation and a hub is passed on again, and sent once."""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbell.v1 import delivery_pb2
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.link import lost
from tests.link.enrolled import administrator
from tests.link.linked import linked
from tests.link.waiting import until_waiting
from tests.service.following import following
from tests.service.scene import MOTHER, STUDENT, phone, populate, publish, register, tasks

GRADES = 4
ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED


async def test_what_a_broker_loses_is_passed_on_again(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost, "INTERVAL", 0.5)
    async with linked(tmp_path, broker, started=False) as link:
        service = link.service
        await populate(service)
        await register(service, phone(STUDENT), phone(MOTHER, ios=False))
        queue = link.district.request_queue(GRADES)
        async with following(service) as followed:
            await publish(service, *tasks(1, 2))
            await until_waiting(link, queue, 4)
            async with administrator(broker) as opened:
                await opened.delete("queues", "schoolbell", queue, "contents")
            await link.hub.start()
            found = await followed.until_states(*[ACCEPTED] * 4)
        assert {one.attempt_count for one in found} == {1}
        assert service.sandbox.ledger.totals().duplicates == 0
